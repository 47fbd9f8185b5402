"""Erasing a person: what tells who they are goes, what they did stays under a pseudonym.

Audit entries name people by their number and nothing else, so that the chain verifies as before.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.accounts import actions, queries
from app.accounts.log import audit
from app.accounts.tables import ApiToken, Identity, Notice, PasswordLink, SecondFactor, SignIn, User
from app.core.db import Session, now
from app.core.errors import Conflict, Invalid
from app.core.language import gettext as _
from app.core.settings import settings

OWNED = (SignIn, SecondFactor, PasswordLink, ApiToken, Identity, Notice)
"""Rows that belong to a person alone."""


class NotConfirmed(Invalid):
    """The address that was typed is not the address of the person to be erased."""


class ErasedAlready(Conflict):
    """There is nothing left of this person to erase."""


def erase(session: Session, author: User | None, user: User, confirmed: str) -> None:
    """Turn the account into a pseudonym for good; author: none for the operator's own command.

    confirmed: the person's address, typed again. Raises NotConfirmed, ErasedAlready, actions.LastPlatformAdmin.
    """
    if user.erased_at:
        raise ErasedAlready(_("This person is erased already."), "user")
    if confirmed.strip().lower() != user.email:
        raise NotConfirmed(_("This is not the address of the person to be erased."), "confirmed")
    if user.is_admin and not user.deactivated_at and queries.count_admins(session) == 1:
        raise actions.LastPlatformAdmin(where="user")
    audit(session, author, "user.erased", f"user {user.id}")
    session.flush()
    for table in OWNED:
        session.execute(sa.delete(table).where(table.user_id == user.id))
    session.expire(user, ["second_factor", "identities"])
    user.name, user.email = f"#{user.id}", f"erased-{user.id}@erased.invalid"
    user.password_hash, user.is_admin, user.keys, user.language = "", False, {}, None
    user.erased_at = now()
    user.deactivated_at = user.deactivated_at or user.erased_at
    session.flush()


def forget_old(session: Session) -> int:
    """Delete sessions, links and tokens whose end is longer ago than RETAIN_DAYS. Returns how many."""
    before = now() - dt.timedelta(days=settings().retain_days)
    tables = (SignIn, PasswordLink, ApiToken)
    return sum(
        session.execute(sa.delete(table).where(table.expires_at < before)).rowcount  # type: ignore[attr-defined]
        for table in tables
    )
