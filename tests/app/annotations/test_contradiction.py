"""A reward model's opinion beside a person's: what reviewers read, and annotators never do."""

from __future__ import annotations

import math

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts.tables import AuditEntry
from app.annotations import actions, applying, contradiction, looking, sampling
from app.annotations.desk import replies
from app.annotations.looking import Look
from app.annotations.selecting import Rules
from app.annotations.tables import Annotation
from app.projects.guard import Seat
from app.projects.tables import Project
from app.samples import assessments
from app.samples.assessments import Line
from app.samples.tables import Sample
from tests import cast
from tests.app.annotations import desk


@pytest.fixture
def project(session: Session) -> Project:
    return desk.project(session, samples=3)


@pytest.fixture
def judged(session: Session, project: Project) -> list[Annotation]:
    """Three samples, each ranked in the responses' order."""
    bob = desk.annotator(session, project)
    return [desk.annotate(session, bob) for _ in range(3)]


@pytest.fixture
def rita(session: Session, project: Project) -> Seat:
    return cast.seat(session, cast.user(session, "rita"), project, "researcher", "reviewer")


def lines(annotation: Annotation, *rewards: float) -> list[Line]:
    ids = [response.id for response in annotation.sample.responses]
    return [Line(each, reward, f"About {each}") for each, reward in zip(ids, rewards, strict=True)]


def test_the_figure_by_hand() -> None:
    found = contradiction.of([["a"], ["b", "c"]], {"a": 0.0, "b": math.log(3), "c": -math.log(3)})
    assert found is not None
    assert (round(found.value, 6), found.pairs, found.against) == (0.5, 2, 1)  # ¾ for b before a, ¼ for c
    assert contradiction.of([["a", "b"]], {"a": 1.0, "b": 2.0}) is None, "a tie orders no pair"
    assert contradiction.of([["a"], ["b"]], {"a": 1.0}) is None
    sure = contradiction.of([["a"], ["b"]], {"a": -1e9, "b": 1e9})
    assert sure is not None and sure.is_strong and sure.value == pytest.approx(1.0)


def test_reviewers_find_first_what_the_model_contradicts_most(
    session: Session, rita: Seat, judged: list[Annotation]
) -> None:
    first, second, third = judged
    given = [*lines(first, 4.0, 3.0, 2.0, 1.0), *lines(second, 1.0, 2.0, 3.0, 4.0)]
    assert assessments.offer(session, rita, 7, given) == 8
    session.flush()
    found = looking.lines(session, rita, Look(order="contradiction"))
    assert [line.annotation.id for line in found] == [second.id, first.id, third.id]
    for line, rewards in zip(found, [(1, 2, 3, 4), (4, 3, 2, 1)], strict=False):
        ids = [str(response.id) for response in line.annotation.sample.responses]
        by_hand = contradiction.of([[each] for each in ids], dict(zip(ids, map(float, rewards), strict=True)))
        assert by_hand is not None and line.contradiction == pytest.approx(by_hand.value)
    assert (found[0].is_contradicted, found[1].is_contradicted, found[2].contradiction) == (True, False, -1.0)
    beyond = looking.lines(session, rita, Look(order="contradiction"), found[0].place)
    assert [line.annotation.id for line in beyond] == [first.id, third.id], "pages go on behind a place"
    assert looking.following(session, rita, Look(order="contradiction"), second) == first.id


def test_reviewers_find_first_where_the_model_is_least_sure(
    session: Session, rita: Seat, judged: list[Annotation]
) -> None:
    first, second, third = judged
    close, far = 1.0 + math.log(3), 1.0 + math.log(99)
    given = [*lines(first, 1.0, 1.0, far, far), *lines(second, 1.0, close, close, 1.0), lines(third, 1.0, 0, 0, 0)[0]]
    assessments.offer(session, rita, 7, given)
    session.flush()
    found = looking.lines(session, rita, Look(order="uncertainty"))
    assert [line.annotation.id for line in found] == [second.id, first.id, third.id]
    # of six pairs two are equal (1) and four apart: by log 3 the unlikelier order has ¼, by log 99 a hundredth
    by_hand = [(2 * 1 + 4 * 2 / 4) / 6, (2 * 1 + 4 * 2 / 100) / 6, -1.0]
    assert [line.uncertainty for line in found] == pytest.approx(by_hand)
    beyond = looking.lines(session, rita, Look(order="uncertainty"), found[0].place)
    assert [line.annotation.id for line in beyond] == [first.id, third.id], "pages go on behind a place"
    assert looking.following(session, rita, Look(order="uncertainty"), second) == first.id
    assert looking.following(session, rita, Look(order="uncertainty"), third) == second.id, "round to the start"


def test_a_rule_selects_what_the_model_contradicts_and_follows_the_offer(
    session: Session, project: Project, rita: Seat, judged: list[Annotation]
) -> None:
    first, second, _third = judged
    applying.change_rules(session, rita.user, project, Rules(later_percent=0, contradiction_above=0.75))
    assert looking.counts(session, rita)["waiting"] == 0, "nothing is offered"
    assessments.offer(session, rita, 7, [*lines(first, 4.0, 3.0, 2.0, 1.0), *lines(second, 1.0, 2.0, 3.0, 4.0)])
    session.flush()
    applying.apply_again(session, rita.user, project)
    (line,) = looking.lines(session, rita, Look())
    assert (line.annotation.id, line.why) == (second.id, ["contradicted"])
    assert sampling.preview(session, project, Rules(later_percent=0, contradiction_above=0.0)).by_rule == {
        "contradicted": 2
    }
    shown = looking.lines(session, rita, Look(state="unselected", flag=looking.MODEL))
    assert shown == [], "the first one agrees with the model"
    assert [each.annotation.id for each in looking.lines(session, rita, Look(flag=looking.MODEL))] == [second.id]
    assessments.withdraw(session, rita, 7)
    session.flush()
    applying.apply_again(session, rita.user, project)
    assert looking.counts(session, rita)["waiting"] == 0
    assert looking.lines(session, rita, Look(flag=looking.MODEL)) == []


def test_what_the_model_contradicts_is_not_accepted_by_rule(session: Session, project: Project, rita: Seat) -> None:
    applying.change_rules(
        session, rita.user, project, Rules(later_percent=0, contradiction_above=0.5, unselected="accept")
    )
    samples = session.scalars(sa.select(Sample).where(Sample.project_id == project.id).order_by(Sample.id)).all()
    rewards = [Line(each.id, float(place), "") for place, each in enumerate(samples[0].responses)]
    assessments.offer(session, rita, 7, rewards)
    session.flush()
    bob = desk.annotator(session, project)
    annotations = {each.sample_id: each for each in (desk.annotate(session, bob) for _ in range(3))}
    waiting = looking.lines(session, rita, Look())
    assert [line.annotation.id for line in waiting] == [annotations[samples[0].id].id], "as it is submitted"
    assert looking.counts(session, rita)["by_rule"] == 2


def test_the_review_page_shows_rewards_and_critiques(
    client: TestClient, session: Session, rita: Seat, judged: list[Annotation]
) -> None:
    cast.sign_in(client, session, rita.user)
    at = f"/projects/{rita.project.slug}/reviews"
    assert "The reward model" not in client.get(f"{at}/{judged[1].id}").text
    assessments.offer(session, rita, 7, lines(judged[1], 1.0, 2.0, 3.0, 4.0))
    session.commit()
    page = client.get(f"{at}/{judged[1].id}").text
    assert "The reward model's opinion" in page and "It contradicts this ranking strongly." in page
    letters = dict(zip(judged[1].order, "ABCD", strict=True))
    best_last = [letters[response.id] for response in judged[1].sample.responses]
    assert f"In its order: {' &gt; '.join(reversed(best_last))}." in page
    assert "otherwise" in page and f"About {judged[1].sample.responses[0].id}" in page
    assert "The reward model" not in client.get(f"{at}/{judged[0].id}").text, "nothing was scored there"
    assert "unsure by" in page
    assert 'value="contradiction"' in client.get(at).text
    assert 'value="uncertainty"' in client.get(at).text
    assert "100%" not in client.get(f"{at}?flag=model&order=uncertainty").text
    assessments.withdraw(session, rita, 7)
    session.commit()
    assert "The reward model" not in client.get(f"{at}/{judged[1].id}").text


def test_who_may_still_annotate_a_sample_reads_no_opinion_on_it(
    client: TestClient, session: Session, project: Project, rita: Seat, judged: list[Annotation]
) -> None:
    both = cast.seat(session, cast.user(session, "cho"), project, "reviewer", "annotator")
    assessments.offer(session, rita, 7, lines(judged[0], 1.0, 2.0, 3.0, 4.0))
    cast.sign_in(client, session, both.user)
    page = client.get(f"/projects/{project.slug}/reviews/{judged[0].id}")
    assert page.status_code == 200 and "The reward model" not in page.text
    told = client.get(f"/projects/{project.slug}/reviews?order=contradiction").text
    assert "not shown" in told and "% against" not in told and "strongly" not in told
    assert looking.lines(session, both, Look(flag=looking.MODEL)) == []
    cast.sign_in(client, session, rita.user)
    assert "not shown" not in client.get(f"/projects/{project.slug}/reviews?order=contradiction").text


def test_who_may_still_change_what_they_said_reads_no_opinion_on_it(
    session: Session, project: Project, rita: Seat
) -> None:
    """One could submit anything, read the model's opinion, take the submission back and judge by it."""
    both = cast.seat(session, cast.user(session, "cho"), project, "reviewer", "annotator")
    own = desk.annotate(session, both)
    assessments.offer(session, rita, 7, lines(own, 1.0, 2.0, 3.0, 4.0))
    session.flush()
    shown = replies(own.sample, own.order)

    def reads() -> bool:
        session.expire_all()
        return contradiction.beside(session, both, own, shown) is not None

    assert not reads(), "just submitted: it can be taken back for a minute, and revised"
    actions.return_(session, rita, own.id, "Name the colours")
    assert not reads(), "it is to be made again"
    own = desk.annotate(session, both, rank_reason="With colours")
    assert not reads(), "nobody has judged the second revision"
    actions.accept(session, rita, own.id)
    assert reads()


def test_no_order_filter_or_count_tells_of_a_sample_that_one_may_still_annotate(
    client: TestClient, session: Session, project: Project, rita: Seat, judged: list[Annotation]
) -> None:
    first, second, third = judged
    both = cast.seat(session, cast.user(session, "cho"), project, "reviewer", "annotator")
    applying.change_rules(session, rita.user, project, Rules(later_percent=0, contradiction_above=0.5))
    given = [*lines(second, 4.0, 3.0, 2.0, 1.0), *lines(third, 1.0, 2.0, 3.0, 4.0)]
    assessments.offer(session, rita, 7, given)
    session.flush()
    applying.apply_again(session, rita.user, project)
    in_order = [first.id, second.id, third.id]
    for state, seen in (("waiting", []), ("unselected", in_order)):
        for order in ("oldest", "contradiction", "uncertainty"):
            found = looking.lines(session, both, Look(state, order))  # type: ignore[arg-type]
            assert [line.annotation.id for line in found] == seen, (state, order)
            assert {(line.contradiction, line.uncertainty) for line in found} <= {(-1.0, -1.0)}
            assert [why for line in found for why in line.why] == []
    assert looking.lines(session, both, Look(why="contradicted")) == []
    assert looking.selected(session, both) == looking.counts(session, both)["waiting"] == 0
    assert looking.why_waiting(session, both, third) == []
    assert looking.why_waiting(session, rita, third) == ["contradicted"]
    assert looking.selected(session, rita) == looking.counts(session, rita)["waiting"] == 1
    cast.sign_in(client, session, both.user)
    page = client.get(f"/projects/{project.slug}/reviews/{third.id}").text
    assert "against the reward model" not in page and "The reward model" not in page


def test_who_decides_over_a_sample_may_open_the_models_opinion_on_it(
    client: TestClient, session: Session, rita: Seat, judged: list[Annotation]
) -> None:
    assessments.offer(session, rita, 7, lines(judged[0], 1.0, 4.0, 2.0, 2.0))
    session.commit()
    at = f"/projects/{rita.project.slug}/samples/{judged[0].sample_id}/adjudication"
    cast.sign_in(client, session, rita.user)
    page = client.get(at).text
    assert "<summary>The reward model&#39;s opinion" in page or "<summary>The reward model's opinion" in page
    assert "In its order: B &gt; C = D &gt; A." in page and "otherwise" not in page
    both = cast.seat(session, cast.user(session, "cho"), rita.project, "reviewer", "annotator")
    cast.sign_in(client, session, both.user)
    assert "The reward model" not in client.get(at).text


def test_one_offer_stands_and_the_log_says_whose(session: Session, rita: Seat, judged: list[Annotation]) -> None:
    assessments.offer(session, rita, 7, lines(judged[0], 1.0, 2.0, 3.0, 4.0))
    assessments.offer(session, rita, 8, lines(judged[0], 4.0, 3.0, 2.0, 1.0))
    session.flush()
    offered = assessments.standing(session, rita.project.id)
    assert offered is not None and offered.run_id == 8
    assert {each.reward for each in assessments.of_sample(session, offered, judged[0].sample_id).values()} == {
        1,
        2,
        3,
        4,
    }
    with pytest.raises(assessments.NotOffered):
        assessments.withdraw(session, rita, 7)
    actions = [each.action for each in session.query(AuditEntry).filter(AuditEntry.action.like("assessments.%"))]
    assert actions == ["assessments.offered"] * 2


def test_responses_of_another_project_are_not_assessed(session: Session, rita: Seat, judged: list[Annotation]) -> None:
    elsewhere = cast.project(session, rita.user, "Forests")
    strange = cast.sample(session, elsewhere, "Whose?").responses[0].id
    assert assessments.offer(session, rita, 7, [Line(strange, 1.0, ""), Line(10**12, 1.0, "")]) == 0
