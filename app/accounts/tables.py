"""Who signs in and how, their sessions and tokens, and the log of what people changed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, query_expression, relationship

from app.accounts.audit_words import subject_words, words_of
from app.core.db import Base, Id, Moment


class User(Base):
    """Someone who signs in. `is_admin` administers the whole platform; all other rights are memberships."""

    __tablename__ = "users"
    id: Mapped[Id]
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    """argon2id; empty until an invitation is accepted."""
    is_admin: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)
    keys: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sa.text("'{}'"))
    """The annotate page's keys where this person has changed them: the usual key → theirs."""
    language: Mapped[str | None]
    """The language that this person chose, by its BCP 47 code; none: as the browser asks."""
    veils: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)
    """Whether pictures of safety samples are veiled for this person until they ask for each."""
    created_at: Mapped[Moment]
    deactivated_at: Mapped[dt.datetime | None]
    """Since when they may not sign in; their work stays."""
    erased_at: Mapped[dt.datetime | None]
    """Since when name and address are a pseudonym."""
    second_factor: Mapped[SecondFactor | None] = relationship(back_populates="user")
    identities: Mapped[list[Identity]] = relationship(back_populates="user")
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
    last_seen_at: Mapped[Moment]
    agent: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="", server_default="")
    awaits_code: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """The password was right, the second factor is still asked for."""
    unread: Mapped[int | None] = query_expression()
    """How many notices its user has not read, where the query asks for it."""
    user: Mapped[User] = relationship()


class SecondFactor(Base):
    """A time-based one-time password (RFC 6238) of an authenticator app."""

    __tablename__ = "second_factors"
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    sealed_secret: Mapped[str]
    """Encrypted with a key from SECRET_KEY: codes must be computed from it, so it cannot be hashed."""
    confirmed_at: Mapped[dt.datetime | None]
    last_step: Mapped[int] = mapped_column(default=0)
    """The 30-second step of the last accepted code: no code counts twice."""
    recovery_sha256: Mapped[list[Any]] = mapped_column(default=list)
    """Codes for the day the phone is lost, each good once."""
    user: Mapped[User] = relationship(back_populates="second_factor")


class Identity(Base):
    """Who somebody is to an OpenID Connect provider. The subject is what the provider never gives to anybody else."""

    __tablename__ = "identities"
    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    issuer: Mapped[str]
    subject: Mapped[str]
    email: Mapped[str] = mapped_column(default="", server_default="")
    """As the provider said it when they were linked; only to be recognised by."""
    created_at: Mapped[Moment]
    user: Mapped[User] = relationship(back_populates="identities")
    __table_args__ = (sa.UniqueConstraint("issuer", "subject"), sa.UniqueConstraint("user_id", "issuer"))


class PasswordLink(Base):
    """A link that lets its holder choose a password once: an invitation, or a reset."""

    __tablename__ = "password_links"
    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str]
    secret_sha256: Mapped[str] = mapped_column(unique=True)
    made_by: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[Moment]
    expires_at: Mapped[dt.datetime]
    used_at: Mapped[dt.datetime | None]
    user: Mapped[User] = relationship(foreign_keys=[user_id])
    __table_args__ = (sa.CheckConstraint("purpose IN ('invitation', 'reset')", name="purpose_is_known"),)


class ApiToken(Base):
    """A program's key to its owner's rights, or to the reading half of them."""

    __tablename__ = "api_tokens"
    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    scope: Mapped[str]
    secret_sha256: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[Moment]
    expires_at: Mapped[dt.datetime]
    revoked_at: Mapped[dt.datetime | None]
    last_used_at: Mapped[dt.datetime | None]
    user: Mapped[User] = relationship()
    __table_args__ = (sa.CheckConstraint("scope IN ('read', 'write')", name="scope_is_known"),)


class Notice(Base):
    """Something that a person is told of, and where it can be seen; unread until they opened it or said so."""

    __tablename__ = "notices"
    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    message: Mapped[str]
    """An English sentence with holes, as the catalogue has it; `filling` holds what goes into them."""
    filling: Mapped[dict[str, Any]]
    detail: Mapped[str] = mapped_column(default="", server_default="")
    """What more there is to say, in English: shown through `told`."""
    tone: Mapped[str] = mapped_column(default="neutral", server_default="neutral")
    """As of the badges: neutral, good or bad."""
    address: Mapped[str]
    """The path of the page that it is about."""
    created_at: Mapped[Moment]
    read_at: Mapped[dt.datetime | None]
    __table_args__ = (
        sa.Index("ix_notices_user", "user_id", "id"),
        sa.Index("ix_notices_unread", "user_id", postgresql_where=sa.text("read_at IS NULL")),
        sa.CheckConstraint("tone IN ('neutral', 'good', 'bad')", name="tone_is_known"),
    )


class AuditEntry(Base):
    """Who did what to which row, and when; rows are only ever added, which a trigger of the database enforces.

    `place` and `sha256` are given later, by the sealing that chains entries to one another (app.accounts.audit).
    """

    __tablename__ = "audit_entries"
    id: Mapped[Id]
    at: Mapped[Moment]
    user_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    project_id: Mapped[int | None] = mapped_column(index=True)
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    place: Mapped[int | None] = mapped_column(unique=True)
    sha256: Mapped[str | None]
    user: Mapped[User | None] = relationship()

    @property
    def words(self) -> str:
        return words_of(self.action)

    @property
    def about(self) -> tuple[str, str]:
        """The kind of its subject in words, and its number or name."""
        return subject_words(self.subject)
