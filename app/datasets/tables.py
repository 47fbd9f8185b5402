"""Datasets: frozen, content-hashed exports of pairs and samples."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.tables import User
from app.core.db import Base, Id, Moment


class Dataset(Base):
    """Its files lie in `storage.dataset_folder(id)`; the row never changes after it is written."""

    __tablename__ = "datasets"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"), index=True)
    name: Mapped[str]
    version: Mapped[int] = mapped_column(sa.Integer)
    settings: Mapped[dict[str, Any]]
    """Held-out share, seed, what was left out and why."""
    counts: Mapped[dict[str, Any]]
    sha256: Mapped[str]
    created_by: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[Moment]
    author: Mapped[User] = relationship()
    __table_args__ = (sa.UniqueConstraint("project_id", "name", "version"),)
