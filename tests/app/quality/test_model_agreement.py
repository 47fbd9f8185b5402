"""How far a reward model agrees with people: counted by hand, then on the page."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.quality import model_agreement
from app.quality.columns import Row, build
from app.samples import assessments
from app.samples.assessments import Line
from tests import cast
from tests.app.annotations import desk


def row(annotation: int, sample: int, ranking: list[list[str]], marks: dict[str, int]) -> Row:
    scores = {each: {"helpfulness": mark} for each, mark in marks.items()}
    return Row(annotation, 1, sample, scores=scores, ranking=ranking, order=[int(each) for each in marks])


def test_pairs_alike_by_hand() -> None:
    first = row(1, 1, [["11"], ["12", "13"]], {"11": 5, "12": 3, "13": 3})
    second = row(2, 2, [["21"], ["22"]], {"21": 2, "22": 4})
    found = model_agreement.votes(build([first, second], ("helpfulness",)), [11, 12, 21, 22], [2.0, 1.0, 1.0, 3.0])
    assert found.by["ranking"].tolist() == [[1, 1], [0, 1]], "13 is not assessed, and 12 ties with it"
    assert found.by["helpfulness"].tolist() == [[1, 1], [1, 1]], "scores say the opposite of the second ranking"
    shares = model_agreement.shares(found, None, 0)
    assert (shares["ranking"].value, shares["ranking"].pairs) == (0.5, 2)
    nothing = model_agreement.shares(found, found.samples > 9, 0)
    assert nothing["ranking"] == (None, None, None, 0)


def test_equal_rewards_are_half_alike() -> None:
    found = model_agreement.votes(
        build([row(1, 1, [["11"], ["12"]], {"11": 5, "12": 1})], ("helpfulness",)), [11, 12], [1, 1]
    )
    assert found.by["ranking"].tolist() == [[0.5, 1]]


@pytest.mark.parametrize("by", ["type", "domain", "cluster", "week"])
def test_the_page_shows_each_part_and_says_so_where_nothing_is_offered(
    client: TestClient, session: Session, by: str
) -> None:
    project = desk.project(session, samples=2)
    bob = desk.annotator(session, project)
    made = [desk.annotate(session, bob) for _ in range(2)]
    rosa = desk.reviewer(session, project)
    cast.sign_in(client, session, rosa.user)
    at = f"/projects/{project.slug}/quality/reward-model"
    assert "No reward model is offered" in client.get(at).text
    assert client.get(f"{at}.csv").text.splitlines() == [
        "part,measure,alike,low,high,pairs",
    ]
    ids = [response.id for each in made for response in each.sample.responses]
    assessments.offer(session, rosa, 3, [Line(each, float(-each), "") for each in ids])
    session.commit()
    page = client.get(f"{at}?by={by}").text
    assert '<td class="number">12</td>' in page and "100 %" in page and "better than chance" in page
    table = client.get(f"{at}.csv?by={by}").text
    assert "all samples,ranking,1,1,1,12" in table


def test_agreement_is_told_apart_by_criterion_type_cluster_and_week(client: TestClient, session: Session) -> None:
    project = desk.project(session, samples=2, overlap=2)
    made = {}
    for name in ("bob", "cho"):
        seat = desk.annotator(session, project, name)
        for _ in range(2):
            each = desk.annotate(session, seat)
            made[name, each.sample_id] = each
    first, second = sorted({each.sample for each in made.values()}, key=lambda sample: sample.id)
    first.cluster, first.question_type, second.cluster, second.question_type = "cats", "long", "dogs", "mcq"
    for (name, sample_id), each in made.items():
        if name == "bob":
            each.submitted_at = dt.datetime(2026, 3, 4 if sample_id == first.id else 11, tzinfo=dt.UTC)
        else:
            each.submitted_at = dt.datetime(2026, 3, 12, tzinfo=dt.UTC)
    rosa = desk.reviewer(session, project)
    agreeing = [Line(each.id, -float(each.id), "") for each in first.responses]  # as everybody ranked them
    against = [Line(each.id, float(each.id), "") for each in second.responses]
    assessments.offer(session, rosa, 3, [*agreeing, *against])
    session.commit()
    cast.sign_in(client, session, rosa.user)
    at = f"/projects/{project.slug}/quality/reward-model"

    def shares(by: str) -> dict[str, tuple[str, str]]:
        rows = [line.split(",") for line in client.get(f"{at}.csv?by={by}").text.splitlines()]
        return {row[0]: (row[2], row[5]) for row in rows if row[1] == "ranking"}

    assert shares("cluster") == {"all samples": ("0.5", "24"), "cats": ("1", "12"), "dogs": ("0", "12")}
    assert shares("type") == {"all samples": ("0.5", "24"), "long": ("1", "12"), "mcq": ("0", "12")}
    weeks = shares("week")
    assert (weeks["2026-03-02"], weeks["2026-03-09"][1]) == (("1", "6"), "18"), "each judgement in its own week"
    assert float(weeks["2026-03-09"][0]) == pytest.approx(6 / 18, abs=1e-4)
    page = client.get(f"{at}?by=week").text
    assert "annotations?since=2026-03-02&amp;until=2026-03-08" in page
    assert page.count("week by week") == 4, "a chart for the ranking and for each criterion"
    assert "2026-03-02: 100 %; 2026-03-09: 33 %" in page
    assert "week by week" not in client.get(f"{at}?by=type").text
    told = [line.split(",")[:2] for line in client.get(f"{at}.csv?by=cluster").text.splitlines()]
    assert ["cats", "helpfulness"] in told and ["dogs", "ethics"] in told, "each criterion of each part"


def test_a_researcher_who_may_offer_a_run_sees_what_it_is_worth_but_no_annotators_figures(
    client: TestClient, session: Session
) -> None:
    project = desk.project(session, samples=1)
    made = desk.annotate(session, desk.annotator(session, project))
    rui = cast.seat(session, cast.user(session, "rui"), project, "researcher")
    assessments.offer(session, rui, 3, [Line(each.id, float(each.id), "") for each in made.sample.responses])
    session.commit()
    cast.sign_in(client, session, rui.user)
    at = f"/projects/{project.slug}/quality"
    page = client.get(f"{at}/reward-model")
    assert page.status_code == 200 and "Ranking" in page.text
    assert f'href="{at}' not in page.text, "no link to where a researcher may not go"
    assert client.get(f"{at}/people").status_code == 403
