"""Tasks: one sample to be annotated once, leased to one person at a time. Who may have which: `record_tables`."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.tables import User
from app.core.db import Base, Id, Moment
from app.samples.tables import Sample
from app.tasks.record_tables import Gold

FLAG_KINDS = ("confusing", "incomplete", "harmful", "fault")
OPEN = "done_at IS NULL AND done_by_id IS NULL AND gold_id IS NULL"
"""What stands in the queue. A gold task is cut for one person when it is their turn to meet it, and never queues."""


class Lane(Base):
    """Tasks that ask for the same language and skill: a person's next task is looked for in the lanes open to them.

    Without lanes, somebody who speaks one language would step over every task in another, each time.
    """

    __tablename__ = "lanes"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"))
    language: Mapped[str]
    """Empty: any."""
    skill: Mapped[str]
    """Empty: none needed."""
    __table_args__ = (sa.UniqueConstraint("project_id", "language", "skill"),)


class Task(Base):
    """`slot` counts 0, 1, … up to the project's overlap; a rejected annotation adds a further slot."""

    __tablename__ = "tasks"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"))
    sample_id: Mapped[int] = mapped_column(sa.ForeignKey("samples.id"))
    slot: Mapped[int] = mapped_column(sa.Integer)
    priority: Mapped[int] = mapped_column(sa.Integer, default=0)
    lane_id: Mapped[int] = mapped_column(sa.ForeignKey("lanes.id"))
    out_of_turn: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)
    """It came, or came back, into the queue behind places that people have passed (`Place`)."""
    gold_id: Mapped[int | None] = mapped_column(sa.ForeignKey("golds.id"))
    """For a task that tests a person: what is expected of them."""
    done_at: Mapped[dt.datetime | None]
    """When its annotation was submitted: what keeps the queue's index small."""
    done_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    """Who did it. A returned annotation clears `done_at` but not this: the task waits for the same person."""
    replaces_id: Mapped[int | None] = mapped_column(sa.ForeignKey("tasks.id"), unique=True)
    """The task whose annotation was rejected, for the one that was cut in its place."""
    created_at: Mapped[Moment]
    sample: Mapped[Sample] = relationship()
    gold: Mapped[Gold | None] = relationship()
    __table_args__ = (
        sa.UniqueConstraint("sample_id", "slot"),
        sa.Index(
            "ix_tasks_queue", "project_id", "lane_id", sa.text("(-priority)"), "id", postgresql_where=sa.text(OPEN)
        ),
        sa.Index(
            "ix_tasks_out_of_turn",
            "project_id",
            "lane_id",
            sa.text("(-priority)"),
            "id",
            postgresql_where=sa.text(f"{OPEN} AND out_of_turn"),
        ),
        # What a person has done today and in all, and what was returned to them.
        sa.Index(
            "ix_tasks_done",
            "project_id",
            "done_by_id",
            "done_at",
            postgresql_where=sa.text("done_by_id IS NOT NULL"),
        ),
        sa.Index("ix_tasks_gold", "gold_id", postgresql_where=sa.text("gold_id IS NOT NULL")),
        # A person judges a sample once; it also finds what is already judged.
        sa.Index("uq_tasks_done_by_sample", "done_by_id", "sample_id", unique=True),
    )


class Place(Base):
    """How far a person has come in the queue: what stands before it was done, held or not for them when they passed.

    Only a hint that keeps the search short: what comes free behind it is marked `Task.out_of_turn`, and where nothing
    is found after it the whole queue is searched.
    """

    __tablename__ = "queue_places"
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    priority: Mapped[int] = mapped_column(sa.Integer)
    task_id: Mapped[int]


class Lease(Base):
    """One person's hold on one task. Open while `ended_at` is null; the database allows one open lease a task."""

    __tablename__ = "leases"
    id: Mapped[Id]
    task_id: Mapped[int] = mapped_column(sa.ForeignKey("tasks.id"), index=True)
    sample_id: Mapped[int] = mapped_column(sa.ForeignKey("samples.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    order: Mapped[list[Any]]
    """Response ids in the order drawn for this person, kept when they come back."""
    taken_at: Mapped[Moment]
    opened_at: Mapped[dt.datetime | None]
    """When the person turned to it; null while it is only kept ready as their next (`app.tasks.ahead`)."""
    expires_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime | None]
    task: Mapped[Task] = relationship()
    user: Mapped[User] = relationship()
    __table_args__ = (
        sa.Index("uq_leases_open_task", "task_id", unique=True, postgresql_where=sa.text("ended_at IS NULL")),
        # Nobody holds two tasks of one sample at once.
        sa.Index(
            "uq_leases_open_sample_user",
            "sample_id",
            "user_id",
            unique=True,
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
        sa.Index("ix_leases_user", "user_id", "id"),
        sa.Index("ix_leases_user_open", "user_id", "id", postgresql_where=sa.text("ended_at IS NULL")),
        sa.Index("ix_leases_sample", "sample_id", "user_id", "id"),
        sa.Index("ix_leases_expiry", "expires_at", postgresql_where=sa.text("ended_at IS NULL")),
    )


class Skip(Base):
    """Someone passed a sample by, and why; they are not offered it again."""

    __tablename__ = "skips"
    id: Mapped[Id]
    task_id: Mapped[int] = mapped_column(sa.ForeignKey("tasks.id"))
    sample_id: Mapped[int] = mapped_column(sa.ForeignKey("samples.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    reason: Mapped[str]
    created_at: Mapped[Moment]
    __table_args__ = (sa.UniqueConstraint("sample_id", "user_id"),)


class Flag(Base):
    """A remark on a sample: confusing, incomplete, harmful, or a technical fault."""

    __tablename__ = "flags"
    id: Mapped[Id]
    task_id: Mapped[int] = mapped_column(sa.ForeignKey("tasks.id"), index=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(
        sa.Enum(*FLAG_KINDS, name="flag_kind", native_enum=False, create_constraint=True, length=16)
    )
    note: Mapped[str] = mapped_column(default="")
    created_at: Mapped[Moment]
    user: Mapped[User] = relationship()
    task: Mapped[Task] = relationship()
    resolution: Mapped[FlagResolution | None] = relationship(back_populates="flag")


class FlagResolution(Base):
    """An admin looked at a flag; `note` says what was done about it."""

    __tablename__ = "flag_resolutions"
    id: Mapped[Id]
    flag_id: Mapped[int] = mapped_column(sa.ForeignKey("flags.id", ondelete="CASCADE"), unique=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    note: Mapped[str] = mapped_column(default="")
    created_at: Mapped[Moment]
    flag: Mapped[Flag] = relationship(back_populates="resolution")
    user: Mapped[User] = relationship()
