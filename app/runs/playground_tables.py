"""The playground: questions to two policies, what comes back piece by piece, and what the asker preferred."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.tables import User
from app.core.db import Base, Id, Moment

if TYPE_CHECKING:
    from app.runs.tables import Checkpoint


class Turn(Base):
    """One question to two policies. What happened to it is told by its moments; its answers are its pieces."""

    __tablename__ = "playground_turns"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"), index=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    question: Mapped[str]
    medium_id: Mapped[int | None] = mapped_column(sa.ForeignKey("media.id", ondelete="SET NULL"), index=True)
    """The project's picture that was chosen; none where one was uploaded, or none is shown."""
    blob_sha256: Mapped[str | None]
    media_type: Mapped[str | None]
    left_id: Mapped[int | None] = mapped_column(sa.ForeignKey("checkpoints.id", ondelete="CASCADE"))
    """The policy that answers on the left; none: the base model of the one on the other side."""
    right_id: Mapped[int | None] = mapped_column(sa.ForeignKey("checkpoints.id", ondelete="CASCADE"))
    reward_id: Mapped[int | None] = mapped_column(sa.ForeignKey("checkpoints.id", ondelete="CASCADE"))
    blind: Mapped[bool]
    """Sides were drawn, and names are hidden until the vote."""
    longest: Mapped[int] = mapped_column(sa.Integer)
    """Tokens of an answer."""
    created_at: Mapped[Moment]
    # Claiming, as runs are: the fence rises with each claim; a worker that lost its claim can write nothing more.
    fence: Mapped[int] = mapped_column(sa.Integer, default=0)
    claimed_by: Mapped[str | None]
    heard_at: Mapped[dt.datetime | None]
    stopped_at: Mapped[dt.datetime | None]
    """When its author asked for its end."""
    ended_at: Mapped[dt.datetime | None]
    failure: Mapped[str | None]
    """The named error that ended it, in one line."""
    user: Mapped[User] = relationship()
    left: Mapped[Checkpoint | None] = relationship(foreign_keys=[left_id])
    right: Mapped[Checkpoint | None] = relationship(foreign_keys=[right_id])
    reward: Mapped[Checkpoint | None] = relationship(foreign_keys=[reward_id])
    vote: Mapped[Vote | None] = relationship(back_populates="turn")
    __table_args__ = (
        sa.CheckConstraint("left_id IS NOT NULL OR right_id IS NOT NULL", name="a_policy_answers"),
        # One turn at a time a user, whatever the code thinks.
        sa.Index("uq_playground_turns_open", "user_id", unique=True, postgresql_where=sa.text("ended_at IS NULL")),
        sa.Index("ix_playground_turns_waiting", "id", postgresql_where=sa.text("ended_at IS NULL")),
        sa.Index("ix_playground_turns_user", "user_id", "id"),
    )


class Piece(Base):
    """What the worker wrote of a turn: some words of an answer or a critique, a score. The rising id is the stream."""

    __tablename__ = "playground_pieces"
    id: Mapped[Id]
    turn_id: Mapped[int] = mapped_column(sa.ForeignKey("playground_turns.id", ondelete="CASCADE"))
    kind: Mapped[str]
    """again, loading, answer, answered, critique or judged."""
    payload: Mapped[dict[str, Any]]
    __table_args__ = (sa.Index("ix_playground_pieces_turn", "turn_id", "id"),)


class Vote(Base):
    """What the asker preferred, and why: a preference between two responses, as an annotation is one of several."""

    __tablename__ = "playground_votes"
    id: Mapped[Id]
    turn_id: Mapped[int] = mapped_column(sa.ForeignKey("playground_turns.id", ondelete="CASCADE"), unique=True)
    choice: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[Moment]
    turn: Mapped[Turn] = relationship(back_populates="vote")
    __table_args__ = (sa.CheckConstraint("choice IN ('left', 'right', 'tie')", name="choice_is_known"),)
