"""Adjudication: one decision over several people's annotations, which remain."""

from __future__ import annotations

import orjson
import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.annotations import actions, adjudicating, choosing, looking, queries, reannotating
from app.annotations.choosing import Chosen
from app.annotations.consensus import consensus
from app.annotations.refusals import AlreadyReviewed, NotYours
from app.annotations.schemas import BadAnnotation, DraftContent
from app.annotations.tables import Annotation
from app.datasets.queries import ballots
from app.projects.guard import Seat
from tests import cast
from tests.app.annotations import desk


def two_who_differ(session: Session, samples: int = 1) -> tuple[Seat, list[Annotation]]:
    project = desk.project(session, samples=samples, overlap=2)
    bob, dora = desk.annotator(session, project), desk.annotator(session, project, "dora")
    rows = []
    for _ in range(samples):
        held = desk.lease(session, bob)
        order = [[str(each.id)] for each in held.task.sample.responses][::-1]
        content = desk.content(held.task.sample, ranking=order)
        rows += [actions.submit(session, bob, held.task_id, content, f"key {held.id}", 1), desk.annotate(session, dora)]
    return desk.reviewer(session, project), rows


def test_a_decision_stands_beside_the_originals_which_keep_their_words_and_wait_no_more(session: Session) -> None:
    rosa, (one, other) = two_who_differ(session)
    before = [each.latest.content for each in (one, other)]
    decided = adjudicating.adjudicate(
        session, rosa, one.sample_id, {**before[0], "rank_reason": "Decided"}, "B is wrong"
    )
    assert [each.latest.content for each in (one, other)] == before
    assert [each.state for each in (one, other)] == ["adjudicated"] * 2
    assert looking.lines(session, rosa, looking.Look()) == []
    assert queries.adjudicated(session, rosa.project.id) == {one.sample_id: decided}
    assert (decided.number, decided.revisions) == (1, [one.latest.id, other.latest.id])


def test_deciding_again_adds_a_decision_and_the_newest_holds(session: Session) -> None:
    rosa, (one, _) = two_who_differ(session)
    first = adjudicating.adjudicate(session, rosa, one.sample_id, one.latest.content)
    second = adjudicating.adjudicate(session, rosa, one.sample_id, {**one.latest.content, "rank_reason": "Other"})
    assert (first.number, second.number) == (1, 2)
    assert queries.adjudication(session, one.sample_id) == second


def test_a_verdict_that_was_given_before_stays(session: Session) -> None:
    rosa, (one, other) = two_who_differ(session)
    actions.accept(session, rosa, one.id)
    adjudicating.adjudicate(session, rosa, one.sample_id, other.latest.content)
    assert [each.state for each in (one, other)] == ["accepted", "adjudicated"]


def test_nobody_decides_over_their_own_work_nor_over_a_single_annotation(session: Session) -> None:
    rosa, (one, other) = two_who_differ(session)
    both = cast.seat(session, one.user, rosa.project, "reviewer")
    with pytest.raises(NotYours):
        adjudicating.adjudicate(session, both, one.sample_id, other.latest.content)
    actions.reject(session, rosa, other.id, "No")
    with pytest.raises(NotYours):
        adjudicating.adjudicate(session, rosa, one.sample_id, one.latest.content)


def test_a_decision_is_complete_and_made_over_what_lay_on_the_page(session: Session) -> None:
    rosa, (one, other) = two_who_differ(session)
    with pytest.raises(BadAnnotation):
        adjudicating.adjudicate(session, rosa, one.sample_id, {**one.latest.content, "ranking": []})
    with pytest.raises(AlreadyReviewed):
        adjudicating.adjudicate(session, rosa, one.sample_id, one.latest.content, seen=[one.latest.id])
    assert queries.adjudication(session, one.sample_id) is None
    assert other.state == "submitted"


def test_a_decision_over_samples_that_are_annotated_again_is_set_aside_and_asked_for_anew(session: Session) -> None:
    rosa, (one, other) = two_who_differ(session)
    admin = cast.seat(session, rosa.project.members[0].user, rosa.project)
    decided = adjudicating.adjudicate(session, rosa, one.sample_id, one.latest.content)
    assert choosing.outlook(session, admin, Chosen(annotator=one.user_id)).decided == 1
    order = reannotating.order(session, admin, Chosen(annotator=one.user_id), "The guidelines changed", 1)
    assert queries.adjudicated(session, rosa.project.id) == {}
    assert ballots(session, rosa.project.id, ["accept"], decisions=True).rows == []
    reannotating.undo(session, admin, order.id)
    session.expire_all()
    assert queries.adjudicated(session, rosa.project.id) == {one.sample_id: decided}
    reannotating.order(session, admin, Chosen(annotator=one.user_id), "The guidelines changed", 1)
    eve = desk.annotator(session, rosa.project, "eve")
    desk.annotate(session, eve)  # as Dora said
    assert [case.disagreement for case in adjudicating.cases(session, rosa, False)] == [0]
    assert adjudicating.count(session, rosa.project.id) == {"open": 1, "decided": 0}
    assert adjudicating.next_case(session, rosa, 0) == one.sample_id
    session.expire_all()
    again = adjudicating.adjudicate(session, rosa, one.sample_id, other.latest.content)
    assert (again.number, queries.adjudication(session, one.sample_id)) == (2, again)


def test_the_most_disputed_samples_come_first_and_decided_ones_are_apart(client: TestClient, session: Session) -> None:
    rosa, rows = two_who_differ(session, samples=2)
    for row in rows[2:]:  # the second sample: they differ in the scores too
        marks = {"helpfulness": 1 if row is rows[2] else 5, "faithfulness": 3, "ethics": 5}
        scores = {str(each.id): marks for each in row.sample.responses}
        actions.correct(session, rosa, row.id, {**row.latest.content, "scores": scores})
    first, second = rows[2].sample_id, rows[0].sample_id
    assert [case.sample.id for case in adjudicating.cases(session, rosa, decided=False)] == [first, second]
    cast.sign_in(client, session, rosa.user)
    page = client.get(f"/projects/streets/samples/{first}/adjudication")
    assert page.text.count("Take all") == 2
    form = {
        "content": orjson.dumps(rows[2].latest.content).decode(),
        "seen": [rows[2].latest.id, rows[3].latest.id],
        "reason": "Both are half right",
    }
    after = client.post(f"/projects/streets/samples/{first}/adjudication", data=form)
    assert after.url.path == f"/projects/streets/samples/{second}/adjudication"
    session.expire_all()
    assert adjudicating.count(session, rosa.project.id) == {"open": 1, "decided": 1}
    assert "Rosa" in client.get("/projects/streets/adjudications?decided=true").text
    assert "Rosa has decided this sample" in client.get(f"/projects/streets/reviews/{rows[2].id}").text


def test_what_people_have_in_common_is_taken_over_and_where_they_contradict_nothing_is_made_up() -> None:
    def content(score: int, *ranking: list[str]) -> DraftContent:
        return DraftContent(scores={"1": {"ethics": score}}, ranking=list(ranking), rank_reason=f"{score}")

    alike = consensus(
        [content(3, ["1"], ["2"]), content(4, ["1"], ["2"]), content(4, ["2"], ["1"])], ["1", "2"], ["ethics"]
    )
    assert (alike.scores["1"], alike.ranking, alike.rank_reason) == ({"ethics": 4}, [["1"], ["2"]], "4")
    apart = consensus([content(3, ["1"], ["2"]), content(4, ["2"], ["1"])], ["1", "2"], ["ethics"])
    assert (apart.scores["1"], apart.ranking, apart.rank_reason) == ({}, [], "")
    tied = consensus([content(3, ["1", "2"]), content(3, ["1", "2"])], ["1", "2"], ["ethics"])
    assert (tied.ranking, tied.tie) == ([["1", "2"]], True)
    # 1 > 2, 2 > 3 and 3 > 1, each by two of three: no order says so
    ring = [content(3, ["1"], ["2"], ["3"]), content(3, ["2"], ["3"], ["1"]), content(3, ["3"], ["1"], ["2"])]
    assert consensus(ring, ["1", "2", "3"], ["ethics"]).ranking == []
