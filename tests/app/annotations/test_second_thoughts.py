"""Second thoughts: undo for a minute, change until somebody has judged it."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.annotations import actions, queries, second_thoughts
from app.annotations.refusals import AlreadyReviewed, TooLate
from app.annotations.tables import Annotation, Draft, Revision
from app.core.db import now
from app.core.errors import NotFound
from app.tasks import actions as tasks
from app.tasks.tables import Lease
from tests.app.annotations import desk


def test_an_undone_submission_is_a_draft_again_and_can_be_submitted_anew(session: Session) -> None:
    bob = desk.annotator(session, desk.project(session))
    made = desk.annotate(session, bob, rank_reason="Too quick")
    task_id = made.task_id
    lease = second_thoughts.withdraw(session, bob, made.id)
    assert lease.task_id == task_id
    assert session.scalars(sa.select(Annotation)).all() == []
    assert queries.draft(session, bob.user, task_id).content["rank_reason"] == "Too quick"  # type: ignore[union-attr]
    again = actions.submit(session, bob, task_id, desk.content(lease.task.sample), "another key")
    assert again.latest.number == 1 and again.task.done_by_id == bob.user.id


def test_undoing_a_mended_annotation_leaves_it_returned(session: Session) -> None:
    project = desk.project(session, samples=1)
    bob, rosa = desk.annotator(session, project), desk.reviewer(session, project)
    made = desk.annotate(session, bob)
    actions.return_(session, rosa, made.id, "Name the colours")
    desk.annotate(session, bob, rank_reason="With colours")
    second_thoughts.withdraw(session, bob, made.id)
    session.expire_all()
    assert made.state == "returned" and made.latest.number == 1
    assert desk.annotate(session, bob, rank_reason="With all colours").latest.number == 2


def test_an_undo_comes_too_late_after_a_minute_or_a_verdict(session: Session) -> None:
    project = desk.project(session)
    bob, rosa, dora = (
        desk.annotator(session, project),
        desk.reviewer(session, project),
        desk.annotator(session, project, "dora"),
    )
    made = desk.annotate(session, bob)
    with pytest.raises(NotFound):
        second_thoughts.withdraw(session, dora, made.id)
    session.execute(sa.update(Revision).values(created_at=now() - dt.timedelta(minutes=2)))
    session.expire_all()
    with pytest.raises(TooLate):
        second_thoughts.withdraw(session, bob, made.id)
    judged = desk.annotate(session, bob)
    actions.accept(session, rosa, judged.id)
    with pytest.raises(AlreadyReviewed):
        second_thoughts.withdraw(session, bob, judged.id)


def test_an_annotation_is_changed_until_somebody_has_judged_it(session: Session) -> None:
    project = desk.project(session)
    bob, rosa = desk.annotator(session, project), desk.reviewer(session, project)
    made = desk.annotate(session, bob)
    better = desk.content(made.sample, rank_reason="On reflection")
    actions.save_draft(session, bob, made.task_id, better, 0, revision=1)
    for _ in range(2):  # the answer was lost: sent again with the same key
        second_thoughts.revise(session, bob, made.id, better, 1, "second key", 60.0)
    assert [each.number for each in made.revisions] == [1, 2] and made.task.done_at
    assert session.scalars(sa.select(Draft)).all() == []
    with pytest.raises(AlreadyReviewed):
        second_thoughts.revise(session, bob, made.id, better, 1, "third key", 60.0)
    actions.accept(session, rosa, made.id)
    with pytest.raises(AlreadyReviewed, match="Rosa has judged"):
        actions.save_draft(session, bob, made.task_id, better, 0, revision=2)


def test_a_draft_takes_a_free_task_again_whose_time_ran_out(session: Session) -> None:
    project = desk.project(session, samples=1)
    bob, dora = desk.annotator(session, project), desk.annotator(session, project, "dora")
    held = desk.lease(session, bob)
    held.expires_at = now() - dt.timedelta(seconds=1)
    session.flush()
    tasks.sweep_leases(session)
    session.refresh(held)
    assert held.ended_at
    actions.save_draft(session, bob, held.task_id, {"rank_reason": "Back again"})
    mine = session.scalars(sa.select(Lease).where(Lease.ended_at.is_(None))).one()
    assert mine.user_id == bob.user.id and desk.tasks.lease_next(session, dora) is None
