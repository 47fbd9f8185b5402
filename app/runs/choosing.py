"""Which of the runs that wait a free trainer takes: by priority, then whoever had least of the trainers of late."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from app.accounts.log import audit
from app.core.db import Session
from app.core.errors import Conflict, Forbidden
from app.core.language import N_
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.runs import queries
from app.runs.claims import free_runs
from app.runs.tables import Run, RunInput

LOW, NORMAL, HIGH = -1, 0, 1
PRIORITIES = {HIGH: N_("first"), NORMAL: N_("as usual"), LOW: N_("last")}
LATELY = dt.timedelta(days=1)
LOOKED_AT = 200
"""Waiting runs that are asked whether their inputs are there; behind so many of one kind the others wait a turn."""


class OnlyAdmins(Forbidden):
    """Before everybody else's runs only an admin puts one."""


class NotWaiting(Conflict):
    """A run that has ended, or is being executed, has no turn to wait for."""


def best(session: Session, most: int = 1) -> int | None:
    """The run to take now, of no more processes than `most`; None where none is free and ready."""
    fitting = (run for run in in_order(session) if (run.processes or 1) <= most)
    ready = (run.id for run in fitting if run.cancellation is None and not queries.waits_for(session, run))
    return next(ready, None)


def in_order(session: Session) -> list[Run]:
    """Free runs as trainers take them, whether or not their inputs are there yet.

    Within a priority: whose author has fewer runs in execution, then fewer seconds of the last day, then the older one.
    Without this a sweep of a hundred runs would keep everybody else waiting.
    """
    use = _use().subquery()
    query = sa.select(Run).where(free_runs(), ~_stopped()).outerjoin(use, use.c.user == Run.created_by)
    turn = [Run.priority.desc(), sa.func.coalesce(use.c.running, 0), sa.func.coalesce(use.c.seconds, 0.0), Run.id]
    return list(session.scalars(query.order_by(*turn).limit(LOOKED_AT)))


def _stopped() -> sa.ColumnElement[bool]:
    """Steps of a chain behind one that ended badly: they would fill the places that are looked at, for ever."""
    earlier = aliased(Run)
    bad = sa.or_(
        earlier.failure.is_not(None), earlier.exit_code != 0, earlier.exit_code.is_(None), earlier.cancellation.has()
    )
    read = sa.select(RunInput.id).join(earlier, RunInput.from_run_id == earlier.id).where(RunInput.run_id == Run.id)
    return read.where(earlier.ended_at.is_not(None), bad).exists()


def _use() -> sa.Select[int, int, float]:
    """Each author's runs in execution, and the seconds that trainers have given them of late."""
    running = sa.and_(Run.ended_at.is_(None), Run.claimed_by.is_not(None))
    spent = sa.func.coalesce(Run.ended_at, sa.func.now()) - sa.func.greatest(Run.started_at, sa.func.now() - LATELY)
    seconds = sa.func.sum(sa.extract("epoch", spent)).filter(sa.or_(running, Run.ended_at.is_not(None)))
    return (
        sa.select(
            Run.created_by.label("user"),
            sa.func.count().filter(running).label("running"),
            sa.func.coalesce(seconds, 0.0).label("seconds"),
        )
        .where(Run.started_at.is_not(None), sa.or_(Run.ended_at.is_(None), Run.ended_at > sa.func.now() - LATELY))
        .group_by(Run.created_by)
    )


def place(session: Session, run: Run) -> tuple[int, int] | None:
    """Which turn a waiting run has, and of how many; None where it does not wait for a trainer."""
    ids = [each.id for each in in_order(session)]
    return (ids.index(run.id) + 1, len(ids)) if run.id in ids else None


def put(session: Session, seat: Seat, run_id: int, priority: int) -> None:
    """Raises OnlyAdmins, NotWaiting, NotFound."""
    run = queries.run(session, seat, run_id)
    if priority == HIGH and not ({"admin"} & set(seat.roles) or seat.user.is_admin):
        raise OnlyAdmins(_("Only an admin puts a run before everybody else's."), "priority")
    if run.ended_at is not None:
        raise NotWaiting(_("This run has ended."), f"run {run_id}")
    run.priority = priority
    audit(session, seat.user, "run.prioritised", f"run {run.id}", seat.project.id, priority=priority)
