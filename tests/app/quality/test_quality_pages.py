"""The quality page: agreement over the annotations that exist, and each annotator beside the project."""

from __future__ import annotations

import html
import re

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts.tables import AuditEntry, User
from app.annotations import actions as annotations
from app.annotations import adjudicating
from app.annotations.tables import Review
from app.projects.guard import Seat
from app.projects.tables import Project
from app.quality import cache, reports
from app.tasks.record_tables import Gold
from tests import cast
from tests.app.annotations import desk

AT = "/projects/streets/quality"


@pytest.fixture
def project(session: Session) -> Project:
    """Two samples, each for two people."""
    return desk.project(session, samples=2, overlap=2)


def admin(session: Session, project: Project) -> Seat:
    return cast.seat(session, cast.user(session, "ada"), project, "admin")


def scored(sample: desk.Sample, *marks: int) -> dict[str, dict[str, int]]:
    return {
        str(response.id): {"helpfulness": mark, "faithfulness": mark, "ethics": 5}
        for response, mark in zip(sample.responses, marks, strict=True)
    }


def annotate(session: Session, seat: Seat, *marks: int, **changes: object) -> desk.Annotation:
    held = desk.lease(session, seat)
    content = desk.content(held.task.sample, scores=scored(held.task.sample, *marks), **changes)
    return annotations.submit(session, seat, held.task_id, content, f"key {held.id}", 60.0)


def test_nothing_judged_says_what_to_do(client: TestClient, session: Session, project: Project) -> None:
    cast.sign_in(client, session, admin(session, project).user)
    assert "Nobody has judged anything yet" in client.get(AT).text


def test_the_page_shows_alpha_tau_and_what_stands_behind_them(
    client: TestClient, session: Session, project: Project
) -> None:
    bob, cho = desk.annotator(session, project), desk.annotator(session, project, "cho")
    for seat in (bob, cho):
        annotate(session, seat, 1, 2, 4, 5)
        annotate(session, seat, 5, 4, 2, 1)
    cast.sign_in(client, session, admin(session, project).user)
    page = html.unescape(client.get(AT).text)
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Helpfulness α 1.00" in text
    assert "Ethical considerations α – Undefined: all answers are equal" in text
    assert "Ranks, pairwise τ_b 1.00" in text
    assert "8 responses of 2 samples, 2 people" in text
    assert f"/projects/streets/quality/people/{bob.user.id}" in page
    assert "4 of 4" in text


def alpha(session: Session, seat: Seat) -> float | None:
    return reports.found(cache.of(session, seat)).figure("helpfulness").value


def test_a_reviewers_correction_does_not_feign_agreement(session: Session, project: Project) -> None:
    bob, cho = desk.annotator(session, project), desk.annotator(session, project, "cho")
    rosa = desk.reviewer(session, project)
    annotate(session, bob, 1, 2, 4, 5)
    apart = annotate(session, cho, 5, 4, 2, 1)
    before = alpha(session, rosa)
    corrected = desk.content(apart.sample, scores=scored(apart.sample, 1, 2, 4, 5))
    annotations.correct(session, rosa, apart.id, corrected)
    assert alpha(session, rosa) == before
    assert before is not None and before < 0


def test_a_rejected_annotation_and_one_that_could_not_judge_are_compared_with_nothing(
    session: Session, project: Project
) -> None:
    bob, cho = desk.annotator(session, project), desk.annotator(session, project, "cho")
    rosa = desk.reviewer(session, project)
    kept = annotate(session, bob, 1, 2, 4, 5)
    annotations.reject(session, rosa, annotate(session, cho, 5, 4, 2, 1).id, "Not about this picture.")
    annotate(session, bob, 1, 2, 4, 5, cannot_judge={"kind": "media_missing", "note": ""})
    columns = cache.of(session, rosa).columns
    assert len(columns) == 3
    assert columns.counted().annotation.tolist() == [kept.id]


def test_figures_are_never_older_than_the_last_submission_verdict_or_undoing(
    session: Session, project: Project
) -> None:
    bob, cho = desk.annotator(session, project), desk.annotator(session, project, "cho")
    rosa = desk.reviewer(session, project)
    annotate(session, bob, 1, 2, 4, 5)
    assert alpha(session, rosa) is None
    second = annotate(session, cho, 1, 2, 4, 5)
    assert alpha(session, rosa) == 1.0
    kept = cache.of(session, rosa)
    assert cache.of(session, rosa) is kept  # nothing happened: nothing is computed again
    annotations.reject(session, rosa, second.id, "Not about this picture.")
    assert alpha(session, rosa) is None
    session.execute(sa.delete(Review))
    assert alpha(session, rosa) == 1.0


def test_a_decision_over_accepted_annotations_is_seen_at_once(session: Session, project: Project) -> None:
    bob, cho = desk.annotator(session, project), desk.annotator(session, project, "cho")
    rosa = desk.reviewer(session, project)
    made = [annotate(session, seat, 1, 2, 4, 5) for seat in (bob, cho)]
    for each in made:
        annotations.accept(session, rosa, each.id)
    assert [each.reviewers for each in reports.persons(session, rosa, cache.of(session, rosa))] == [1.0, 1.0]
    ids = [str(response.id) for response in made[0].sample.responses]
    turned = desk.content(made[0].sample, ranking=[[each] for each in (ids[1], ids[0], *ids[2:])])
    adjudicating.adjudicate(session, rosa, made[0].sample_id, turned)
    assert [each.reviewers for each in reports.persons(session, rosa, cache.of(session, rosa))] == [5 / 6, 5 / 6]


def test_agreement_is_shown_by_cluster_as_the_samples_stand_now(
    client: TestClient, session: Session, project: Project
) -> None:
    bob, cho = desk.annotator(session, project), desk.annotator(session, project, "cho")
    first = [annotate(session, seat, 1, 2, 4, 5) for seat in (bob, cho)]
    second = [annotate(session, seat, 5, 4, 2, 1) for seat in (bob, cho)]
    first[0].sample.cluster, rosa = "streets at night", desk.reviewer(session, project)
    session.flush()
    kept = cache.of(session, rosa)
    assert [part.name for part in reports.parts(session, rosa, kept, "cluster")] == ["streets at night"]
    second[0].sample.cluster = "kitchens"
    session.flush()
    assert [part.name for part in reports.parts(session, rosa, kept, "cluster")] == ["kitchens", "streets at night"]
    behind = reports.behind(session, rosa, kept, reports.Filters(cluster="kitchens"))
    assert sorted(behind) == [each.id for each in second]
    cast.sign_in(client, session, rosa.user)
    assert "cluster=streets%20at%20night" in client.get(f"{AT}?by=cluster").text


def test_a_person_is_shown_with_what_reviewers_made_of_their_work(session: Session, project: Project) -> None:
    bob, rosa = desk.annotator(session, project), desk.reviewer(session, project)
    first, second = annotate(session, bob, 1, 1, 1, 5), annotate(session, bob, 1, 1, 1, 5)
    ids = [str(response.id) for response in first.sample.responses]
    turned = desk.content(first.sample, ranking=[[each] for each in (ids[1], ids[0], *ids[2:])])
    annotations.correct(session, rosa, first.id, turned)
    annotations.return_(session, rosa, second.id, "Look again at B.")
    (person,) = reports.persons(session, rosa, cache.of(session, rosa))
    assert (person.done, person.state("corrected"), person.returned, person.minutes) == (2, 1, 1, 2.0)
    assert (person.reviewers, person.reviewed) == (5 / 6, 1)  # the reviewer turned one of six pairs round
    assert person.others.value is None


def test_the_pages_of_people_show_their_figures_and_lead_on(
    client: TestClient, session: Session, project: Project
) -> None:
    bob, cho = desk.annotator(session, project), desk.annotator(session, project, "cho")
    for seat, marks in ((bob, (1, 2, 4, 5)), (cho, (1, 2, 5, 5))):
        annotate(session, seat, *marks)
    cast.sign_in(client, session, admin(session, project).user)
    everybody = client.get(f"{AT}/people").text
    assert f'href="{AT}/people/{bob.user.id}"' in everybody
    page = client.get(f"{AT}/people/{bob.user.id}").text
    assert "Beside each other annotator" in page
    assert f"/projects/streets/reviews?annotator={bob.user.id}" in page
    assert client.get(f"{AT}/people/{admin_id(session)}").status_code == 404


def admin_id(session: Session) -> int:
    return session.scalars(sa.select(User.id).where(User.email == "ada@example.org")).one()


def test_every_link_of_the_pages_leads_somewhere(client: TestClient, session: Session, project: Project) -> None:
    bob, cho = desk.annotator(session, project), desk.annotator(session, project, "cho")
    for seat in (bob, cho):
        annotate(session, seat, 1, 2, 4, 5)
        annotate(session, seat, 5, 4, 2, 1)
    cast.seat(session, cast.user(session, "ada"), project, "admin", "reviewer")
    cast.sign_in(client, session, session.scalars(sa.select(User).where(User.email == "ada@example.org")).one())
    seen: set[str] = set()
    for path in (AT, f"{AT}/people", f"{AT}/people/{bob.user.id}", f"{AT}?by=cluster", f"{AT}/annotations?twice=1"):
        text = client.get(path).text
        links = {html.unescape(link) for link in re.findall(r'<a[^>]* href="(/projects/streets/[^"#]*)"', text)}
        for link in links - seen:
            assert client.get(link).status_code == 200, f"{path} leads to {link}"
        seen |= links
    assert any(link.endswith(".csv") for link in seen)


def test_a_figure_opens_exactly_the_annotations_behind_it(
    client: TestClient, session: Session, project: Project
) -> None:
    bob, cho = desk.annotator(session, project), desk.annotator(session, project, "cho")
    both = [annotate(session, seat, 1, 2, 4, 5) for seat in (bob, cho)]
    alone = annotate(session, bob, 3, 3, 3, 3)
    cast.sign_in(client, session, admin(session, project).user)

    def behind(query: str) -> set[int]:
        page = client.get(f"{AT}/annotations?{query}").text
        return {int(id) for id in re.findall(r"/reviews/(\d+)", page)}

    assert behind("") == {*(each.id for each in both), alone.id}
    assert behind("twice=1") == {each.id for each in both}
    assert behind(f"annotator={cho.user.id}&beside={bob.user.id}") == {each.id for each in both}
    assert behind(f"annotator={bob.user.id}&criterion=helpfulness&level=3") == {alone.id}
    assert behind(f"annotator={bob.user.id}&straight=1") == {alone.id}
    assert behind("type=mcq") == behind("gold=1") == behind("reviewed=1") == set()
    annotations.accept(session, desk.reviewer(session, project), alone.id)
    session.commit()
    assert behind("reviewed=1") == {alone.id}
    sheet = client.get(f"{AT}/annotations.csv?annotator={cho.user.id}").text
    assert sheet.count("\r\n") == 2 and f"\r\n{both[1].id},Question 0,cho," in sheet.lower().replace(
        "question", "Question"
    )
    assert client.get(f"{AT}/annotations?since=nonsense").status_code == 422


def test_tables_come_as_csv_and_no_name_is_a_formula(client: TestClient, session: Session, project: Project) -> None:
    bob = desk.annotator(session, project)
    annotate(session, bob, 1, 2, 4, 5)
    bob.user.name = "=1+1"
    cast.sign_in(client, session, admin(session, project).user)
    answer = client.get(f"{AT}/people.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "\r\n'=1+1,1," in answer.text
    assert "nothing was judged by two people" in client.get(f"{AT}/agreement.csv?by=week").text


def test_the_matrix_can_show_a_criterion(client: TestClient, session: Session, project: Project) -> None:
    for name, marks in (("bob", (1, 2, 4, 5)), ("cho", (1, 2, 5, 5))):
        annotate(session, desk.annotator(session, project, name), *marks)
    cast.sign_in(client, session, admin(session, project).user)
    ranks, faithful = client.get(AT).text, client.get(f"{AT}?measure=faithfulness").text
    assert 'data-heat="4"' in ranks
    assert '<a href="?measure=faithfulness&by=type#matrix" aria-current="page"' in faithful
    assert client.get(f"{AT}?measure=nonsense").status_code == 200


@pytest.mark.parametrize(("role", "status"), [("annotator", 403), ("researcher", 403), ("reviewer", 200)])
def test_reviewers_and_admins_look_others_do_not(
    client: TestClient, session: Session, project: Project, role: str, status: int
) -> None:
    cast.sign_in(client, session, cast.seat(session, cast.user(session, "uma"), project, role).user)
    assert client.get(AT).status_code == status


def test_another_projects_quality_is_not_to_be_found(client: TestClient, session: Session, project: Project) -> None:
    stranger = cast.user(session, "sam")
    cast.sign_in(client, session, stranger)
    assert client.get(AT).status_code == 404


def test_progress_counts_the_work_and_not_the_tasks_that_test_people(
    client: TestClient, session: Session, project: Project
) -> None:
    cast.sign_in(client, session, admin(session, project).user)
    annotate(session, desk.annotator(session, project), 1, 2, 4, 5)
    test = desk.annotator(session, project, "dora")
    held = desk.lease(session, test)
    gold = Gold(project_id=project.id, sample_id=held.sample_id, use="hidden", reason="", author_id=test.user.id)
    session.add(gold)
    session.flush()
    held.task.gold_id = gold.id
    session.commit()
    rows = [line.split(",") for line in client.get(f"{AT}/progress-by-part.csv").text.splitlines()]
    assert rows[0] == ["by", "part", "done", "tasks"]
    assert {row[0]: row[2:] for row in rows[1:]} == {"type": ["1", "3"], "domain": ["1", "3"]}


def test_a_table_that_somebody_takes_away_stands_in_the_audit_log(
    client: TestClient, session: Session, project: Project
) -> None:
    ada = admin(session, project).user
    cast.sign_in(client, session, ada)
    assert client.get(f"{AT}/people.csv").status_code == client.get(f"{AT}/progress.csv").status_code == 200
    taken = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "table.exported").order_by(AuditEntry.id))
    assert [(each.user_id, each.detail["table"]) for each in taken] == [
        (ada.id, "people.csv"),
        (ada.id, "progress.csv"),
    ]
