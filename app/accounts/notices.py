"""Notices: what a person is told of, in the transaction of what it tells of, and which of it they have read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from app.accounts.tables import Notice, User
from app.core.db import Session, now
from app.core.errors import NotFound
from app.core.language import gettext as _

PAGE = 50
KEPT = dt.timedelta(days=90)
"""How long a notice is kept, read or not."""


def tell(
    session: Session,
    people: Iterable[int],
    message: str,
    address: str,
    *,
    detail: str = "",
    tone: str = "neutral",
    **filling: Any,
) -> None:
    """A notice for each of these users. message: marked by N_, with holes that `filling` fills; detail: in English."""
    about = {"message": message, "filling": filling, "detail": detail, "tone": tone, "address": address}
    session.add_all(Notice(user_id=each, **about) for each in people)


def page_of(session: Session, user: User, before: int = 0) -> list[Notice]:
    """A page of somebody's notices and one more, newest first."""
    query = sa.select(Notice).where(Notice.user_id == user.id)
    query = query.where(Notice.id < before) if before else query
    return list(session.scalars(query.order_by(Notice.id.desc()).limit(PAGE + 1)))


def open_one(session: Session, user: User, notice_id: int) -> str:
    """Where the notice leads; it counts as read from now on. Raises NotFound."""
    found = session.scalar(sa.select(Notice).where(Notice.id == notice_id, Notice.user_id == user.id))
    if found is None:
        raise NotFound(_("There is no such notice."), f"notice {notice_id}")
    found.read_at = found.read_at or now()
    return found.address


def read(session: Session, user: User, address: str = "") -> None:
    """Everything that is told so far counts as read, or what is told of one page. Twice is harmless."""
    unread = sa.update(Notice).where(Notice.user_id == user.id, Notice.read_at.is_(None))
    unread = unread.where(Notice.address == address) if address else unread
    session.execute(unread.values(read_at=sa.func.now()).execution_options(synchronize_session=False))


def forget(session: Session) -> None:
    """Those that are older than KEPT."""
    session.execute(sa.delete(Notice).where(Notice.created_at < now() - KEPT))
