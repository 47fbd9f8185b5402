"""Counts and latest events for the pages that only look."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.accounts.queries import recent_changes
from app.accounts.tables import User
from app.annotations import looking
from app.annotations.selecting import NOTHING
from app.annotations.tables import Annotation, Review, Revision, Waiting
from app.core.db import Session
from app.datasets.tables import Dataset
from app.projects.guard import Seat
from app.projects.tables import Membership
from app.runs.tables import Run
from app.samples.tables import Sample
from app.tasks.record_tables import Gold
from app.tasks.tables import Task


class Event(NamedTuple):
    who: str
    what: str
    when: dt.datetime
    href: str | None


class Person(NamedTuple):
    name: str
    role: str
    done: int
    minutes: int


def counts(session: Session, project_id: int) -> dict[str, int]:
    """How many rows of each kind the project has, in one round trip."""

    def count(table: Any, *where: Any) -> Any:
        return (
            sa.select(sa.func.count())
            .select_from(table)
            .where(table.project_id == project_id, *where)
            .scalar_subquery()
        )

    reviewed = (
        sa.select(sa.func.count(sa.distinct(Annotation.id)))
        .join(Revision, Revision.annotation_id == Annotation.id)
        .join(Review, Review.revision_id == Revision.id)
        .where(Annotation.project_id == project_id, Review.reviewer_id.is_not(None))
    )
    newest = (
        sa.select(Dataset.counts["pairs"].as_integer())
        .where(Dataset.project_id == project_id)
        .order_by(Dataset.id.desc())
        .limit(1)
    )
    columns = {
        "samples": count(Sample),
        "tasks": count(Task, Task.gold_id.is_(None)),
        "done": count(Task, Task.done_at.is_not(None), Task.gold_id.is_(None)),
        "annotations": count(Annotation),
        "reviewed": reviewed.scalar_subquery(),
        "waiting": count(Waiting, Waiting.why != NOTHING),
        "accepted": reviewed.where(Review.verdict.in_(["accept", "correct"])).scalar_subquery(),
        "pairs": newest.scalar_subquery(),
        "datasets": count(Dataset),
        "runs": count(Run),
        "running": count(Run, Run.started_at.is_not(None), Run.ended_at.is_(None)),
    }
    row = session.execute(sa.select(*[column.label(name) for name, column in columns.items()])).one()
    return {name: value or 0 for name, value in row._asdict().items()}


def people(session: Session, project_id: int) -> list[Person]:
    """Each member's role, annotations and active minutes; most annotations first."""
    rows = session.execute(
        sa.select(
            User.name,
            Membership.role,
            sa.func.count(Annotation.id).label("done"),
            sa.func.coalesce(sa.func.sum(Annotation.active_seconds), 0).label("seconds"),
        )
        .join(Membership, Membership.user_id == User.id)
        .outerjoin(Annotation, sa.and_(Annotation.user_id == User.id, Annotation.project_id == project_id))
        .where(Membership.project_id == project_id)
        .group_by(User.id, User.name, Membership.role)
        .order_by(sa.desc("done"), User.name)
    )
    return [
        Person(name, role, done if role == "annotator" else 0, round(seconds / 60) if role == "annotator" else 0)
        for name, role, done, seconds in rows
    ]


def activity(session: Session, seat: Seat, limit: int = 12) -> list[Event]:
    """What people did lately, newest first."""
    return [
        Event(
            entry.user.name if entry.user else "Assay",
            entry.words,
            entry.at,
            _href(seat, entry.subject),
        )
        for entry in recent_changes(session, seat.project.id, limit)
    ]


PLACES = {"annotation": "reviews", "run": "runs", "dataset": "datasets", "sample": "samples"}
READERS = {
    "annotation": {"reviewer"},
    "run": {"researcher"},
    "dataset": {"researcher"},
    "sample": {"admin", "reviewer", "researcher"},
}


def _href(seat: Seat, subject: str) -> str | None:
    """The page of an audit entry's subject such as "run 7", for those who may open it."""
    kind, _, number = subject.partition(" ")
    if kind not in PLACES or not seat.roles & READERS[kind]:
        return None
    return f"/projects/{seat.project.slug}/{PLACES[kind]}/{number}"


def waiting_reviews(session: Session, seat: Seat) -> int:
    """Annotations that the project's rules select for review and nobody has reviewed."""
    return looking.selected(session, seat)


def may_practise_first(session: Session, seat: Seat) -> bool:
    """Whether there are worked examples for this person, who has judged nothing of the project yet."""
    begun = sa.exists().where(Annotation.project_id == seat.project.id, Annotation.user_id == seat.user.id)
    examples = sa.exists().where(Gold.project_id == seat.project.id, Gold.use == "practice", Gold.retired_at.is_(None))
    return bool(session.scalar(sa.select(sa.and_(examples, ~begun))))


def own_progress(session: Session, user: User, project_id: int) -> int:
    """How many samples of the project the user has annotated."""
    return (
        session.scalar(
            sa.select(sa.func.count()).where(Annotation.project_id == project_id, Annotation.user_id == user.id)
        )
        or 0
    )
