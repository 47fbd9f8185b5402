"""The reviewers' queue: what is in it, in which order, and what leads on to what."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.annotations import actions, looking, second_thoughts
from app.annotations.looking import Look, Place
from app.annotations.tables import Annotation, Disagreement, Waiting
from app.projects.guard import Seat
from app.tasks import flags
from tests import cast
from tests.app.annotations import desk


def marks(annotation_of: Any, score: int) -> dict[str, dict[str, int]]:
    return {str(each.id): {"helpfulness": score, "faithfulness": 3, "ethics": 5} for each in annotation_of.responses}


def judge(session: Session, seat: Seat, score: int) -> Annotation:
    held = desk.lease(session, seat)
    content = desk.content(held.task.sample, scores=marks(held.task.sample, score))
    return actions.submit(session, seat, held.task_id, content, f"key {held.id}", 42.0)


def three_samples_judged_twice(session: Session) -> tuple[Seat, list[list[Annotation]]]:
    """Bob gives 3 each time; Dora 3, 5 and 4: agreed, far apart, close."""
    project = desk.project(session, samples=3, overlap=2)
    bob, dora = desk.annotator(session, project), desk.annotator(session, project, "dora")
    pairs = [[judge(session, bob, 3), judge(session, dora, score)] for score in (3, 5, 4)]
    return desk.reviewer(session, project), pairs


def test_the_most_disputed_come_first_and_every_page_goes_on_where_the_last_one_ended(session: Session) -> None:
    rosa, pairs = three_samples_judged_twice(session)
    look = Look(order="disagreement")
    expected = [each.id for number in (1, 2, 0) for each in pairs[number]]
    found, after = [], None
    while page := looking.lines(session, rosa, look, after, limit=2):
        found += [line.annotation.id for line in page]
        after = Place.read(str(page[-1].place))
    assert found == expected


def test_next_follows_the_order_of_the_list_and_passes_over_what_is_decided(session: Session) -> None:
    rosa, pairs = three_samples_judged_twice(session)
    look = Look(order="disagreement")
    first, second = pairs[1]
    assert looking.following(session, rosa, look, first) == second.id
    actions.accept(session, rosa, second.id)
    assert looking.following(session, rosa, look, first) == pairs[2][0].id
    assert looking.following(session, rosa, look, pairs[0][1]) == first.id


def test_the_list_is_narrowed_by_annotator_by_flag_and_by_disagreement(session: Session) -> None:
    rosa, pairs = three_samples_judged_twice(session)
    bob = Seat(pairs[0][0].user, rosa.project, frozenset({"annotator"}))
    flags.flag(session, bob, pairs[2][0].task_id, "confusing")

    def ids(**filters: Any) -> list[int]:
        return [line.annotation.id for line in looking.lines(session, rosa, Look(**filters))]

    assert ids(annotator=bob.user.id) == [pair[0].id for pair in pairs]
    assert ids(flag="any") == ids(flag="confusing") == [each.id for each in pairs[2]]
    assert ids(flag="harmful") == []
    assert ids(above=0.05) == [each.id for each in pairs[1]]


def test_a_list_of_each_state_holds_what_is_in_that_state(session: Session) -> None:
    rosa, pairs = three_samples_judged_twice(session)
    accepted, returned, rejected, corrected = pairs[0][0], pairs[0][1], pairs[1][0], pairs[1][1]
    actions.accept(session, rosa, accepted.id)
    actions.return_(session, rosa, returned.id, "Look again")
    actions.reject(session, rosa, rejected.id, "No")
    actions.correct(session, rosa, corrected.id, {**corrected.latest.content, "rank_reason": "Other"})
    by_state = {state: [line.annotation.id for line in looking.lines(session, rosa, Look(state))] for state in STATES}
    assert by_state == {
        "accepted": [accepted.id], "returned": [returned.id], "rejected": [rejected.id], "corrected": [corrected.id],
        "waiting": [each.id for each in pairs[2]], "unselected": [], "by_rule": [],
    }  # fmt: skip
    assert looking.counts(session, rosa) == {state: len(ids) for state, ids in by_state.items()} | {
        "adjudicated": 0,
        "set_aside": 0,
    }


STATES: tuple[looking.State, ...] = (
    "waiting", "unselected", "accepted", "by_rule", "corrected", "returned", "rejected",
)  # fmt: skip


def test_a_rejected_annotation_is_compared_with_nobody(session: Session) -> None:
    rosa, pairs = three_samples_judged_twice(session)
    assert disagreement_of(session, pairs[1][0]) == pytest.approx(1 / 12)
    actions.reject(session, rosa, pairs[1][0].id, "No")
    assert disagreement_of(session, pairs[1][0]) is None


def disagreement_of(session: Session, annotation: Annotation) -> float | None:
    query = sa.select(Disagreement.value).where(Disagreement.sample_id == annotation.sample_id)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def test_what_its_author_takes_back_waits_no_more_and_what_they_revise_is_measured_anew(session: Session) -> None:
    project = desk.project(session, samples=1, overlap=2)
    bob, dora = desk.annotator(session, project), desk.annotator(session, project, "dora")
    one, other = judge(session, bob, 3), judge(session, dora, 5)
    agreed = {**other.latest.content, "scores": one.latest.content["scores"]}
    second_thoughts.revise(session, dora, other.id, agreed, 1, "again", 10.0)
    assert disagreement_of(session, one) == 0
    second_thoughts.withdraw(session, dora, other.id)
    assert disagreement_of(session, one) == pytest.approx(1 / 12)
    assert session.scalars(sa.select(Waiting.annotation_id)).all() == [one.id]


def test_filters_travel_in_the_address_from_the_list_through_the_verdict_to_the_next(
    client: TestClient, session: Session
) -> None:
    rosa, pairs = three_samples_judged_twice(session)
    cast.sign_in(client, session, rosa.user)
    bob = pairs[0][0].user_id
    asked = f"order=disagreement&annotator={bob}"
    assert f"/reviews/{pairs[1][0].id}?{asked}" in client.get(f"/projects/streets/reviews?{asked}").text.replace(
        "&amp;", "&"
    )
    at = f"/projects/streets/reviews/{pairs[1][0].id}"
    answer = client.post(f"{at}/acceptance?{asked}", data={"revision": 1})
    assert (answer.url.path, answer.url.query.decode()) == (f"/projects/streets/reviews/{pairs[2][0].id}", asked)
    assert client.get("/projects/streets/reviews?state=nonsense").status_code == 422
