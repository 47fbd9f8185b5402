"""A project: its rubric, guidelines and settings, and the people in it with their roles."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.tables import User
from app.core.db import Base, Id, Moment

ROLES = ("annotator", "reviewer", "researcher", "admin")


class Project(Base):
    __tablename__ = "projects"
    id: Mapped[Id]
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    guidelines: Mapped[str] = mapped_column(default="")
    rubric: Mapped[dict[str, Any]]
    """`app.projects.rubric.Rubric` as JSON: criteria with their five level names."""
    overlap: Mapped[int] = mapped_column(sa.Integer, default=1)
    """How many people judge each sample."""
    lease_minutes: Mapped[int] = mapped_column(sa.Integer, default=60)
    review_rules: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    """`app.annotations.sampling.Rules` as JSON; empty: everything goes to the reviewers."""
    queue_rules: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    """`app.tasks.ruling.Rules` as JSON: strata, quotas, gold; empty: everybody may have every task."""
    draw_salt: Mapped[str] = mapped_column(server_default=sa.text("gen_random_uuid()::text"))
    """Mixed into draws, so that they can be repeated here and foreseen by nobody."""
    created_at: Mapped[Moment]
    members: Mapped[list[Membership]] = relationship(back_populates="project")
    __table_args__ = (
        sa.CheckConstraint("overlap BETWEEN 1 AND 20", name="overlap_in_bounds"),
        sa.CheckConstraint("lease_minutes BETWEEN 1 AND 1440", name="lease_in_bounds"),
        sa.CheckConstraint("slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'", name="slug_is_plain"),
    )


class EarlierGuidance(Base):
    """Guidelines and rubric as they were until they were changed; what holds now is the project's, one number on."""

    __tablename__ = "earlier_guidance"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(sa.Integer)
    guidelines: Mapped[str]
    rubric: Mapped[dict[str, Any]]
    replaced_by_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    replaced_at: Mapped[Moment]
    replaced_by: Mapped[User] = relationship()
    __table_args__ = (sa.UniqueConstraint("project_id", "number"),)


class GuidanceReading(Base):
    """The newest version of a project's guidance that somebody has seen."""

    __tablename__ = "guidance_readings"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(sa.Integer)
    read_at: Mapped[Moment]
    __table_args__ = (sa.UniqueConstraint("project_id", "user_id"),)


class Membership(Base):
    """One role of one user in one project; a person may hold several."""

    __tablename__ = "memberships"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(
        sa.Enum(*ROLES, name="role", native_enum=False, create_constraint=True, length=16)
    )
    created_at: Mapped[Moment]
    project: Mapped[Project] = relationship(back_populates="members")
    user: Mapped[User] = relationship()
    __table_args__ = (sa.UniqueConstraint("project_id", "user_id", "role"),)
