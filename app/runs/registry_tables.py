"""What happened to a checkpoint after its run: who promoted it and why, where it was pushed, who deleted it; and the
project's rules of what is kept."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.tables import User
from app.core.db import Base, Id, Moment
from app.core.language import N_

if TYPE_CHECKING:
    from app.runs.tables import Checkpoint

CANDIDATE, CURRENT = N_("candidate"), N_("current")


class Promotion(Base):
    """A checkpoint's standing from one moment to another. The open ones say what holds: at most one a checkpoint, and
    one *current* a kind and project."""

    __tablename__ = "promotions"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    checkpoint_id: Mapped[int] = mapped_column(sa.ForeignKey("checkpoints.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    """The checkpoint's, so that an index can hold one current a kind."""
    standing: Mapped[str] = mapped_column(
        sa.Enum(CANDIDATE, CURRENT, name="standing", native_enum=False, create_constraint=True, length=16)
    )
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    reason: Mapped[str]
    created_at: Mapped[Moment]
    ended_at: Mapped[dt.datetime | None]
    ended_by: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    ended_reason: Mapped[str] = mapped_column(default="")
    checkpoint: Mapped[Checkpoint] = relationship(back_populates="promotions")
    user: Mapped[User] = relationship(foreign_keys=[user_id])
    ender: Mapped[User | None] = relationship(foreign_keys=[ended_by])
    __table_args__ = (
        sa.Index("uq_promotions_open", "checkpoint_id", unique=True, postgresql_where=sa.text("ended_at IS NULL")),
        sa.Index(
            "uq_promotions_current",
            "project_id",
            "kind",
            unique=True,
            postgresql_where=sa.text("ended_at IS NULL AND standing = 'current'"),
        ),
    )


class CheckpointDeletion(Base):
    """A checkpoint's weights were given up; its row and its history stay."""

    __tablename__ = "checkpoint_deletions"
    id: Mapped[Id]
    checkpoint_id: Mapped[int] = mapped_column(sa.ForeignKey("checkpoints.id", ondelete="CASCADE"), unique=True)
    user_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    """Nobody, where the project's rule did it."""
    reason: Mapped[str]
    bytes: Mapped[int]
    created_at: Mapped[Moment]
    cleared_at: Mapped[dt.datetime | None]
    """When the files were gone; until then they are tried again."""
    checkpoint: Mapped[Checkpoint] = relationship(back_populates="deletion")
    user: Mapped[User | None] = relationship()


class Push(Base):
    """A copy of a checkpoint to another place, made by the desk's worker."""

    __tablename__ = "pushes"
    id: Mapped[Id]
    checkpoint_id: Mapped[int] = mapped_column(sa.ForeignKey("checkpoints.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    target: Mapped[str]
    """The folder or URL that becomes the checkpoint's."""
    created_at: Mapped[Moment]
    ended_at: Mapped[dt.datetime | None]
    failure: Mapped[str | None]
    checkpoint: Mapped[Checkpoint] = relationship(back_populates="pushes")
    user: Mapped[User] = relationship()
    __table_args__ = (sa.Index("ix_pushes_open", "id", postgresql_where=sa.text("ended_at IS NULL")),)


class RetentionRule(Base):
    """What a project keeps of its checkpoints, as somebody decided at a moment; the newest row holds."""

    __tablename__ = "retention_rules"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    applies: Mapped[bool]
    """Whether anything goes at all; false keeps everything."""
    keep_last: Mapped[int] = mapped_column(sa.Integer)
    keep_best: Mapped[int] = mapped_column(sa.Integer)
    min_days: Mapped[int] = mapped_column(sa.Integer)
    created_at: Mapped[Moment]
    user: Mapped[User] = relationship()
