"""Annotating: drafts are kept, a submission counts once, work is never lost to a race or a lease that ran out."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.tables import AuditEntry
from app.annotations import actions, queries
from app.annotations.refusals import KeyReused, StaleDraft
from app.annotations.schemas import BadAnnotation
from app.annotations.tables import Annotation, Draft, Revision
from app.core.db import now, transaction
from app.projects.guard import Seat
from app.tasks import actions as tasks
from app.tasks.refusals import AlreadyJudged, TaskTaken
from app.tasks.tables import Task
from tests.app.annotations import desk


def expire(session: Session, lease: desk.Lease) -> None:
    lease.expires_at = now() - dt.timedelta(seconds=1)
    session.flush()


def test_a_draft_is_kept_counted_and_renews_the_lease(session: Session) -> None:
    seat = desk.annotator(session, desk.project(session))
    held = desk.lease(session, seat)
    before = held.expires_at = now() + dt.timedelta(minutes=1)
    draft = actions.save_draft(session, seat, held.task_id, {"rank_reason": "So far"}, 0, 12.5)
    assert (draft.version, draft.content["rank_reason"], draft.active_seconds) == (1, "So far", 12.5)
    assert held.expires_at > before


def test_two_devices_do_not_overwrite_each_other(session: Session) -> None:
    seat = desk.annotator(session, desk.project(session))
    held = desk.lease(session, seat)
    actions.save_draft(session, seat, held.task_id, {"rank_reason": "Desktop"}, 0)
    with pytest.raises(StaleDraft) as refusal:
        actions.save_draft(session, seat, held.task_id, {"rank_reason": "Tablet"}, 0)
    assert refusal.value.as_json()["content"]["rank_reason"] == "Desktop"
    assert refusal.value.as_json()["version"] == 1
    assert actions.save_draft(session, seat, held.task_id, {"rank_reason": "Tablet"}, 1).version == 2


def test_a_draft_of_a_million_characters_is_refused(session: Session) -> None:
    seat = desk.annotator(session, desk.project(session))
    held = desk.lease(session, seat)
    with pytest.raises(BadAnnotation) as refusal:
        actions.save_draft(session, seat, held.task_id, {"rank_reason": "x" * 1_000_000})
    assert refusal.value.where == "rank_reason"


def test_a_task_that_one_never_held_takes_neither_draft_nor_annotation(session: Session) -> None:
    project = desk.project(session)
    held = desk.lease(session, desk.annotator(session, project))
    dora = desk.annotator(session, project, "dora")
    with pytest.raises(TaskTaken):
        actions.save_draft(session, dora, held.task_id, {})
    with pytest.raises(TaskTaken):
        actions.submit(session, dora, held.task_id, desk.content(held.task.sample), "key")


def test_submitting_makes_an_annotation_and_ends_draft_and_lease(session: Session) -> None:
    seat = desk.annotator(session, desk.project(session))
    held = desk.lease(session, seat)
    actions.save_draft(session, seat, held.task_id, {})
    annotation = actions.submit(session, seat, held.task_id, desk.content(held.task.sample), "key", 61.0)
    assert (annotation.state, annotation.order, annotation.active_seconds) == ("submitted", held.order, 61.0)
    assert held.ended_at is not None
    assert held.task.done_at is not None
    assert session.scalars(sa.select(Draft)).all() == []
    assert (
        session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.id.desc()).limit(1)).one()
        == "annotation.submitted"
    )


def test_the_same_submission_sent_again_answers_with_the_same_annotation(session: Session) -> None:
    seat = desk.annotator(session, desk.project(session))
    held = desk.lease(session, seat)
    content = desk.content(held.task.sample)
    first = actions.submit(session, seat, held.task_id, content, "key")
    assert actions.submit(session, seat, held.task_id, content, "key").id == first.id
    with pytest.raises(AlreadyJudged):
        actions.submit(session, seat, held.task_id, content, "another key")
    other = desk.lease(session, seat)
    with pytest.raises(KeyReused):
        actions.submit(session, seat, other.task_id, desk.content(other.task.sample), "key")


def test_a_submission_raced_against_itself_counts_once(session: Session) -> None:
    seat = desk.annotator(session, desk.project(session))
    held = desk.lease(session, seat)
    content, task_id = desk.content(held.task.sample), held.task_id
    session.commit()

    def send(_: int) -> int:
        with transaction() as own:
            return actions.submit(own, seat, task_id, content, "key").id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(send, range(6)))) == 1
    assert session.scalar(sa.select(sa.func.count()).select_from(Revision)) == 1


def test_an_incomplete_submission_changes_nothing(session: Session) -> None:
    seat = desk.annotator(session, desk.project(session))
    held = desk.lease(session, seat)
    with pytest.raises(BadAnnotation):
        actions.submit(session, seat, held.task_id, desk.content(held.task.sample, ranking=[]), "key")
    assert held.ended_at is None
    assert session.scalars(sa.select(Annotation)).all() == []


def test_a_lease_that_ran_out_is_honoured_while_nobody_else_has_the_task(session: Session) -> None:
    seat = desk.annotator(session, desk.project(session))
    held = desk.lease(session, seat)
    expire(session, held)
    tasks.sweep_leases(session)
    annotation = actions.submit(session, seat, held.task_id, desk.content(held.task.sample), "key")
    assert annotation.order == held.order


def test_late_work_takes_another_free_slot_of_the_sample(session: Session) -> None:
    project = desk.project(session, samples=1, overlap=2)
    bob, dora = desk.annotator(session, project), desk.annotator(session, project, "dora")
    held = desk.lease(session, bob)
    expire(session, held)
    tasks.sweep_leases(session)
    taken = desk.lease(session, dora)
    assert taken.task_id == held.task_id
    annotation = actions.submit(session, bob, held.task_id, desk.content(held.task.sample), "key")
    assert annotation.task_id != held.task_id
    with pytest.raises(AlreadyJudged):
        actions.submit(session, bob, held.task_id, desk.content(held.task.sample), "other")


def test_late_work_without_room_is_refused_and_can_be_kept_as_a_draft(session: Session) -> None:
    project = desk.project(session, samples=1)
    bob, dora = desk.annotator(session, project), desk.annotator(session, project, "dora")
    held = desk.lease(session, bob)
    expire(session, held)
    desk.annotate(session, dora)
    with pytest.raises(tasks.TaskDone):
        actions.submit(session, bob, held.task_id, desk.content(held.task.sample), "key")
    assert actions.save_draft(session, bob, held.task_id, desk.content(held.task.sample)).version == 1


def test_many_people_submitting_at_once_never_exceed_the_overlap(session: Session) -> None:
    project = desk.project(session, samples=6, overlap=2)
    seats = [desk.annotator(session, project, f"person{number}") for number in range(5)]
    session.commit()

    def work(seat: Seat) -> int:
        done = 0
        while True:
            with transaction() as own:
                if (held := tasks.lease_next(own, seat)) is None:
                    return done
                actions.save_draft(own, seat, held.task_id, {})
                actions.submit(own, seat, held.task_id, desk.content(held.task.sample), f"key {held.task_id}")
            done += 1

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(work, seats)) == 12
    per_sample = session.execute(
        sa.select(sa.func.count()).select_from(Annotation).group_by(Annotation.sample_id)
    ).scalars()
    assert set(per_sample) == {2}
    assert session.scalar(sa.select(sa.func.count()).where(Task.done_at.is_(None))) == 0


def test_what_was_returned_comes_first_and_its_new_revision_stands_beside_the_old(session: Session) -> None:
    project = desk.project(session, samples=3)
    bob, rosa = desk.annotator(session, project), desk.reviewer(session, project)
    first = desk.annotate(session, bob)
    actions.return_(session, rosa, first.id, "Look at B again")
    held = desk.lease(session, bob)
    assert held.task_id == first.task_id
    assert held.order == first.order
    assert [row.id for row in queries.mine(session, bob)] == [first.id]
    mended = actions.submit(session, bob, held.task_id, desk.content(held.task.sample, rank_reason="Better"), "again")
    assert mended.id == first.id
    assert [revision.content["rank_reason"] for revision in mended.revisions] == ["The first is complete.", "Better"]
    assert mended.state == "submitted"
