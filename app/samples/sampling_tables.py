"""Samplings: what was picked for judging, by which rule, and when."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.tables import User
from app.core.db import Base, Id, Moment


class Sampling(Base):
    """One pick. The samples may become more later; the pick stays what it was."""

    __tablename__ = "samplings"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"), index=True)
    name: Mapped[str]
    rule: Mapped[dict[str, Any]]
    """As `picking.Rule`, and `fresh`: whether samples that have tasks were left out."""
    raw: Mapped[dict[str, Any]]
    """Group → how many there were to pick from, then."""
    size: Mapped[int] = mapped_column(sa.Integer)
    sha256: Mapped[str]
    """Over the picked samples' content: another installation that picked the same has the same."""
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[Moment]
    user: Mapped[User] = relationship()


class Pick(Base):
    """A sample in a sampling."""

    __tablename__ = "picks"
    sampling_id: Mapped[int] = mapped_column(sa.ForeignKey("samplings.id", ondelete="CASCADE"), primary_key=True)
    sample_id: Mapped[int] = mapped_column(
        sa.ForeignKey("samples.id", ondelete="CASCADE"), primary_key=True, index=True
    )
