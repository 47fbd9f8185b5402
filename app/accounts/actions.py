"""Accounts' verbs: add a user, sign in and out, write the audit log."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from pydantic import TypeAdapter, ValidationError
from pydantic.networks import validate_email

from app.accounts import queries
from app.accounts.tables import AuditEntry, SignIn, User
from app.core.db import Session, now
from app.core.errors import Conflict, Invalid, NotSignedIn

SIGNED_IN_FOR = dt.timedelta(days=14)
SHORTEST_PASSWORD = 10


class WrongCredentials(NotSignedIn):
    """The address and the password do not belong together; which of them is wrong is not said."""


class EmailTaken(Conflict):
    """Someone with this address exists already."""


class WeakPassword(Invalid):
    """A password that is too short to keep anyone out."""


class BadEmail(Invalid):
    """Text that is no e-mail address."""


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()  # argon2id, the library's current recommendation


@cache
def _hash_of_nobody() -> str:
    return _hasher().hash(secrets.token_urlsafe())


def add_user(session: Session, email: str, name: str, password: str, is_admin: bool = False) -> User:
    """A new user. Raises BadEmail, WeakPassword, EmailTaken."""
    email = _checked_email(email)
    if len(password) < SHORTEST_PASSWORD:
        raise WeakPassword(f"A password needs at least {SHORTEST_PASSWORD} characters.", "password")
    if queries.user_by_email(session, email):
        raise EmailTaken(f"{email} has an account already.", "email")
    user = User(email=email, name=name.strip() or email, password_hash=_hasher().hash(password), is_admin=is_admin)
    session.add(user)
    session.flush()
    audit(session, user, "user.added", f"user {user.id}")
    return user


def _checked_email(email: str) -> str:
    try:
        return validate_email(TypeAdapter(str).validate_python(email))[1].lower()
    except (ValueError, ValidationError):
        raise BadEmail(f"“{email[:80]}” is not an e-mail address.", "email") from None


def sign_in(session: Session, email: str, password: str, agent: str = "") -> str:
    """Open a session and return its secret for the cookie. Raises WrongCredentials."""
    user = queries.user_by_email(session, email.strip().lower())
    if not _matches(user.password_hash if user else _hash_of_nobody(), password) or user is None:
        raise WrongCredentials("This address and password do not belong together.", "password")
    secret = secrets.token_urlsafe(32)
    session.add(
        SignIn(user_id=user.id, secret_sha256=fingerprint(secret), expires_at=now() + SIGNED_IN_FOR, agent=agent[:200])
    )
    audit(session, user, "user.signed_in", f"user {user.id}")
    return secret


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher().verify(password_hash, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def sign_out(session: Session, secret: str) -> None:
    if entry := queries.open_sign_in(session, secret):
        entry.ended_at = now()
        audit(session, entry.user, "user.signed_out", f"user {entry.user_id}")


def fingerprint(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def audit(
    session: Session, user: User | None, action: str, subject: str, project_id: int | None = None, **detail: Any
) -> None:
    """Add one line to the audit log, in the transaction of the change that it tells of."""
    session.add(
        AuditEntry(
            user_id=user.id if user else None, project_id=project_id, action=action, subject=subject, detail=detail
        )
    )
