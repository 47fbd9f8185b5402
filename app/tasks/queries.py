"""Every select of the tasks room."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import aliased, joinedload, selectinload

from app.accounts.tables import User
from app.core.db import Session
from app.core.errors import NotFound
from app.projects.guard import Seat
from app.projects.tables import Project
from app.samples.tables import Sample
from app.tasks.tables import Flag, Lease, Skip, Task


class Progress(NamedTuple):
    """Tasks of a project: all, done, and held by somebody right now."""

    total: int
    done: int
    held: int


def task(session: Session, seat: Seat, task_id: int) -> Task:
    """A task of the seat's project with its sample, media and responses. Raises NotFound."""
    row = session.scalar(
        sa.select(Task)
        .options(joinedload(Task.sample).options(selectinload(Sample.media), selectinload(Sample.responses)))
        .where(Task.id == task_id, Task.project_id == seat.project.id)
    )
    if row is None:
        raise NotFound(where="task")
    return row


def open_lease(session: Session, task_id: int) -> Lease | None:
    """Who holds the task, expired or not, as long as nobody ended it."""
    return session.scalar(sa.select(Lease).where(Lease.task_id == task_id, Lease.ended_at.is_(None)))


def holds(session: Session, user: User, task_id: int) -> bool:
    lease = open_lease(session, task_id)
    return lease is not None and lease.user_id == user.id


def own_open_lease(session: Session, user: User, project_id: int) -> Lease | None:
    """What the person has in hand: of several, what they turned to first."""
    return session.scalar(_own_leases(user, project_id).where(Lease.opened_at.is_not(None)))


def lease_ahead(session: Session, user: User, project_id: int) -> Lease | None:
    """The task that is kept ready for the person and not opened yet, while its time lasts."""
    return session.scalar(
        _own_leases(user, project_id).where(Lease.opened_at.is_(None), Lease.expires_at > sa.func.now())
    )


def _own_leases(user: User, project_id: int) -> sa.Select[Lease]:
    return (
        sa.select(Lease)
        .join(Task)
        .where(
            Lease.user_id == user.id, Lease.ended_at.is_(None), Task.project_id == project_id, Task.done_at.is_(None)
        )
        .order_by(Lease.id)
        .limit(1)
    )


def latest_lease(session: Session, user: User, sample_id: int) -> Lease | None:
    """The person's last hold on any task of the sample: it knows the order in which they saw the responses."""
    return session.scalar(
        sa.select(Lease)
        .where(Lease.user_id == user.id, Lease.sample_id == sample_id)
        .order_by(Lease.id.desc())
        .limit(1)
    )


def expired_task_of(session: Session, user: User, project_id: int) -> Task | None:
    """A task that the person began and whose time ran out, if it is still free: their draft waits there.

    A lease that ran out ends at its expiry; one that was given back ends before it.
    """
    return session.scalar(
        _free(project_id, user)
        .join(Lease, Lease.task_id == Task.id)
        .where(Task.done_by_id.is_(None), Lease.user_id == user.id, Lease.opened_at.is_not(None))
        .where(Lease.ended_at >= Lease.expires_at)
        .order_by(Lease.id.desc())
        .limit(1)
        .with_for_update(of=Task, skip_locked=True)
    )


def returned_task_of(session: Session, user: User, project_id: int) -> Task | None:
    """The oldest annotation that a reviewer sent back to this person, as its task."""
    return session.scalar(
        sa.select(Task)
        .where(Task.project_id == project_id, Task.done_by_id == user.id, Task.done_at.is_(None), ~_held())
        .order_by(Task.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def next_free_task(session: Session, user: User, project_id: int) -> Task | None:
    """The first task in the queue that this person may have, locked; what others are just taking is passed over."""
    return session.scalar(
        _free(project_id, user)
        .where(Task.done_by_id.is_(None))
        .order_by(Task.priority.desc(), Task.id)
        .limit(1)
        .with_for_update(of=Task, skip_locked=True)
    )


def free_task_of_sample(session: Session, sample_id: int) -> Task | None:
    """Any task of the sample that nobody holds or has done, locked."""
    return session.scalar(
        sa.select(Task)
        .where(Task.sample_id == sample_id, Task.done_at.is_(None), Task.done_by_id.is_(None), ~_held())
        .order_by(Task.slot)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _free(project_id: int, user: User) -> sa.Select[Task]:
    """Open tasks that nobody holds, of samples that the user has neither judged, skipped nor in hand."""
    mine, in_hand = aliased(Task), aliased(Lease)
    return sa.select(Task).where(
        Task.project_id == project_id,
        Task.done_at.is_(None),
        ~_held(),
        ~sa.exists().where(mine.done_by_id == user.id, mine.sample_id == Task.sample_id),
        ~sa.exists().where(Skip.user_id == user.id, Skip.sample_id == Task.sample_id),
        ~sa.exists().where(in_hand.user_id == user.id, in_hand.sample_id == Task.sample_id, in_hand.ended_at.is_(None)),
    )


def _held() -> sa.ColumnElement[bool]:
    held = aliased(Lease)
    return sa.exists().where(held.task_id == Task.id, held.ended_at.is_(None))


def progress(session: Session, project_id: int) -> Progress:
    held = (
        sa.select(sa.func.count())
        .select_from(Lease)
        .join(Task)
        .where(Task.project_id == project_id, Lease.ended_at.is_(None), Lease.expires_at > sa.func.now())
    )
    total, done, holding = session.execute(
        sa.select(sa.func.count(), sa.func.count().filter(Task.done_at.is_not(None)), held.scalar_subquery()).where(
            Task.project_id == project_id
        )
    ).one()
    return Progress(total, done, holding)


def tasks_of_sample(session: Session, sample_id: int) -> list[tuple[Task, User | None]]:
    """The sample's tasks by slot, each with who holds it now."""
    rows = session.execute(
        sa.select(Task, User)
        .outerjoin(Lease, sa.and_(Lease.task_id == Task.id, Lease.ended_at.is_(None)))
        .outerjoin(User, User.id == Lease.user_id)
        .where(Task.sample_id == sample_id)
        .order_by(Task.slot)
    )
    return [(task, holder) for task, holder in rows]


def flags_of_sample(session: Session, sample_id: int) -> list[Flag]:
    return list(
        session.scalars(
            sa.select(Flag)
            .options(joinedload(Flag.user))
            .join(Task)
            .where(Task.sample_id == sample_id)
            .order_by(Flag.id)
        )
    )


def skips_of_sample(session: Session, sample_id: int) -> list[tuple[Skip, User]]:
    rows = session.execute(sa.select(Skip, User).join(User, User.id == Skip.user_id).where(Skip.sample_id == sample_id))
    return [(skip, user) for skip, user in rows]


STATES = ("uncut", "open", "done")


def in_state(query: sa.Select[Sample], state: str) -> sa.Select[Sample]:
    """Samples without tasks (uncut), with tasks still to do (open), or with all done; else all."""
    some = sa.exists().where(Task.sample_id == Sample.id)
    to_do = sa.exists().where(Task.sample_id == Sample.id, Task.done_at.is_(None))
    wanted = {"uncut": ~some, "open": to_do, "done": some & ~to_do}.get(state)
    return query if wanted is None else query.where(wanted)


def short_of_tasks(session: Session, project: Project) -> int:
    """How many samples have fewer tasks than the project's overlap asks for; replacements do not count."""
    live = sa.select(sa.func.count()).where(Task.sample_id == Sample.id, Task.replaces_id.is_(None)).scalar_subquery()
    query = (
        sa.select(sa.func.count()).select_from(Sample).where(Sample.project_id == project.id, live < project.overlap)
    )
    return session.scalar(query) or 0


def states_of(session: Session, sample_ids: list[int]) -> dict[int, tuple[int, int]]:
    """Sample id → (tasks done, tasks)."""
    rows = session.execute(
        sa.select(Task.sample_id, sa.func.count().filter(Task.done_at.is_not(None)), sa.func.count())
        .where(Task.sample_id.in_(sample_ids))
        .group_by(Task.sample_id)
    )
    return {sample_id: (done, total) for sample_id, done, total in rows}
