"""Annotations: drafts, what was submitted, its revisions, and reviewers' verdicts on them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.tables import User
from app.core.db import Base, Id, Moment
from app.samples.tables import Sample
from app.tasks.tables import Task

VERDICTS = ("accept", "correct", "return", "reject")


class Draft(Base):
    """What someone has filled in so far; incomplete content is welcome here."""

    __tablename__ = "drafts"
    id: Mapped[Id]
    task_id: Mapped[int] = mapped_column(sa.ForeignKey("tasks.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), index=True)
    content: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(sa.Integer, default=1)
    active_seconds: Mapped[float] = mapped_column(sa.Float, default=0.0)
    updated_at: Mapped[dt.datetime] = mapped_column(server_default=sa.func.now(), onupdate=sa.func.now())
    __table_args__ = (sa.UniqueConstraint("task_id", "user_id"),)


class Annotation(Base):
    """One user's nine categories for one task. Its content is that of its latest revision."""

    __tablename__ = "annotations"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"), index=True)
    # The overlap is kept by the database: a task has one annotation, a person judges a sample once.
    task_id: Mapped[int] = mapped_column(sa.ForeignKey("tasks.id"), unique=True)
    sample_id: Mapped[int] = mapped_column(sa.ForeignKey("samples.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), index=True)
    order: Mapped[list[Any]]
    """Response ids as this person saw them."""
    idempotency_key: Mapped[str]
    active_seconds: Mapped[float] = mapped_column(sa.Float)
    submitted_at: Mapped[Moment]
    sample: Mapped[Sample] = relationship()
    task: Mapped[Task] = relationship()
    user: Mapped[User] = relationship()
    revisions: Mapped[list[Revision]] = relationship(order_by="Revision.number", back_populates="annotation")
    __table_args__ = (
        sa.UniqueConstraint("sample_id", "user_id"),
        sa.UniqueConstraint("user_id", "idempotency_key"),
    )

    @property
    def latest(self) -> Revision:
        return self.revisions[-1]

    @property
    def state(self) -> str:
        """submitted, or what the review of the latest revision made of it: accepted, corrected, returned, rejected."""
        review = self.latest.review
        return "submitted" if review is None else STATES[review.verdict]


STATES = {"accept": "accepted", "correct": "corrected", "return": "returned", "reject": "rejected"}


class Revision(Base):
    """One version of an annotation's content, by the annotator or by the reviewer who corrected it."""

    __tablename__ = "revisions"
    id: Mapped[Id]
    annotation_id: Mapped[int] = mapped_column(sa.ForeignKey("annotations.id"))
    number: Mapped[int] = mapped_column(sa.Integer)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    content: Mapped[dict[str, Any]]
    """`app.annotations.schemas.Content` as JSON: complete and checked."""
    created_at: Mapped[Moment]
    annotation: Mapped[Annotation] = relationship(back_populates="revisions")
    author: Mapped[User] = relationship()
    review: Mapped[Review | None] = relationship(back_populates="revision", foreign_keys="Review.revision_id")
    __table_args__ = (sa.UniqueConstraint("annotation_id", "number"),)


class Review(Base):
    """A reviewer's verdict on one revision; for a correction, the revision that the reviewer wrote."""

    __tablename__ = "reviews"
    id: Mapped[Id]
    revision_id: Mapped[int] = mapped_column(sa.ForeignKey("revisions.id"), unique=True)
    reviewed_revision_id: Mapped[int] = mapped_column(sa.ForeignKey("revisions.id"))
    """What the reviewer looked at: the same revision, or for a correction the one before it."""
    reviewer_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    verdict: Mapped[str] = mapped_column(
        sa.Enum(*VERDICTS, name="verdict", native_enum=False, create_constraint=True, length=16)
    )
    comment: Mapped[str] = mapped_column(default="")
    verified: Mapped[list[Any]] = mapped_column(default=list)
    """Keys "<response id>.<criterion>" of the scores that the reviewer checked."""
    created_at: Mapped[Moment]
    reviewer: Mapped[User] = relationship()
    revision: Mapped[Revision] = relationship(back_populates="review", foreign_keys=[revision_id])
