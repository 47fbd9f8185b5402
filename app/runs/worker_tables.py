"""Which workers there are, as they say themselves every few seconds."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Id, Moment


class Worker(Base):
    """One worker process. Its name is that of its claims: host and process number."""

    __tablename__ = "workers"
    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    service: Mapped[str]
    """desk or gpu, as its command line calls it."""
    queues: Mapped[str]
    machine: Mapped[dict[str, Any]]
    """Of its host: cores, load, memory and free storage in bytes."""
    devices: Mapped[list[Any]]
    """Of each graphics card that it may use: index, name, memory, use, temperature."""
    started_at: Mapped[Moment]
    heard_at: Mapped[Moment]
    left_at: Mapped[dt.datetime | None]
    """When it ended as it should; who is killed leaves no word, and only goes silent."""
    __table_args__ = (sa.Index("ix_workers_heard", "heard_at"),)
