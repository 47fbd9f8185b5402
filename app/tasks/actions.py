"""Tasks' verbs: lease the next one, give it back, skip it. Cutting stands in `cutting`, the search in `searching`.

The database's unique indexes are the truth about who holds what; where two people race, the loser looks again.
"""

from __future__ import annotations

import datetime as dt
from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.accounts.actions import audit
from app.core.db import Session, now
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.projects.tables import Project
from app.tasks import gold, queries, searching, standing
from app.tasks.cutting import cut_replacement as cut_replacement  # other rooms say tasks.cut_replacement
from app.tasks.cutting import cut_tasks as cut_tasks
from app.tasks.refusals import (
    AlreadyJudged,
    BadReason,
    Crowded,
    ReasonMissing,
    TaskDone,
    TaskTaken,
    WasReturned,
)
from app.tasks.standing import Record
from app.tasks.tables import Lease, Skip, Task

LONGEST_REASON = 2000
TRIES = 100
"""How often a race for a task may be lost before the person is told."""


def lease_next(session: Session, seat: Seat) -> Lease | None:
    """The task that this annotator should do now, held for them; None when nothing is left for them.

    In this order: what they hold, what a reviewer returned to them, what was kept ready for them, what they began and
    ran out of time for, gold if it is its turn, the queue. Where rules are the reason for None, `standing.why_none`
    says so.
    """
    one_at_a_time(session, seat)
    own = queries.own_leases(session, seat.user, seat.project.id)
    if held := next((lease for lease in own if lease.opened_at), None):
        return renew(session, seat.project, held)
    record = standing.of(session, seat)
    if lease := _take_known(session, seat, record.returned):
        return lease
    if (ahead := next((lease for lease in own if lease.expires_at > now()), None)) and not record.pause:
        return renew(session, seat.project, ahead)
    return take_next(session, seat, record)


def take_next(session: Session, seat: Seat, record: Record, opened: bool = True) -> Lease | None:
    """A new hold on the first task that is this person's to do; None when there is none.

    opened: false to keep it ready while another is in hand.
    """
    for known in (record.returned, record.ran_out):
        if lease := _take_known(session, seat, known, opened):
            return lease
    if standing.closed(record, in_hand=0 if opened else 1):
        return None
    if record.rules.pass_mark and not record.admitted:
        return _take_gold(session, seat, "qualification", opened)
    if gold.is_drawn(record.rules) and (lease := _take_gold(session, seat, "hidden", opened)):
        return lease
    return _take(session, seat, record, opened)


def one_at_a_time(session: Session, seat: Seat) -> None:
    """Two requests of one person (a double click, two windows) must not both take a task."""
    session.execute(_PERSON_LOCK, {"project": seat.project.id % 2**31, "person": seat.user.id % 2**31})


_PERSON_LOCK = sa.text("SELECT pg_advisory_xact_lock(CAST(:project AS integer), CAST(:person AS integer))")


def _take_known(session: Session, seat: Seat, task_id: int | None, opened: bool = True) -> Lease | None:
    task = queries.lock_free(session, task_id) if task_id else None
    return hold(session, seat, task, opened) if task else None


def _take_gold(session: Session, seat: Seat, use: str, opened: bool) -> Lease | None:
    task = gold.next_task(session, seat, use)
    return hold(session, seat, task, opened) if task else None


def _take(session: Session, seat: Seat, record: Record, opened: bool) -> Lease | None:
    from_start = not record.place
    for _try in range(TRIES):
        task = searching.first_free(session, seat, record, from_start)
        if task is not None:
            if lease := hold(session, seat, task, opened):
                return lease
        elif not from_start:
            from_start = True
        elif not sweep_leases(session):  # the worker sweeps each minute; who finds nothing does not wait for it
            return None
    raise Crowded(
        _("So many people are taking tasks right now that none was free for you."),
        advice=_("Try again in a moment."),
    )


def hold(session: Session, seat: Seat, task: Task, opened: bool = True) -> Lease | None:
    """Open a lease; None where another's came first, which this statement's snapshot did not see yet."""
    bound = {"task": task.id, "sample": task.sample_id, "person": seat.user.id}
    lease: Lease | None = session.scalar(
        _hold(), {**bound, "opened": now() if opened else None, "until": _until(seat.project)}
    )
    return lease


@cache  # as the selects of `queries`
def _hold() -> sa.Executable:
    """The responses' order is the one in which this person has seen them before, or else drawn."""
    put = insert(Lease).values(
        task_id=sa.bindparam("task"),
        sample_id=sa.bindparam("sample"),
        user_id=sa.bindparam("person"),
        order=queries.order_seen_or_drawn(sa.bindparam("person"), sa.bindparam("sample")),
        opened_at=sa.bindparam("opened"),
        expires_at=sa.bindparam("until"),
    )
    return sa.select(Lease).from_statement(put.on_conflict_do_nothing().returning(Lease))


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
    task = queries.lock(session, seat, task_id)
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
    free = free or queries.free_task_of_sample(session, task) or (gold.spare(session, task.gold) if task.gold else None)
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
    """The hold is over; where nothing came of it, the task is found again by people who have passed its place."""
    lease.ended_at = min(now(), lease.expires_at)
    if lease.task.done_at is None:
        lease.task.out_of_turn = True
    session.flush()


def hand_back(session: Session, task: Task) -> None:
    """Open a done task again for the one who did it."""
    task.done_at = None
    session.flush()


def release(session: Session, seat: Seat, task_id: int) -> None:
    """Give the task back unfinished; a draft stays. Releasing what one does not hold is harmless. Raises NotFound."""
    task = queries.lock(session, seat, task_id)  # a task before its lease, always
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
    """End every lease whose time has run out, at the moment when it did; returns how many.

    Tasks are locked before their leases, as a submission does; one that is just being submitted is left alone.
    """
    ids = session.scalars(_stale(), {"now": now()}).all()
    if not ids:
        return 0
    ended = session.scalars(
        sa.update(Lease)
        .where(Lease.id.in_(ids), Lease.ended_at.is_(None), Lease.expires_at < now())
        .values(ended_at=Lease.expires_at)
        .returning(Lease.task_id)
        .execution_options(synchronize_session=False)
    ).all()
    back = sa.update(Task).where(Task.id.in_(ended), ~Task.out_of_turn)
    session.execute(back.values(out_of_turn=True).execution_options(synchronize_session=False))
    return len(ended)


@cache  # every next task begins with it
def _stale() -> sa.Select[int]:
    return (
        sa.select(Lease.id)
        .join(Task, Task.id == Lease.task_id)
        .where(Lease.ended_at.is_(None), Lease.expires_at < sa.bindparam("now"))
        .with_for_update(of=Task, skip_locked=True)
    )
