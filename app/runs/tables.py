"""Runs: one execution of a recipe in a folder, what it reports and what it leaves."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.tables import User
from app.core.db import Base, Id, Moment
from app.datasets.tables import Dataset
from app.runs.following_tables import Following as Following  # its table belongs to this room
from app.runs.generating_tables import Generation as Generation  # these belong to this room
from app.runs.generating_tables import Generator as Generator
from app.runs.group_tables import RunGroup
from app.runs.playground_tables import Turn as Turn  # so do these
from app.runs.registry_tables import CheckpointDeletion, Promotion, Push
from app.runs.webhook_tables import Webhook as Webhook  # so do these
from app.runs.worker_tables import Worker as Worker  # its table belongs to this room


class Run(Base):
    """Its files lie in `storage.run_folder(id)`. What happened to it is told by its moments and its Cancellation."""

    __tablename__ = "runs"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"), index=True)
    recipe: Mapped[str]
    name: Mapped[str]
    config: Mapped[dict[str, Any]]
    created_by: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[Moment]
    # Claiming: the fence rises with each claim; a trainer that lost its claim can write nothing more.
    fence: Mapped[int] = mapped_column(sa.Integer, default=0)
    priority: Mapped[int] = mapped_column(sa.Integer, default=0, server_default="0")
    """Above 0 before, below 0 behind the others that wait."""
    processes: Mapped[int | None] = mapped_column(sa.Integer)
    """How many it began with, and goes on with; none before it begins."""
    max_hours: Mapped[float | None]
    """Hours of execution after which it is ended, where its author set any."""
    seconds_used: Mapped[float] = mapped_column(default=0.0, server_default="0")
    cpu_seconds_used: Mapped[float] = mapped_column(default=0.0, server_default="0")
    claimed_by: Mapped[str | None]
    claimed_at: Mapped[dt.datetime | None]
    heartbeat_at: Mapped[dt.datetime | None]
    started_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]
    exit_code: Mapped[int | None] = mapped_column(sa.Integer)
    failure: Mapped[str | None]
    """The named error that ended it, in one sentence."""
    result: Mapped[dict[str, Any] | None]
    log_tail: Mapped[str] = mapped_column(default="")
    group_id: Mapped[int | None] = mapped_column(sa.ForeignKey("run_groups.id"), index=True)
    group: Mapped[RunGroup | None] = relationship()
    author: Mapped[User] = relationship()
    inputs: Mapped[list[RunInput]] = relationship(
        foreign_keys="RunInput.run_id", back_populates="run", order_by="RunInput.id"
    )
    cancellation: Mapped[Cancellation | None] = relationship(back_populates="run")
    checkpoints: Mapped[list[Checkpoint]] = relationship(order_by="Checkpoint.id", back_populates="run")
    __table_args__ = (sa.Index("ix_runs_open", "id", postgresql_where=sa.text("ended_at IS NULL")),)


class RunInput(Base):
    """What a run reads: a dataset or another run's output, by its role (dataset, critiques, reward, scores, policy)."""

    __tablename__ = "run_inputs"
    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    role: Mapped[str]
    dataset_id: Mapped[int | None] = mapped_column(sa.ForeignKey("datasets.id"))
    from_run_id: Mapped[int | None] = mapped_column(sa.ForeignKey("runs.id"), index=True)
    run: Mapped[Run] = relationship(foreign_keys=[run_id], back_populates="inputs")
    dataset: Mapped[Dataset | None] = relationship()
    from_run: Mapped[Run | None] = relationship(foreign_keys=[from_run_id])
    __table_args__ = (
        sa.UniqueConstraint("run_id", "role"),
        sa.CheckConstraint("(dataset_id IS NULL) <> (from_run_id IS NULL)", name="one_source"),
    )


class Cancellation(Base):
    """Who asked for the end of a run, when and why."""

    __tablename__ = "cancellations"
    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("runs.id", ondelete="CASCADE"), unique=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(default="")
    created_at: Mapped[Moment]
    run: Mapped[Run] = relationship(back_populates="cancellation")
    user: Mapped[User] = relationship()


class Metric(Base):
    """One line of a run's metrics.jsonl; the rising id is what the live stream resumes from."""

    __tablename__ = "metrics"
    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("runs.id", ondelete="CASCADE"))
    line: Mapped[int] = mapped_column(sa.BigInteger)
    """Byte offset of the line in the file: reading it twice adds nothing."""
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]]
    at: Mapped[Moment]
    __table_args__ = (sa.UniqueConstraint("run_id", "line"), sa.Index("ix_metrics_run", "run_id", "id"))


class Checkpoint(Base):
    """What a finished run leaves for others: a policy or a reward model, in `path` below the run's folder."""

    __tablename__ = "checkpoints"
    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(
        sa.Enum("policy", "reward", name="checkpoint_kind", native_enum=False, create_constraint=True, length=16)
    )
    path: Mapped[str]
    sha256: Mapped[str]
    created_at: Mapped[Moment]
    run: Mapped[Run] = relationship(back_populates="checkpoints")
    promotions: Mapped[list[Promotion]] = relationship(order_by="Promotion.id", back_populates="checkpoint")
    pushes: Mapped[list[Push]] = relationship(order_by="Push.id", back_populates="checkpoint")
    deletion: Mapped[CheckpointDeletion | None] = relationship(back_populates="checkpoint")
    __table_args__ = (sa.UniqueConstraint("run_id", "path"),)


class Critique(Base):
    """An expanded critique beside the human reason it was made from. (The human one stays in its annotation.)"""

    __tablename__ = "critiques"
    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    dataset_id: Mapped[int] = mapped_column(sa.ForeignKey("datasets.id"), index=True)
    sample_key: Mapped[str]
    response_key: Mapped[str]
    """Ids as the dataset's files say them: s12, r31."""
    human: Mapped[str]
    text: Mapped[str]
    prompt: Mapped[str]
    parameters: Mapped[dict[str, Any]]
    approval: Mapped[Approval | None] = relationship(back_populates="critique")
    __table_args__ = (sa.UniqueConstraint("run_id", "sample_key", "response_key"),)


class Approval(Base):
    """Someone's yes or no to an expanded critique."""

    __tablename__ = "approvals"
    id: Mapped[Id]
    critique_id: Mapped[int] = mapped_column(sa.ForeignKey("critiques.id", ondelete="CASCADE"), unique=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    approved: Mapped[bool]
    created_at: Mapped[Moment]
    critique: Mapped[Critique] = relationship(back_populates="approval")
    user: Mapped[User] = relationship()
