"""Who signs in, their sessions, and the log of what people changed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base, Id, Moment


class User(Base):
    """Someone who signs in. `is_admin` administers the whole platform; all other rights are memberships."""

    __tablename__ = "users"
    id: Mapped[Id]
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    is_admin: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)
    keys: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sa.text("'{}'"))
    """The annotate page's keys where this person has changed them: the usual key → theirs."""
    created_at: Mapped[Moment]
    __table_args__ = (sa.CheckConstraint("email = lower(email)", name="email_is_lower_case"),)


class SignIn(Base):
    """One browser's session; the cookie holds the secret, the row only its SHA-256."""

    __tablename__ = "sign_ins"
    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    secret_sha256: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[Moment]
    expires_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime | None]
    agent: Mapped[str] = mapped_column(default="")
    user: Mapped[User] = relationship()


class AuditEntry(Base):
    """Who did what to which row, and when; rows are only ever added."""

    __tablename__ = "audit_entries"
    id: Mapped[Id]
    at: Mapped[Moment]
    user_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    project_id: Mapped[int | None] = mapped_column(index=True)
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    user: Mapped[User | None] = relationship()
