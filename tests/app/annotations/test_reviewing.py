"""Reviewing: four verdicts, each once, none on one's own work."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.annotations import actions, comparison, disagreement, looking
from app.annotations.desk import replies
from app.annotations.looking import Look
from app.annotations.refusals import AlreadyReviewed, BadReview, CommentMissing, NotYours
from app.annotations.schemas import BadAnnotation, Content
from app.core.errors import NotFound
from app.tasks.tables import Task
from tests import cast
from tests.app.annotations import desk


def test_an_accepted_annotation_knows_its_reviewer_and_the_scores_that_were_checked(session: Session) -> None:
    project = desk.project(session)
    annotation, rosa = desk.annotate(session, desk.annotator(session, project)), desk.reviewer(session, project)
    key = f"{annotation.sample.responses[0].id}.ethics"
    review = actions.accept(session, rosa, annotation.id, verified=[key], revision=1)
    assert (annotation.state, review.reviewer_id, review.verified) == ("accepted", rosa.user.id, [key])


def test_a_correction_stands_beside_the_annotators_own_revision(session: Session) -> None:
    project = desk.project(session)
    annotation, rosa = desk.annotate(session, desk.annotator(session, project)), desk.reviewer(session, project)
    actions.correct(session, rosa, annotation.id, {**annotation.latest.content, "rank_reason": "Corrected"})
    assert [(r.number, r.author_id == rosa.user.id) for r in annotation.revisions] == [(1, False), (2, True)]
    assert annotation.state == "corrected"
    assert annotation.latest.review is not None
    assert annotation.latest.review.reviewed_revision_id == annotation.revisions[0].id


def test_a_correction_that_changes_nothing_or_is_incomplete_is_refused(session: Session) -> None:
    project = desk.project(session)
    annotation, rosa = desk.annotate(session, desk.annotator(session, project)), desk.reviewer(session, project)
    with pytest.raises(BadReview):
        actions.correct(session, rosa, annotation.id, annotation.latest.content)
    with pytest.raises(BadAnnotation):
        actions.correct(session, rosa, annotation.id, {**annotation.latest.content, "ranking": []})
    assert annotation.state == "submitted"


def test_a_return_needs_a_comment_and_opens_the_task_for_its_annotator_alone(session: Session) -> None:
    project = desk.project(session, samples=1)
    bob, rosa = desk.annotator(session, project), desk.reviewer(session, project)
    annotation = desk.annotate(session, bob)
    with pytest.raises(CommentMissing):
        actions.return_(session, rosa, annotation.id, "  ")
    actions.return_(session, rosa, annotation.id, "Look at B again")
    dora = desk.annotator(session, project, "dora")
    assert desk.tasks.lease_next(session, dora) is None
    with pytest.raises(desk.tasks.WasReturned):
        actions.tasks.skip(session, bob, annotation.task_id, "no")
    assert desk.lease(session, bob).task_id == annotation.task_id


def test_a_rejection_gives_the_sample_to_somebody_else(session: Session) -> None:
    project = desk.project(session, samples=1)
    bob, rosa = desk.annotator(session, project), desk.reviewer(session, project)
    annotation = desk.annotate(session, bob)
    actions.reject(session, rosa, annotation.id, "Copied reasons")
    assert annotation.state == "rejected"
    assert session.scalars(sa.select(Task.slot).order_by(Task.slot)).all() == [0, 1]
    assert desk.tasks.lease_next(session, bob) is None
    assert desk.lease(session, desk.annotator(session, project, "dora")).sample_id == annotation.sample_id


def test_a_verdict_is_given_once_and_on_what_was_looked_at(session: Session) -> None:
    project = desk.project(session)
    annotation, rosa = desk.annotate(session, desk.annotator(session, project)), desk.reviewer(session, project)
    with pytest.raises(AlreadyReviewed):
        actions.accept(session, rosa, annotation.id, revision=2)
    actions.accept(session, rosa, annotation.id)
    with pytest.raises(AlreadyReviewed):
        actions.reject(session, rosa, annotation.id, "Changed my mind")


def test_nobody_reviews_their_own_annotation(session: Session) -> None:
    project = desk.project(session)
    bob = desk.annotator(session, project)
    annotation = desk.annotate(session, bob)
    both = cast.seat(session, bob.user, project, "reviewer")
    with pytest.raises(NotYours):
        actions.accept(session, both, annotation.id)
    assert looking.following(session, both, Look(), annotation) is None


def test_an_annotation_of_another_project_is_not_there(session: Session) -> None:
    project = desk.project(session)
    annotation = desk.annotate(session, desk.annotator(session, project))
    dora = cast.user(session, "dora")
    elsewhere = cast.seat(session, dora, cast.project(session, dora, "Forests"), "reviewer")
    with pytest.raises(NotFound):
        actions.accept(session, elsewhere, annotation.id)


def test_a_score_that_is_not_there_cannot_be_checked(session: Session) -> None:
    project = desk.project(session)
    annotation, rosa = desk.annotate(session, desk.annotator(session, project)), desk.reviewer(session, project)
    with pytest.raises(BadReview):
        actions.accept(session, rosa, annotation.id, verified=["99.ethics"])


def test_the_queue_holds_what_waits_oldest_first_and_counts_every_state(session: Session) -> None:
    project = desk.project(session, samples=3)
    bob, rosa = desk.annotator(session, project), desk.reviewer(session, project)
    rows = [desk.annotate(session, bob) for _ in range(3)]
    actions.accept(session, rosa, rows[0].id)
    assert [line.annotation.id for line in looking.lines(session, rosa, Look())] == [rows[1].id, rows[2].id]
    assert looking.counts(session, rosa) | {"waiting": 2, "accepted": 1} == looking.counts(session, rosa)
    assert looking.following(session, rosa, Look(), rows[2]) == rows[1].id
    assert looking.lines(session, rosa, Look(annotator=rosa.user.id)) == []


def test_disagreement_is_nought_for_equal_marks_and_one_for_opposite_ones() -> None:
    low = Content(scores={"1": {"ethics": 1}, "2": {"ethics": 5}}, ranking=[["2"], ["1"]])
    high = Content(scores={"1": {"ethics": 5}, "2": {"ethics": 1}}, ranking=[["1"], ["2"]])
    tied = Content(ranking=[["1", "2"]])
    assert disagreement.overall([low, low]) == 0
    assert disagreement.overall([low, high]) == 1
    assert disagreement.of_ranks([high, tied]) == 0.5
    assert disagreement.overall([low]) is None


def test_a_reviewer_sees_each_others_mark_in_its_cell_and_how_far_they_are_apart(session: Session) -> None:
    project = desk.project(session, samples=1, overlap=2)
    one = desk.annotate(session, desk.annotator(session, project))
    response = str(one.sample.responses[0].id)
    scores = {**desk.content(one.sample)["scores"], response: {"helpfulness": 1, "faithfulness": 3, "ethics": 5}}
    other = desk.annotate(session, desk.annotator(session, project, "dora"), scores=scores)
    cells = comparison.cells(one, [other], desk.annotator(session, project, "eve").rubric)
    cell = cells[response]["helpfulness"]
    assert (cell.score, cell.others, cell.heat) == (4, [comparison.Mark("Dora", 1)], 3)
    assert cells[response]["ethics"].heat == 0


def test_the_history_says_word_by_word_what_a_correction_changed(session: Session) -> None:
    project = desk.project(session)
    annotation, rosa = desk.annotate(session, desk.annotator(session, project)), desk.reviewer(session, project)
    changed = {**annotation.latest.content, "rank_reason": "The first is right."}
    actions.correct(session, rosa, annotation.id, changed)
    newest, oldest = comparison.history(annotation, replies(annotation.sample, annotation.order), rosa.rubric)
    assert oldest.changes == []
    parts = [("kept", "The first is"), ("removed", "complete."), ("added", "right.")]
    assert newest.changes == [comparison.Change("Reason for the ranking", parts)]
