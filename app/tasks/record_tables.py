"""What a project knows of a person's work: what they may have, pauses, admissions; gold and how they met it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.tables import User
from app.core.db import Base, Id, Moment
from app.samples.tables import Sample

USES = ("hidden", "qualification", "practice")


class Standing(Base):
    """Which tasks a person may have in a project: their languages and skills, and quotas of their own."""

    __tablename__ = "standings"
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    languages: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    skills: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    daily_quota: Mapped[int | None] = mapped_column(sa.Integer)
    """In place of the project's; null: as the project says."""
    total_quota: Mapped[int | None] = mapped_column(sa.Integer)


class Pause(Base):
    """A person gets no new task until it is ended; by nobody where gold went wrong too often."""

    __tablename__ = "pauses"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    reason: Mapped[str]
    """Shown to the person."""
    created_at: Mapped[Moment]
    ended_at: Mapped[dt.datetime | None]
    ended_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    note: Mapped[str] = mapped_column(default="", server_default="")
    user: Mapped[User] = relationship(foreign_keys=[user_id])
    author: Mapped[User | None] = relationship(foreign_keys=[author_id])
    __table_args__ = (
        sa.Index("uq_pauses_open", "project_id", "user_id", unique=True, postgresql_where=sa.text("ended_at IS NULL")),
    )


class Admission(Base):
    """A person may take from a queue that asks for qualification; given by nobody where they passed the set."""

    __tablename__ = "admissions"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    reason: Mapped[str]
    created_at: Mapped[Moment]
    __table_args__ = (sa.UniqueConstraint("project_id", "user_id"),)


class Gold(Base):
    """A sample whose right answer is known: mixed in unseen, part of the qualification set, or a worked example."""

    __tablename__ = "golds"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    sample_id: Mapped[int] = mapped_column(sa.ForeignKey("samples.id"), unique=True)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    use: Mapped[str] = mapped_column(
        sa.Enum(*USES, name="gold_use", native_enum=False, create_constraint=True, length=16)
    )
    scores: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """{"<response id>": {"<criterion>": 1 … 5}}: those that are expected; others are free."""
    tolerance: Mapped[int] = mapped_column(sa.Integer, default=1)
    """How many points a score may lie beside the expected one."""
    pairs: Mapped[list[Any]] = mapped_column(default=list)
    """[["<better>", "<worse>"], …]: the order that is expected of some pairs of responses."""
    reason: Mapped[str]
    created_at: Mapped[Moment]
    retired_at: Mapped[dt.datetime | None]
    sample: Mapped[Sample] = relationship()
    author: Mapped[User] = relationship()
    __table_args__ = (sa.CheckConstraint("tolerance BETWEEN 0 AND 4", name="tolerance_in_bounds"),)


class GoldCheck(Base):
    """How somebody's annotation of a gold sample compares with what was expected at that time."""

    __tablename__ = "gold_checks"
    task_id: Mapped[int] = mapped_column(sa.ForeignKey("tasks.id"), primary_key=True, autoincrement=False)
    gold_id: Mapped[int] = mapped_column(sa.ForeignKey("golds.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    passed: Mapped[bool]
    hits: Mapped[int] = mapped_column(sa.Integer)
    expected: Mapped[int] = mapped_column(sa.Integer)
    """How many scores and pairs were expected; `hits` of them were met."""
    misses: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    created_at: Mapped[Moment]
    gold: Mapped[Gold] = relationship()
    user: Mapped[User] = relationship()
    __table_args__ = (sa.Index("ix_gold_checks_user", "user_id", "created_at"),)
