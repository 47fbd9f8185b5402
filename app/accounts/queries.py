"""Every select of the accounts room."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.accounts.tables import AuditEntry, SignIn, User
from app.core.db import Session


def user_by_email(session: Session, email: str) -> User | None:
    return session.scalar(sa.select(User).where(User.email == email))


def open_sign_in(session: Session, secret: str) -> SignIn | None:
    fingerprint = hashlib.sha256(secret.encode()).hexdigest()
    return session.scalar(
        sa.select(SignIn)
        .options(joinedload(SignIn.user))
        .where(SignIn.secret_sha256 == fingerprint, SignIn.ended_at.is_(None), SignIn.expires_at > sa.func.now())
    )


def recent_changes(session: Session, project_id: int, limit: int = 20) -> list[AuditEntry]:
    """The project's latest audit entries, newest first, with who made them."""
    return list(
        session.scalars(
            sa.select(AuditEntry)
            .options(joinedload(AuditEntry.user))
            .where(AuditEntry.project_id == project_id)
            .order_by(AuditEntry.id.desc())
            .limit(limit)
        )
    )
