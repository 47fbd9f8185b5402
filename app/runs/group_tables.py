"""Groups: runs that were started together, as the steps of a chain or the points of a sweep."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.tables import User
from app.core.db import Base, Id, Moment

CHAIN, SWEEP = "chain", "sweep"


class RunGroup(Base):
    """A chain's runs read what earlier ones leave; a sweep's differ in a few fields. How far it is, its runs say."""

    __tablename__ = "run_groups"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"), index=True)
    kind: Mapped[str] = mapped_column(
        sa.Enum(CHAIN, SWEEP, name="run_group_kind", native_enum=False, create_constraint=True, length=16)
    )
    name: Mapped[str]
    settings: Mapped[dict[str, Any]]
    """A chain's `approve`: whether expanded critiques are taken unread. A sweep's `fields`: name → values."""
    created_by: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[Moment]
    author: Mapped[User] = relationship()
