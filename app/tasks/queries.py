"""Every select of the tasks room."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import aliased, contains_eager, joinedload, selectinload

from app.accounts.tables import User
from app.core.db import Session, now
from app.core.errors import NotFound
from app.projects.guard import Seat
from app.projects.tables import Project
from app.samples.queries import is_aside
from app.samples.tables import Response, Sample
from app.tasks import cutting
from app.tasks.tables import Flag, Lease, Skip, Task


class Progress(NamedTuple):
    """Tasks of a project, but for those that test people: all, done, and held by somebody right now."""

    total: int
    done: int
    held: int


def task(session: Session, seat: Seat, task_id: int) -> Task:
    """A task of the seat's project with its sample, media and responses. Raises NotFound."""
    return _found(_one(session, seat, task_id, media=True))


def task_to_judge(session: Session, seat: Seat, task_id: int) -> Task:
    """A task of the seat's project with its sample and responses, in one statement. Raises NotFound."""
    return _found(_one(session, seat, task_id, media=False))


def lock(session: Session, seat: Seat, task_id: int) -> Task:
    """A task of the seat's project as it is now, locked until the transaction ends. Raises NotFound."""
    return _found(session.scalar(_lock(), {"task": task_id, "project": seat.project.id}))


def _one(session: Session, seat: Seat, task_id: int, media: bool) -> Task | None:
    return session.scalars(_task(media), {"task": task_id, "project": seat.project.id}).unique().one_or_none()


def _found(task: Task | None) -> Task:
    if task is None:
        raise NotFound(where="task")
    return task


# What each annotation asks is built once: building a statement costs several times what running it does.


@cache
def _task(media: bool) -> sa.Select[Task]:
    parts = [joinedload(Sample.responses), *([selectinload(Sample.media)] if media else [])]
    return (
        sa.select(Task)
        .options(joinedload(Task.sample, innerjoin=True).options(*parts))
        .where(Task.id == sa.bindparam("task"), Task.project_id == sa.bindparam("project"))
    )


@cache
def _lock() -> sa.Select[Task]:
    return (
        sa.select(Task)
        .where(Task.id == sa.bindparam("task"), Task.project_id == sa.bindparam("project"))
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def open_lease(session: Session, task_id: int) -> Lease | None:
    """Who holds the task, expired or not, as long as nobody ended it."""
    return session.scalar(_open_lease(), {"task": task_id})


@cache
def _open_lease() -> sa.Select[Lease]:
    return sa.select(Lease).where(Lease.task_id == sa.bindparam("task"), Lease.ended_at.is_(None))


def holds(session: Session, user: User, task_id: int) -> bool:
    lease = open_lease(session, task_id)
    return lease is not None and lease.user_id == user.id


def own_leases(session: Session, user: User, project_id: int) -> list[Lease]:
    """What the person has in hand or ready, oldest first; also what ran out and nobody has ended yet."""
    return list(session.scalars(_own_leases(), {"user": user.id, "project": project_id}))


@cache
def _own_leases() -> sa.Select[Lease]:
    return (
        sa.select(Lease)
        .join(Lease.task)
        .options(contains_eager(Lease.task))
        .where(
            Lease.user_id == sa.bindparam("user"),
            Lease.ended_at.is_(None),
            Task.project_id == sa.bindparam("project"),
            Task.done_at.is_(None),
        )
        .order_by(Lease.id)
    )


def own_open_lease(session: Session, user: User, project_id: int) -> Lease | None:
    """What the person has in hand: of several, what they turned to first."""
    return next((lease for lease in own_leases(session, user, project_id) if lease.opened_at), None)


def lease_ahead(session: Session, user: User, project_id: int) -> Lease | None:
    """The task that is kept ready for the person and not opened yet, while its time lasts."""
    return next(
        (each for each in own_leases(session, user, project_id) if not each.opened_at and each.expires_at > now()), None
    )


def latest_lease(session: Session, user: User, sample_id: int) -> Lease | None:
    """The person's last hold on any task of the sample: it knows the order in which they saw the responses."""
    return session.scalar(_latest_lease(), {"user": user.id, "sample": sample_id})


@cache
def _latest_lease() -> sa.Select[Lease]:
    mine = sa.select(Lease).where(Lease.user_id == sa.bindparam("user"), Lease.sample_id == sa.bindparam("sample"))
    return mine.order_by(Lease.id.desc()).limit(1)


def order_seen_or_drawn(user_id: sa.BindParameter[Any], sample_id: sa.BindParameter[Any]) -> sa.ColumnElement[Any]:
    """The order in which the person has last seen the sample's responses, or else a random one: [response id, …]."""
    before = (
        sa.select(Lease.order)
        .where(Lease.user_id == user_id, Lease.sample_id == sample_id)
        .order_by(Lease.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    drawn = aggregate_order_by(Response.id, sa.func.gen_random_uuid())  # from a strong source, as Python's own is not
    shuffled = sa.select(sa.func.jsonb_agg(drawn)).where(Response.sample_id == sample_id).scalar_subquery()
    return sa.func.coalesce(before, shuffled, sa.literal([], JSONB))


def lock_free(session: Session, task_id: int) -> Task | None:
    """The task, locked, if it is not done and nobody holds it or is just taking it."""
    return session.scalar(_lock_free(), {"task": task_id})


@cache
def _lock_free() -> sa.Select[Task]:
    return (
        sa.select(Task)
        .where(Task.id == sa.bindparam("task"), Task.done_at.is_(None), ~held())
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def free_task_of_sample(session: Session, task: Task) -> Task | None:
    """Any task of the same sample, and of the same kind, that nobody holds or has done, locked."""
    return session.scalar(
        sa.select(Task)
        .where(Task.sample_id == task.sample_id, Task.done_at.is_(None), Task.done_by_id.is_(None), ~held())
        .where(Task.gold_id.is_not_distinct_from(task.gold_id))
        .order_by(Task.slot)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def held() -> sa.ColumnElement[bool]:
    """Somebody holds the Task, or did until a moment ago and nobody has ended it yet."""
    other = aliased(Lease)
    return sa.exists().where(other.task_id == Task.id, other.ended_at.is_(None))


def judged_or_skipped(person: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """The person of this id has judged or skipped the Task's sample, or has another task of it in hand."""
    mine, in_hand = aliased(Task), aliased(Lease)
    return sa.or_(
        sa.exists().where(mine.done_by_id == person, mine.sample_id == Task.sample_id),
        sa.exists().where(Skip.user_id == person, Skip.sample_id == Task.sample_id),
        sa.exists().where(in_hand.user_id == person, in_hand.sample_id == Task.sample_id, in_hand.ended_at.is_(None)),
    )


def progress(session: Session, project_id: int) -> Progress:
    total, done = session.execute(
        sa.select(sa.func.count(), sa.func.count().filter(Task.done_at.is_not(None))).where(
            Task.project_id == project_id, Task.gold_id.is_(None)
        )
    ).one()
    return Progress(total, done, held_now(session, project_id))


def held_now(session: Session, project_id: int) -> int:
    """How many of the project's tasks somebody works on at this moment."""
    held = sa.select(sa.func.count()).select_from(Lease).join(Task)
    held = held.where(Task.project_id == project_id, Task.gold_id.is_(None), Lease.ended_at.is_(None))
    return session.scalar(held.where(Lease.expires_at > sa.func.now())) or 0


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
    to_do = sa.exists().where(Task.sample_id == Sample.id, Task.done_at.is_(None), Task.gold_id.is_(None))
    wanted = {"uncut": ~some, "open": to_do, "done": some & ~to_do}.get(state)
    return query if wanted is None else query.where(wanted)


def short_of_tasks(session: Session, project: Project) -> int:
    """How many samples have fewer tasks than their overlap asks for; replacements do not count."""
    query = sa.select(sa.func.count()).select_from(Sample)
    query = query.where(Sample.project_id == project.id, ~cutting.has_gold(), cutting.can_be_judged(), ~is_aside())
    return session.scalar(query.where(cutting.live_tasks() < cutting.overlap_of(project))) or 0


def states_of(session: Session, sample_ids: list[int]) -> dict[int, tuple[int, int]]:
    """Sample id → (tasks done, tasks)."""
    rows = session.execute(
        sa.select(Task.sample_id, sa.func.count().filter(Task.done_at.is_not(None)), sa.func.count())
        .where(Task.sample_id.in_(sample_ids), Task.gold_id.is_(None))
        .group_by(Task.sample_id)
    )
    return {sample_id: (done, total) for sample_id, done, total in rows}
