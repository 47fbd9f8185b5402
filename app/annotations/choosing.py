"""Which annotations a set to be annotated again holds, and what ordering it would do."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import aliased, joinedload

from app.annotations.tables import Adjudication, Annotation, Disagreement, Review, Revision
from app.core.db import Session
from app.projects.guard import Seat
from app.projects.tables import Membership
from app.samples.tables import Sample
from app.tasks.tables import Skip, Task

State = Literal["", "submitted", "accepted", "by_rule", "corrected", "adjudicated"]
_VERDICTS = {"accepted": "accept", "corrected": "correct", "adjudicated": "adjudicate"}


@dataclass(frozen=True)
class Chosen:
    """Which annotations. What is empty narrows nothing; days are UTC and inclusive; agreement is 1 − disagreement."""

    annotator: int = 0
    state: State = ""
    question_type: str = ""
    domain: str = ""
    since: dt.date | None = None
    until: dt.date | None = None
    agreement_from: float | None = None
    agreement_to: float | None = None

    @property
    def given(self) -> dict[str, Any]:
        """The filters that narrow something, as they stand in an address."""
        return {
            name: value.isoformat() if isinstance(value, dt.date) else value
            for name, value in asdict(self).items()
            if value not in ("", 0, None) or (name.startswith("agreement") and value is not None)
        }


class Outlook(NamedTuple):
    """What an order would do.

    stuck: samples that every annotator of the project has judged or skipped already.
    decided: samples over which somebody has decided; their decisions are set aside too.
    """

    annotations: int
    samples: int
    people: int
    stuck: int
    decided: int


def outlook(session: Session, seat: Seat, chosen: Chosen) -> Outlook:
    rows = matching(seat, chosen).subquery()
    tried = sa.union(
        sa.select(Annotation.sample_id, Annotation.user_id),
        sa.select(Skip.sample_id, Skip.user_id),
    ).subquery()
    left = sa.exists(
        sa.select(Membership.id)
        .where(Membership.project_id == seat.project.id, Membership.role == "annotator")
        .where(~sa.exists().where(tried.c.sample_id == rows.c.sample_id, tried.c.user_id == Membership.user_id))
    )
    decided = sa.exists().where(Adjudication.sample_id == rows.c.sample_id, Adjudication.set_aside_by_id.is_(None))
    many = sa.func.count
    found = session.execute(
        sa.select(
            many(),
            many(sa.distinct(rows.c.sample_id)),
            many(sa.distinct(rows.c.user_id)),
            many(sa.distinct(rows.c.sample_id)).filter(~left),
            many(sa.distinct(rows.c.sample_id)).filter(decided),
        ).select_from(rows)
    ).one()
    return Outlook(*found)


def examples(session: Session, seat: Seat, chosen: Chosen, limit: int = 10) -> list[Annotation]:
    rows = matching(seat, chosen).subquery()
    query = sa.select(Annotation).where(Annotation.id.in_(sa.select(rows.c.annotation_id)))
    whole = [joinedload(Annotation.user), joinedload(Annotation.sample)]
    return list(session.scalars(query.options(*whole).order_by(Annotation.id).limit(limit)))


def matching(seat: Seat, chosen: Chosen) -> sa.Select[*tuple[Any, ...]]:
    """annotation_id, sample_id, user_id, task_id, revision_id, review_id: what counts and is in nobody's hands."""
    newer = aliased(Revision)
    later = sa.exists().where(newer.annotation_id == Revision.annotation_id, newer.number > Revision.number)
    query: sa.Select[*tuple[Any, ...]] = (
        sa.select(
            Annotation.id.label("annotation_id"),
            Annotation.sample_id,
            Annotation.user_id,
            Annotation.task_id,
            Revision.id.label("revision_id"),
            Review.id.label("review_id"),
        )
        .join(Revision, Revision.annotation_id == Annotation.id)
        .outerjoin(Review, Review.revision_id == Revision.id)
        .join(Task, Task.id == Annotation.task_id)
        .join(Sample, Sample.id == Annotation.sample_id)
        .outerjoin(Disagreement, Disagreement.sample_id == Annotation.sample_id)
        .where(Annotation.project_id == seat.project.id, ~later, Task.done_at.is_not(None))
        .where(sa.or_(Review.id.is_(None), Review.verdict.in_(list(_VERDICTS.values()))))
    )
    for condition in _conditions(chosen):
        query = query.where(condition)
    return query


def _conditions(chosen: Chosen) -> list[sa.ColumnElement[bool]]:
    agreement = 1 - Disagreement.value
    by_rule = sa.and_(Review.id.is_not(None), Review.reviewer_id.is_(None))
    person = sa.and_(Review.verdict == _VERDICTS.get(chosen.state, ""), Review.reviewer_id.is_not(None))
    states = {"": sa.true(), "submitted": Review.id.is_(None), "by_rule": by_rule}
    day_after = chosen.until + dt.timedelta(days=1) if chosen.until else None
    wanted: list[tuple[object, sa.ColumnElement[bool]]] = [
        (chosen.state, states.get(chosen.state, person)),
        (chosen.annotator, Annotation.user_id == chosen.annotator),
        (chosen.question_type, sa.cast(Sample.question_type, sa.Text) == chosen.question_type),
        (chosen.domain, sa.cast(Sample.domain, sa.Text) == chosen.domain),
        (chosen.since, Annotation.submitted_at >= _midnight(chosen.since)),
        (day_after, Annotation.submitted_at < _midnight(day_after)),
        (chosen.agreement_from is not None, agreement >= (chosen.agreement_from or 0)),
        (chosen.agreement_to is not None, agreement <= (chosen.agreement_to or 0)),
    ]
    return [condition for asked, condition in wanted if asked]


def _midnight(day: dt.date | None) -> dt.datetime:
    return dt.datetime.combine(day or dt.date.min, dt.time(), dt.UTC)
