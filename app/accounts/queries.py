"""Every select of the accounts room."""

from __future__ import annotations

import datetime as dt
from functools import cache

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager, joinedload, selectinload, with_expression

from app.accounts.tables import ApiToken, AuditEntry, Identity, Notice, PasswordLink, SignIn, User
from app.core.db import Session
from app.core.sealing import fingerprint

KNOWN_FOR = dt.timedelta(days=90)


def user_by_email(session: Session, email: str) -> User | None:
    return session.scalar(sa.select(User).where(User.email == email))


def identity(session: Session, issuer: str, subject: str) -> Identity | None:
    query = sa.select(Identity).options(joinedload(Identity.user)).filter_by(issuer=issuer, subject=subject)
    return session.scalar(query)


def users(session: Session) -> list[User]:
    """Everybody, by name."""
    return list(
        session.scalars(
            sa.select(User)
            .options(joinedload(User.second_factor), selectinload(User.identities))
            .order_by(User.name, User.id)
        )
    )


def open_sign_in(session: Session, secret: str) -> SignIn | None:
    """The session of a cookie's secret, also one that still awaits its code."""
    return session.scalar(_open_sign_in(), {"secret": fingerprint(secret)})


@cache  # asked at each request: building the statement costs more than running it
def _open_sign_in() -> sa.Select[SignIn]:
    unread = sa.select(sa.func.count()).where(Notice.user_id == SignIn.user_id, Notice.read_at.is_(None))
    return (
        sa.select(SignIn)
        .join(SignIn.user)
        .options(contains_eager(SignIn.user), with_expression(SignIn.unread, unread.scalar_subquery()))
        .where(
            SignIn.secret_sha256 == sa.bindparam("secret"),
            SignIn.ended_at.is_(None),
            SignIn.expires_at > sa.func.now(),
            User.deactivated_at.is_(None),
        )
    )


def sign_ins_of(session: Session, user: User) -> list[SignIn]:
    """The user's open sessions, the latest first."""
    query = sa.select(SignIn).where(
        SignIn.user_id == user.id,
        SignIn.ended_at.is_(None),
        SignIn.expires_at > sa.func.now(),
        ~SignIn.awaits_code,
    )
    return list(session.scalars(query.order_by(SignIn.last_seen_at.desc())))


def came_from(session: Session, user: User, address: str) -> bool:
    """Whether the user has signed in from this address lately."""
    query = sa.select(SignIn.id).where(
        SignIn.user_id == user.id,
        SignIn.address == address,
        ~SignIn.awaits_code,
        SignIn.created_at > sa.func.now() - KNOWN_FOR,
    )
    return session.scalar(query.limit(1)) is not None


def open_link(session: Session, sha256: str) -> PasswordLink | None:
    return session.scalar(
        sa.select(PasswordLink)
        .options(joinedload(PasswordLink.user))
        .where(
            PasswordLink.secret_sha256 == sha256,
            PasswordLink.used_at.is_(None),
            PasswordLink.expires_at > sa.func.now(),
        )
        .with_for_update(of=PasswordLink)
    )


def was_invited_by(session: Session, user: User, author: User) -> bool:
    """Whether the author has made an invitation for this account: it did not exist without them."""
    query = sa.select(PasswordLink.id).filter_by(user_id=user.id, made_by=author.id, purpose="invitation")
    return session.scalar(query.limit(1)) is not None


def tokens_of(session: Session, user: User) -> list[ApiToken]:
    """The user's tokens that were not revoked, the newest first."""
    query = sa.select(ApiToken).where(ApiToken.user_id == user.id, ApiToken.revoked_at.is_(None))
    return list(session.scalars(query.order_by(ApiToken.id.desc())))


def token_of(session: Session, user: User, token_id: int) -> ApiToken | None:
    return session.scalar(sa.select(ApiToken).filter_by(user_id=user.id, id=token_id))


def open_token(session: Session, sha256: str) -> ApiToken | None:
    return session.scalar(
        sa.select(ApiToken)
        .options(joinedload(ApiToken.user))
        .join(User)
        .where(
            ApiToken.secret_sha256 == sha256,
            ApiToken.revoked_at.is_(None),
            ApiToken.expires_at > sa.func.now(),
            User.deactivated_at.is_(None),
        )
    )


def count_admins(session: Session) -> int:
    """Admins of the platform who can sign in."""
    return session.scalar(sa.select(sa.func.count()).where(User.is_admin, User.deactivated_at.is_(None))) or 0


def recent_changes(session: Session, project_id: int, limit: int = 20) -> list[AuditEntry]:
    """The project's latest audit entries, newest first, with who made them."""
    return changes(session, project_id=project_id, limit=limit)


def changes(
    session: Session,
    *,
    project_id: int | None = None,
    person: int | None = None,
    action: str = "",
    before: int | None = None,
    limit: int = 50,
) -> list[AuditEntry]:
    """Audit entries, newest first. action: how it begins, such as "role"; before: entries with a lower id only."""
    query = sa.select(AuditEntry).options(joinedload(AuditEntry.user)).order_by(AuditEntry.id.desc()).limit(limit)
    if project_id is not None:
        query = query.where(AuditEntry.project_id == project_id)
    if person is not None:
        query = query.where(AuditEntry.user_id == person)
    if action:
        query = query.where(AuditEntry.action.startswith(action, autoescape=True))
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return list(session.scalars(query))


def actions_known(session: Session, project_id: int | None = None) -> list[str]:
    """The kinds of entries that there are: the words before the dot."""
    kind = sa.func.split_part(AuditEntry.action, ".", 1)
    query = sa.select(kind).distinct().order_by(kind)
    return list(session.scalars(query if project_id is None else query.where(AuditEntry.project_id == project_id)))
