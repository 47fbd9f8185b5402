"""Flags: what annotators remark about a sample, and what an admin made of it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager, joinedload

from app.accounts.actions import audit
from app.core.db import Session
from app.core.errors import NotFound
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.samples.tables import Sample
from app.tasks import actions, queries
from app.tasks.refusals import AlreadyResolved, BadReason
from app.tasks.tables import FLAG_KINDS, Flag, FlagResolution, Task

PAGE = 50


def flag(session: Session, seat: Seat, task_id: int, kind: str, note: str = "") -> Flag:
    """Remark that the question is confusing, incomplete or harmful, or that something does not work.

    Raises NotFound, BadReason.
    """
    if kind not in FLAG_KINDS:
        raise BadReason(_("A flag is one of %(kinds)s.", kinds=", ".join(FLAG_KINDS)), "kind")
    task = queries.task(session, seat, task_id)
    row = Flag(task_id=task.id, user_id=seat.user.id, kind=kind, note=actions.readable(note))
    session.add(row)
    session.flush()
    audit(session, seat.user, "task.flagged", f"task {task.id}", seat.project.id, kind=kind)
    return row


def resolve(session: Session, seat: Seat, flag_id: int, note: str = "") -> FlagResolution:
    """Say that a flag is dealt with, and how. Raises NotFound, AlreadyResolved, BadReason."""
    row = session.scalar(_of_project(seat).where(Flag.id == flag_id).with_for_update(of=Flag))
    if row is None:
        raise NotFound(where="flag")
    if session.scalar(sa.select(FlagResolution.id).where(FlagResolution.flag_id == flag_id)):
        raise AlreadyResolved(_("Somebody has resolved this flag already."), "flag", _("Load the list again."))
    resolution = FlagResolution(flag=row, user_id=seat.user.id, note=actions.readable(note))
    session.add(resolution)
    session.flush()
    audit(session, seat.user, "flag.resolved", f"flag {row.id}", seat.project.id, kind=row.kind)
    return resolution


def listed(session: Session, seat: Seat, resolved: bool, kind: str = "", before: int | None = None) -> list[Flag]:
    """The project's flags, newest first, one page and one more row where there are more."""
    query = _of_project(seat).options(
        joinedload(Flag.user),
        joinedload(Flag.resolution).joinedload(FlagResolution.user),
        contains_eager(Flag.task).joinedload(Task.sample).selectinload(Sample.media),
    )
    query = query.where(Flag.resolution.has() if resolved else ~Flag.resolution.has())
    if kind in FLAG_KINDS:
        query = query.where(Flag.kind == kind)
    if before:
        query = query.where(Flag.id < before)
    return list(session.scalars(query.order_by(Flag.id.desc()).limit(PAGE + 1)))


def count_open(session: Session, project_id: int) -> int:
    query = sa.select(sa.func.count()).select_from(Flag).join(Task).where(Task.project_id == project_id)
    return session.scalar(query.where(~Flag.resolution.has())) or 0


def _of_project(seat: Seat) -> sa.Select[Flag]:
    return sa.select(Flag).join(Flag.task).where(Task.project_id == seat.project.id)
