"""Who wants to hear of every run of a project, not only of their own."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Id, Moment


class Following(Base):
    """Since when somebody follows a project's runs."""

    __tablename__ = "run_followings"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[Moment]
    __table_args__ = (sa.UniqueConstraint("project_id", "user_id", name="uq_run_followings_project_id_user_id"),)
