"""Passwords: kept as argon2id, changed by their owner, chosen anew through a link that works once."""

from __future__ import annotations

import datetime as dt
from functools import cache

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from app.accounts import queries
from app.accounts.log import audit
from app.accounts.tables import PasswordLink, SignIn, User
from app.core.db import Session, now
from app.core.errors import Conflict, Forbidden, Invalid
from app.core.language import N_
from app.core.language import gettext as _
from app.core.sealing import fingerprint, new_secret

SHORTEST = 10
LONGEST = 1000
LASTS = {"invitation": dt.timedelta(days=7), "reset": dt.timedelta(hours=24)}


class WeakPassword(Invalid):
    """A password that keeps nobody out."""


class WrongPassword(Forbidden):
    """The present password, asked for before a change, is another."""


class LinkSpent(Conflict):
    """A link that was used, replaced, or is too old."""

    advice = N_("Ask for a new link; the newest one is the one that works.")


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()  # argon2id, the library's current recommendation


@cache
def hash_of_nobody() -> str:
    """Compared with when no user has the address, so that a stranger cannot tell by the time it takes."""
    return _hasher().hash(new_secret())


def hashed(password: str, email: str) -> str:
    """The password as argon2id. Raises WeakPassword."""
    if len(password) < SHORTEST:
        raise WeakPassword(_("A password needs at least %(shortest)s characters.", shortest=SHORTEST), "password")
    if len(password) > LONGEST:
        raise WeakPassword(_("A password has at most %(longest)s characters.", longest=LONGEST), "password")
    if password.lower() in (email.lower(), email.lower().split("@")[0]) or len(set(password)) < 4:
        raise WeakPassword(_("This password is the first that anybody would guess."), "password")
    return _hasher().hash(password)


def matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher().verify(password_hash, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def prove(user: User, password: str) -> None:
    """Raises WrongPassword: asked before what a borrowed session must not do."""
    if not matches(user.password_hash, password):
        raise WrongPassword(_("This is not your present password."), "password")


def change(session: Session, user: User, present: str, new: str, kept: SignIn) -> None:
    """A new password; every other session ends. Raises WrongPassword, WeakPassword."""
    prove(user, present)
    user.password_hash = hashed(new, user.email)
    end_sign_ins(session, user, but=kept)
    audit(session, user, "password.changed", f"user {user.id}")


def end_sign_ins(session: Session, user: User, but: SignIn | None = None) -> int:
    """End the user's open sessions, or all but one. Returns how many ended."""
    ending = sa.update(SignIn).where(
        SignIn.user_id == user.id, SignIn.ended_at.is_(None), SignIn.id != (but.id if but else 0)
    )
    return session.execute(ending.values(ended_at=now())).rowcount  # type: ignore[attr-defined,no-any-return]


def make_link(session: Session, user: User, purpose: str, author: User | None) -> str:
    """The secret of a link through which the user chooses a password once; earlier links stop working."""
    session.execute(
        sa.update(PasswordLink)
        .where(PasswordLink.user_id == user.id, PasswordLink.used_at.is_(None), PasswordLink.expires_at > now())
        .values(expires_at=sa.func.now())
    )
    secret = new_secret()
    session.add(
        PasswordLink(
            user_id=user.id,
            purpose=purpose,
            secret_sha256=fingerprint(secret),
            made_by=author.id if author else None,
            expires_at=now() + LASTS[purpose],
        )
    )
    audit(session, author, "password.link_made", f"user {user.id}", purpose=purpose)
    return secret


def open_link(session: Session, secret: str) -> PasswordLink:
    """The link of this secret, if it still works. Raises LinkSpent."""
    link = queries.open_link(session, fingerprint(secret))
    if link is None or link.user.deactivated_at:
        raise LinkSpent(_("This link was used already, was replaced by a newer one, or is too old."), "link")
    return link


def use_link(session: Session, secret: str, password: str, name: str = "") -> User:
    """Set the password of the link's user and end their sessions. Raises LinkSpent, WeakPassword."""
    link = open_link(session, secret)
    user = link.user
    user.password_hash = hashed(password, user.email)
    user.name = name.strip()[:200] or user.name
    link.used_at = now()
    end_sign_ins(session, user)
    audit(session, user, f"{link.purpose}.accepted", f"user {user.id}")
    return user
