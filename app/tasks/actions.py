"""Tasks' verbs: cut them from samples, lease the next one, give it back, skip it.

The database's unique indexes are the truth about who holds what; where two people race, the loser looks again.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.accounts.actions import audit
from app.accounts.tables import User
from app.core.db import Session, now
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.projects.tables import Project
from app.samples.tables import Response, Sample
from app.tasks import queries
from app.tasks.refusals import (
    AlreadyJudged,
    BadReason,
    Crowded,
    ReasonMissing,
    TaskDone,
    TaskTaken,
    WasReturned,
)
from app.tasks.tables import Lease, Skip, Task

LONGEST_REASON = 2000
TRIES = 100
"""How often a race for a task may be lost before the person is told."""


def cut_tasks(session: Session, project: Project, author: User, sample_ids: Sequence[int] | None = None) -> int:
    """Bring each sample (all, or the named ones) up to the project's overlap; returns how many tasks were added.

    Twice is harmless. A task cut for a rejected annotation stands in for another and does not count.
    """
    there = (
        sa.select(sa.func.coalesce(sa.func.max(Task.slot) + 1, 0))
        .where(Task.sample_id == Sample.id)
        .correlate(Sample)
        .scalar_subquery()
    )
    live = (
        sa.select(sa.func.count())
        .where(Task.sample_id == Sample.id, Task.replaces_id.is_(None))
        .correlate(Sample)
        .scalar_subquery()
    )
    missing = sa.func.generate_series(0, project.overlap - 1 - live).table_valued("nth").render_derived()
    wanted = sa.select(sa.literal(project.id), Sample.id, there + missing.c.nth, sa.literal(0)).select_from(
        sa.join(Sample, missing, sa.true())
    )
    wanted = wanted.where(Sample.project_id == project.id).order_by(Sample.id)
    if sample_ids is not None:
        wanted = wanted.where(Sample.id.in_(sample_ids))
    added = session.scalars(
        insert(Task)
        .from_select(["project_id", "sample_id", "slot", "priority"], wanted)
        .on_conflict_do_nothing()
        .returning(Task.id)
    ).all()
    if added:
        audit(session, author, "tasks.cut", f"project {project.id}", project.id, added=len(added))
    return len(added)


def lease_next(session: Session, seat: Seat) -> Lease | None:
    """The task that this annotator should do now, held for them; None when nothing is left for them.

    In this order: what they hold, what a reviewer returned to them, what was kept ready for them, what they began and
    ran out of time for, the queue.
    """
    one_at_a_time(session, seat)
    if held := queries.own_open_lease(session, seat.user, seat.project.id):
        return renew(session, seat.project, held)
    sweep_leases(session)
    if lease := _take(session, seat, queries.returned_task_of):
        return lease
    if ahead := queries.lease_ahead(session, seat.user, seat.project.id):
        return renew(session, seat.project, ahead)
    return take_next(session, seat)


def take_next(session: Session, seat: Seat, opened: bool = True) -> Lease | None:
    """A new hold on the first task that is this person's to do; None when there is none."""
    for find in (queries.returned_task_of, queries.expired_task_of, queries.next_free_task):
        if lease := _take(session, seat, find, opened):
            return lease
    return None


def one_at_a_time(session: Session, seat: Seat) -> None:
    """Two requests of one person (a double click, two windows) must not both take a task."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(seat.project.id % 2**31, seat.user.id % 2**31)))


def _take(
    session: Session, seat: Seat, find: Callable[[Session, User, int], Task | None], opened: bool = True
) -> Lease | None:
    for _try in range(TRIES):
        task = find(session, seat.user, seat.project.id)
        if task is None:
            return None
        if lease := hold(session, seat, task, opened):
            return lease
    raise Crowded(
        _("So many people are taking tasks right now that none was free for you."), advice=_("Try again in a moment.")
    )


def hold(session: Session, seat: Seat, task: Task, opened: bool = True) -> Lease | None:
    """Open a lease; None where another's came first, which this statement's snapshot did not see yet."""
    return session.scalar(
        insert(Lease)
        .values(
            task_id=task.id,
            sample_id=task.sample_id,
            user_id=seat.user.id,
            order=_order(session, seat.user, task.sample_id),
            opened_at=now() if opened else None,
            expires_at=_until(seat.project),
        )
        .on_conflict_do_nothing()
        .returning(Lease)
    )


def _order(session: Session, user: User, sample_id: int) -> list[int]:
    """The order in which this person has seen the sample's responses, or a new random one."""
    if before := queries.latest_lease(session, user, sample_id):
        return before.order
    ids = list(session.scalars(sa.select(Response.id).where(Response.sample_id == sample_id).order_by(Response.id)))
    random.SystemRandom().shuffle(ids)
    return ids


def _until(project: Project) -> dt.datetime:
    return now() + dt.timedelta(minutes=project.lease_minutes)


def renew(session: Session, project: Project, lease: Lease) -> Lease:
    """Start the lease's time again, as opening the task and each saved draft do."""
    lease.opened_at = lease.opened_at or now()
    lease.expires_at = _until(project)
    session.flush()
    return lease


def reopen(session: Session, seat: Seat, task_id: int) -> Lease:
    """The hold under which this person goes on with a task that they have had. Raises as `hold_for_submission`."""
    one_at_a_time(session, seat)
    return renew(session, seat.project, hold_for_submission(session, seat, task_id))


def hold_for_submission(session: Session, seat: Seat, task_id: int) -> Lease:
    """The lease under which this person may submit work on the task; the task is locked until the transaction ends.

    A lease that ran out is honoured while there is room: on this task, or on a free one of the same sample.
    Raises NotFound, AlreadyJudged, TaskDone, TaskTaken.
    """
    task = queries.task(session, seat, task_id)
    session.execute(sa.select(Task.id).where(Task.id == task.id).with_for_update())
    session.refresh(task, ["done_at", "done_by_id"])
    held = queries.open_lease(session, task_id)
    if held and held.user_id == seat.user.id and task.done_at is None:
        return held
    _refuse_second_judgement(session, seat, task)
    before = queries.latest_lease(session, seat.user, task.sample_id)
    if before is None:
        raise TaskTaken(
            _("You do not hold this task."), f"task {task_id}", _("Open your next task from the project's page.")
        )
    if held and held.user_id != seat.user.id and held.expires_at < now():
        end(session, held)
        held = None
    free = task if held is None and task.done_at is None and task.done_by_id in (None, seat.user.id) else None
    free = free or queries.free_task_of_sample(session, task.sample_id)
    lease = hold(session, seat, free) if free else None
    if lease is None:
        refusal = TaskDone if task.done_at else TaskTaken
        raise refusal(
            _("Your time for this task ran out, and somebody else has taken it meanwhile."),
            f"task {task_id}",
            _("Your work is kept as a draft. Open your next task."),
        )
    return lease


def _refuse_second_judgement(session: Session, seat: Seat, task: Task) -> None:
    judged = session.scalar(
        sa.select(Task.id).where(
            Task.sample_id == task.sample_id, Task.done_by_id == seat.user.id, Task.done_at.is_not(None)
        )
    )
    if judged:
        raise AlreadyJudged(
            _("You have submitted your annotation of this sample."), f"task {task.id}", _("Open your next task.")
        )


def finish(session: Session, lease: Lease) -> None:
    """The task is done by the one who holds it."""
    lease.task.done_at, lease.task.done_by_id = now(), lease.user_id
    end(session, lease)


def end(session: Session, lease: Lease) -> None:
    lease.ended_at = min(now(), lease.expires_at)
    session.flush()


def hand_back(session: Session, task: Task) -> None:
    """Open a done task again for the one who did it."""
    task.done_at = None
    session.flush()


def cut_replacement(session: Session, task: Task) -> None:
    """One more task of the sample in place of this one; twice is harmless."""
    slot = sa.select(sa.func.max(Task.slot) + 1).where(Task.sample_id == task.sample_id).scalar_subquery()
    session.execute(
        insert(Task)
        .values(
            project_id=task.project_id,
            sample_id=task.sample_id,
            slot=slot,
            priority=task.priority + 1,
            replaces_id=task.id,
        )
        .on_conflict_do_nothing(index_elements=["replaces_id"])
    )


def release(session: Session, seat: Seat, task_id: int) -> None:
    """Give the task back unfinished; a draft stays. Releasing what one does not hold is harmless. Raises NotFound."""
    task = queries.task(session, seat, task_id)
    lease = queries.open_lease(session, task.id)
    if lease and lease.user_id == seat.user.id:
        end(session, lease)


def skip(session: Session, seat: Seat, task_id: int, reason: str) -> None:
    """Pass the sample by for good; somebody else gets the task.

    Raises NotFound, ReasonMissing, BadReason, WasReturned.
    """
    reason = readable(reason)
    if not reason:
        raise ReasonMissing(_("Say in a few words why you skip this sample."), "reason")
    task = queries.task(session, seat, task_id)
    if task.done_by_id is not None:
        raise WasReturned(
            _("An annotation that was sent back cannot be skipped."), "task", _("Mend it, or choose “Cannot judge”.")
        )
    release(session, seat, task_id)
    session.execute(
        insert(Skip)
        .values(task_id=task.id, sample_id=task.sample_id, user_id=seat.user.id, reason=reason)
        .on_conflict_do_nothing()
    )
    audit(session, seat.user, "task.skipped", f"task {task.id}", seat.project.id, reason=reason[:200])


def readable(text: str) -> str:
    """A note without its outer spaces. Raises BadReason where it is too long or holds a NUL."""
    if len(text) > LONGEST_REASON or "\0" in text:
        raise BadReason(
            _("A reason has at most %(n)s characters, and no NUL.", n=f"{LONGEST_REASON:,}"),
            "reason",
        )
    return text.strip()


def sweep_leases(session: Session) -> int:
    """End every lease whose time has run out, at the moment when it did; returns how many."""
    stale = (
        sa.select(Lease.id).where(Lease.ended_at.is_(None), Lease.expires_at < now()).with_for_update(skip_locked=True)
    )
    ended = session.scalars(
        sa.update(Lease)
        .where(Lease.id.in_(stale))
        .values(ended_at=Lease.expires_at)
        .returning(Lease.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(ended)
