"""One task ahead: while a person works, their next one is kept ready for a short while, so that it opens at once."""

from __future__ import annotations

import datetime as dt

from app.core.db import Session, now
from app.projects.guard import Seat
from app.tasks import actions, queries, standing
from app.tasks.refusals import Crowded
from app.tasks.tables import Lease, Task

KEPT = dt.timedelta(minutes=10)
"""How long a task waits unopened: each saved draft of the one before it starts this time again."""


def reserve_next(session: Session, seat: Seat) -> Lease | None:
    """Keep the person's next task ready; twice gives the same one. None where nothing is left, or nothing is in hand.

    One ahead and no more, and for minutes: nobody else waits long for a task that its holder never opens.
    """
    actions.one_at_a_time(session, seat)
    if queries.own_open_lease(session, seat.user, seat.project.id) is None:
        return None
    lease = queries.lease_ahead(session, seat.user, seat.project.id)
    lease = lease or actions.take_next(session, seat, standing.of(session, seat), opened=False)
    if lease:
        lease.expires_at = now() + KEPT
        session.flush()
    return lease


def go_on(session: Session, seat: Seat) -> Lease | None:
    """The task to open next; None where nothing is left or too many people are taking tasks at this moment."""
    try:
        with session.begin_nested():
            return actions.lease_next(session, seat)
    except Crowded:
        return None


def renew(session: Session, seat: Seat, task: Task) -> None:
    """As work goes on: the task's time starts again, and that of the next one that waits.

    A task whose time ran out is taken again if nobody else came.
    """
    lease = queries.open_lease(session, task.id)
    if lease is None and task.done_at is None and task.done_by_id in (None, seat.user.id):
        lease = actions.hold(session, seat, task)
    if lease is None or lease.user_id != seat.user.id:
        return
    actions.renew(session, seat.project, lease)
    if waiting := queries.lease_ahead(session, seat.user, seat.project.id):
        waiting.expires_at = now() + KEPT
        session.flush()
