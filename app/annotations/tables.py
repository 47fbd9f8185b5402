"""Annotations: drafts, what was submitted, its revisions, verdicts on them, and decisions over several of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.tables import User
from app.core.db import Base, Id, Moment
from app.samples.tables import Sample
from app.tasks.tables import Task

VERDICTS = ("accept", "correct", "return", "reject", "adjudicate", "reannotate")
"""The last two come with a decision over several: an adjudication of the sample, an order to annotate a set again."""

COUNTS_NO_MORE = ("reject", "reannotate")
"""Verdicts after which an annotation is neither compared with others nor made into pairs."""


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
        sa.Index("ix_annotations_person", "project_id", "user_id", "id"),
    )

    @property
    def latest(self) -> Revision:
        return self.revisions[-1]

    def revise(self, author: User, content: dict[str, Any]) -> Revision:
        """A further revision beside those that are there."""
        revision = Revision(author_id=author.id, number=len(self.revisions) + 1, content=content)
        self.revisions.append(revision)
        return revision

    @property
    def state(self) -> str:
        """submitted, or what the review of the latest revision made of it, one of STATES or BY_RULE."""
        review = self.latest.review
        return "submitted" if review is None else BY_RULE if review.by_rule else STATES[review.verdict]


STATES = {
    "accept": "accepted",
    "correct": "corrected",
    "return": "returned",
    "reject": "rejected",
    "adjudicate": "adjudicated",
    "reannotate": "set aside",
}
BY_RULE = "accepted by rule"
"""Accepted because the project's rules did not select it for review, and by nobody."""


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
    """A verdict on one revision; for a correction, on the revision that the reviewer wrote."""

    __tablename__ = "reviews"
    id: Mapped[Id]
    revision_id: Mapped[int] = mapped_column(sa.ForeignKey("revisions.id"), unique=True)
    reviewed_revision_id: Mapped[int] = mapped_column(sa.ForeignKey("revisions.id"))
    """What the reviewer looked at: the same revision, or for a correction the one before it."""
    reviewer_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    """Nobody where the project's rules accepted what they did not select."""
    verdict: Mapped[str] = mapped_column(
        sa.Enum(*VERDICTS, name="verdict", native_enum=False, create_constraint=True, length=16)
    )
    comment: Mapped[str] = mapped_column(default="")
    remarks: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    """Comments at a place of the content: [{"place": "reasons.31", "comment": "…"}]."""
    verified: Mapped[list[Any]] = mapped_column(default=list)
    """Keys "<response id>.<criterion>" of the scores that the reviewer checked."""
    created_at: Mapped[Moment]
    reviewer: Mapped[User | None] = relationship()
    revision: Mapped[Revision] = relationship(back_populates="review", foreign_keys=[revision_id])
    __table_args__ = (
        sa.CheckConstraint("reviewer_id IS NOT NULL OR verdict = 'accept'", name="a_rule_only_accepts"),
        sa.Index("ix_reviews_verdict", "verdict", "revision_id"),
    )

    @property
    def by_rule(self) -> bool:
        return self.reviewer_id is None


class Waiting(Base):
    """An annotation without a verdict: the reviewers' queue. Made by a submission, gone with a verdict."""

    __tablename__ = "waiting"
    annotation_id: Mapped[int] = mapped_column(sa.ForeignKey("annotations.id"), primary_key=True)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"))
    sample_id: Mapped[int] = mapped_column(sa.ForeignKey("samples.id"), index=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    why: Mapped[list[Any]]
    """Names of the rules that select it for review; empty: none does."""
    annotation: Mapped[Annotation] = relationship()
    __table_args__ = (sa.Index("ix_waiting_queue", "project_id", "annotation_id"),)


class Disagreement(Base):
    """How far the people who judged a sample are apart: what the queue is ordered by.

    A figure of `app.annotations.disagreement` kept, since an order over many thousands cannot be computed at each look;
    whoever changes what counts of a sample brings it up to date in the same transaction (`app.annotations.measuring`).
    """

    __tablename__ = "disagreements"
    sample_id: Mapped[int] = mapped_column(sa.ForeignKey("samples.id"), primary_key=True)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"))
    people: Mapped[int] = mapped_column(sa.Integer, default=0)
    value: Mapped[float | None]
    """0 (all agree) to 1; null while fewer than two people judged it."""
    __table_args__ = (sa.Index("ix_disagreements_value", "project_id", sa.text("value DESC"), "sample_id"),)


class Adjudication(Base):
    """One final annotation of a sample, decided by a reviewer over those of several annotators, which remain.

    Of several decisions on one sample the one with the highest `number` holds, unless the sample was ordered to be
    annotated again since.
    """

    __tablename__ = "adjudications"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"), index=True)
    sample_id: Mapped[int] = mapped_column(sa.ForeignKey("samples.id"))
    number: Mapped[int] = mapped_column(sa.Integer)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    content: Mapped[dict[str, Any]]
    """`app.annotations.schemas.Content` as JSON: complete and checked."""
    reason: Mapped[str] = mapped_column(default="")
    revisions: Mapped[list[Any]]
    """Ids of the revisions that lay side by side when it was decided."""
    set_aside_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("reannotations.id"), index=True)
    """The order to annotate again that has overtaken it."""
    created_at: Mapped[Moment]
    author: Mapped[User] = relationship()
    sample: Mapped[Sample] = relationship()
    __table_args__ = (sa.UniqueConstraint("sample_id", "number"),)


class RuleChange(Base):
    """A project's review rules were saved; they are applied to what was judged before, some samples at a time.

    The newest change of a project is the one that is applied; `app.annotations.applying` says how.
    """

    __tablename__ = "rule_changes"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[Moment]
    samples: Mapped[int] = mapped_column(sa.Integer)
    """How many samples had been judged when the rules were saved."""
    applied: Mapped[int] = mapped_column(sa.Integer, default=0)
    """To how many of them the rules are applied."""
    last_sample_id: Mapped[int] = mapped_column(default=0)
    """Samples up to this one are done."""
    ended_at: Mapped[dt.datetime | None]
    """When all were done, or newer rules came."""
    author: Mapped[User] = relationship()
    __table_args__ = (
        sa.Index("uq_rule_changes_open", "project_id", unique=True, postgresql_where=sa.text("ended_at IS NULL")),
    )


class Reannotation(Base):
    """An order to have a set of annotations made again by others, and why."""

    __tablename__ = "reannotations"
    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"), index=True)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    reason: Mapped[str]
    filters: Mapped[dict[str, Any]]
    created_at: Mapped[Moment]
    undone_at: Mapped[dt.datetime | None]
    undone_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    author: Mapped[User] = relationship(foreign_keys=[author_id])
    undone_by: Mapped[User | None] = relationship(foreign_keys=[undone_by_id])


class Reannotated(Base):
    """One annotation of such a set: the revision that carries the order, and whether it was added for it."""

    __tablename__ = "reannotated"
    reannotation_id: Mapped[int] = mapped_column(sa.ForeignKey("reannotations.id"), primary_key=True)
    annotation_id: Mapped[int] = mapped_column(sa.ForeignKey("annotations.id"), primary_key=True)
    added_revision: Mapped[bool]
    """An annotation with a verdict gets a further revision, so that the verdict stays beside what it judged."""
