"""Every select of the annotations room."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased, joinedload, selectinload

from app.accounts.tables import User
from app.annotations.tables import STATES, Adjudication, Annotation, Draft, Review, Revision
from app.core.db import Session
from app.core.errors import NotFound
from app.projects.guard import Seat
from app.samples.tables import Sample
from app.tasks.record_tables import Gold
from app.tasks.tables import Task

PAGE = 50
WHOLE = [
    selectinload(Annotation.revisions).options(
        joinedload(Revision.author), joinedload(Revision.review).joinedload(Review.reviewer)
    ),
    joinedload(Annotation.user),
    joinedload(Annotation.task),
    joinedload(Annotation.sample).options(selectinload(Sample.media), selectinload(Sample.responses)),
]


def draft(session: Session, user: User, task_id: int) -> Draft | None:
    return session.scalar(_draft(), {"task": task_id, "user": user.id})


@cache
def _draft() -> sa.Select[Draft]:
    return sa.select(Draft).where(Draft.task_id == sa.bindparam("task"), Draft.user_id == sa.bindparam("user"))


def draft_of_sample(session: Session, user: User, sample_id: int) -> Draft | None:
    """The person's latest draft for any task of the sample: work begun on one slot is good for another."""
    return session.scalar(
        sa.select(Draft)
        .join(Task, Task.id == Draft.task_id)
        .where(Task.sample_id == sample_id, Draft.user_id == user.id)
        .order_by(Draft.updated_at.desc())
        .limit(1)
    )


def annotation(session: Session, seat: Seat, annotation_id: int) -> Annotation:
    """An annotation of the seat's project, whole. Raises NotFound."""
    row = session.scalar(_whole().where(Annotation.id == annotation_id, Annotation.project_id == seat.project.id))
    if row is None:
        raise NotFound(where="annotation")
    return row


def own(session: Session, seat: Seat, annotation_id: int) -> Annotation:
    """The seat's own annotation. Raises NotFound, also for somebody else's."""
    row = annotation(session, seat, annotation_id)
    if row.user_id != seat.user.id:
        raise NotFound(where="annotation")
    return row


def by_key(session: Session, user: User, key: str) -> Annotation | None:
    """What an idempotency key of this person made; almost always nothing, so that is asked first and lightly."""
    number = session.scalar(_id_by_key(), {"user": user.id, "key": key})
    return session.scalar(_whole().where(Annotation.id == number)) if number else None


@cache
def _id_by_key() -> sa.Select[int]:
    mine = Annotation.user_id == sa.bindparam("user")
    return sa.select(Annotation.id).where(mine, Annotation.idempotency_key == sa.bindparam("key"))


def own_of_sample(session: Session, user: User, sample_id: int) -> Annotation | None:
    return session.scalar(_whole().where(Annotation.user_id == user.id, Annotation.sample_id == sample_id))


def own_of_task(session: Session, user: User, task_id: int) -> Annotation | None:
    return session.scalar(_whole().where(Annotation.user_id == user.id, Annotation.task_id == task_id))


def of_sample(session: Session, sample_id: int) -> list[Annotation]:
    return list(session.scalars(_whole().where(Annotation.sample_id == sample_id).order_by(Annotation.id)))


def adjudication(session: Session, sample_id: int) -> Adjudication | None:
    """The decision that holds for the sample."""
    return session.scalar(
        sa.select(Adjudication)
        .options(joinedload(Adjudication.author))
        .where(Adjudication.sample_id == sample_id, Adjudication.set_aside_by_id.is_(None))
        .order_by(Adjudication.number.desc())
        .limit(1)
    )


def adjudicated(session: Session, project_id: int) -> dict[int, Adjudication]:
    """Sample id → the decision that holds for it: what datasets prefer to the annotations themselves."""
    query = (
        sa.select(Adjudication)
        .where(Adjudication.project_id == project_id, Adjudication.set_aside_by_id.is_(None))
        .distinct(Adjudication.sample_id)
        .order_by(Adjudication.sample_id, Adjudication.number.desc())
    )
    return {row.sample_id: row for row in session.scalars(query)}


def gold(session: Session, sample_id: int) -> Gold | None:
    """The right answer of a sample, where one is known."""
    return session.scalar(sa.select(Gold).where(Gold.sample_id == sample_id, Gold.retired_at.is_(None)))


def mine(session: Session, seat: Seat, before_id: int | None = None) -> list[Annotation]:
    """The seat's own annotations: what was returned first, then the newest; by pages of PAGE rows by id."""
    query = _whole().where(Annotation.project_id == seat.project.id, Annotation.user_id == seat.user.id)
    if before_id:
        query = query.where(Annotation.id < before_id)
    rows = list(session.scalars(query.order_by(Annotation.id.desc()).limit(PAGE)))
    if before_id is None:
        returned = session.scalars(_in_state(query, "returned")).all()
        rows = [*returned, *[row for row in rows if row not in returned]]
    return rows


def own_states(session: Session, seat: Seat) -> dict[str, int]:
    """State → how many of the seat's own annotations are in it, as its owner is told: who accepted is not said."""
    verdict = sa.select(Review.verdict).where(Review.revision_id == _latest_id()).scalar_subquery()
    rows = session.execute(
        sa.select(verdict.label("verdict"), sa.func.count())
        .where(Annotation.project_id == seat.project.id, Annotation.user_id == seat.user.id)
        .group_by(sa.text("verdict"))
    )
    return {"submitted" if verdict is None else STATES[verdict]: many for verdict, many in rows}


def annotators(session: Session, project_id: int) -> list[User]:
    query = sa.select(User).where(sa.exists().where(Annotation.user_id == User.id, Annotation.project_id == project_id))
    return list(session.scalars(query.order_by(User.name)))


def progress_of(session: Session, seat: Seat) -> dict[str, Any]:
    """The person's own day and all their days: annotations and active minutes."""
    today = sa.func.date_trunc("day", sa.func.now())
    done, done_today, seconds = session.execute(
        sa.select(
            sa.func.count(),
            sa.func.count().filter(Annotation.submitted_at >= today),
            sa.func.coalesce(sa.func.sum(Annotation.active_seconds), 0),
        ).where(Annotation.project_id == seat.project.id, Annotation.user_id == seat.user.id)
    ).one()
    return {"done": done, "today": done_today, "minutes": round(seconds / 60)}


def _whole() -> sa.Select[Annotation]:
    return sa.select(Annotation).options(*WHOLE)


def _latest_id() -> sa.ScalarSelect[int]:
    newest = aliased(Revision)
    return (
        sa.select(sa.func.max(newest.id))
        .where(newest.annotation_id == Annotation.id)
        .correlate(Annotation)
        .scalar_subquery()
    )


def _in_state(query: sa.Select[Any], state: str) -> sa.Select[Any]:
    """Only annotations whose latest revision is in this state."""
    verdict = (
        sa.select(Review.verdict).where(Review.revision_id == _latest_id()).correlate(Annotation).scalar_subquery()
    )
    if state == "submitted":
        return query.where(verdict.is_(None))
    wanted = [verdict_name for verdict_name, name in STATES.items() if name == state]
    return query.where(verdict.in_(wanted))
