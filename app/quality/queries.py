"""Every select of the quality room; reads start from the seat."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from app.accounts.tables import User
from app.annotations.schemas import DraftContent
from app.annotations.tables import COUNTS_NO_MORE, STATES, Annotation, Review, Revision
from app.core.db import Session
from app.projects.guard import Seat
from app.quality.agreement import Judgement
from app.samples.tables import Sample
from app.tasks.tables import Task


class Part(NamedTuple):
    """Tasks of one question type or domain."""

    name: str
    done: int
    total: int


class Work(NamedTuple):
    """One annotation in figures. returned: whether a reviewer ever sent it back."""

    annotation: int
    user: int
    seconds: float
    state: str
    returned: bool


def judgements(session: Session, seat: Seat) -> list[Judgement]:
    """What each person made of each sample, in their own words: a reviewer's corrections would feign agreement.

    Annotations that count no more (rejected, set aside) and those that could not judge are left out.
    """
    own = aliased(Revision)
    newest_own = (
        sa.select(sa.func.max(own.id))
        .where(own.annotation_id == Annotation.id, own.author_id == Annotation.user_id)
        .correlate(Annotation)
        .scalar_subquery()
    )
    gone = sa.exists().where(Review.revision_id == _newest(), Review.verdict.in_(COUNTS_NO_MORE)).correlate(Annotation)
    rows = session.execute(
        sa.select(Annotation.id, Annotation.user_id, Annotation.sample_id, Revision.content)
        .join(Revision, Revision.id == newest_own)
        .where(Annotation.project_id == seat.project.id, ~gone)
        .order_by(Annotation.id)
    )
    contents = [(row, DraftContent.model_construct(**row.content)) for row in rows]
    return [
        Judgement(row.id, row.user_id, row.sample_id, content.scores, content.ranks)
        for row, content in contents
        if content.cannot_judge is None
    ]


def _newest() -> sa.ScalarSelect[int]:
    newer = aliased(Revision)
    query = sa.select(sa.func.max(newer.id)).where(newer.annotation_id == Annotation.id)
    return query.correlate(Annotation).scalar_subquery()


def works(session: Session, seat: Seat) -> list[Work]:
    """Every annotation of the project with its time and what reviewers made of it."""
    any_revision, any_review, latest = aliased(Revision), aliased(Review), aliased(Review)
    returned = (
        sa.select(any_review.id)
        .join(any_revision, any_revision.id == any_review.revision_id)
        .where(any_revision.annotation_id == Annotation.id, any_review.verdict == "return")
        .correlate(Annotation)
        .exists()
    )
    rows = session.execute(
        sa.select(Annotation.id, Annotation.user_id, Annotation.active_seconds, latest.verdict, returned)
        .outerjoin(latest, latest.revision_id == _newest())
        .where(Annotation.project_id == seat.project.id)
        .order_by(Annotation.id)
    )
    return [
        Work(id, user, seconds, STATES.get(verdict, "submitted"), back) for id, user, seconds, verdict, back in rows
    ]


def parts(session: Session, seat: Seat) -> dict[str, list[Part]]:
    """Tasks done by question type and by domain."""
    return {
        title: [
            Part(*row)
            for row in session.execute(
                sa.select(column, sa.func.count().filter(Task.done_at.is_not(None)), sa.func.count())
                .select_from(Task)
                .join(Sample, Sample.id == Task.sample_id)
                .where(Task.project_id == seat.project.id)
                .group_by(column)
                .order_by(column)
            )
        ]
        for title, column in (("Type", Sample.question_type), ("Domain", Sample.domain))
    }


def names(session: Session, user_ids: set[int]) -> dict[int, str]:
    rows = session.execute(sa.select(User.id, User.name).where(User.id.in_(user_ids)).order_by(User.name))
    return {row.id: row.name for row in rows}
