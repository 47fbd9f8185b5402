"""Every select of the quality room; reads start from the seat."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import sqlalchemy as sa
from sqlalchemy.orm import aliased, joinedload

from app.accounts.tables import User
from app.annotations.tables import BY_RULE, COUNTS_NO_MORE, STATES, Adjudication, Annotation, Review, Revision
from app.core.db import Session
from app.core.language import N_
from app.projects.guard import Seat
from app.quality.columns import Columns, Ints, Row, build, uncollected
from app.samples.tables import Response, Sample
from app.tasks.record_tables import Gold, GoldCheck
from app.tasks.tables import Task


class Part(NamedTuple):
    """Tasks of one question type or domain."""

    name: str
    done: int
    total: int


class Mark(NamedTuple):
    """How far the tables have come: another mark means that something was judged, reviewed or undone."""

    revisions: int
    last_revision: int
    revision_ids: int
    """All ids by exclusive or: counts alone would not see one row come and another go."""
    reviews: int
    last_review: int
    review_ids: int
    samples: int
    decisions: int
    decision_ids: int
    """Of the decisions that hold: deciding adds no verdict where every annotation has one."""


def mark(session: Session, seat: Seat) -> Mark:
    """Of the whole installation, by its primary keys alone: cheaper than asking for one project's part."""
    found = [
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.max(id), 0), sa.func.coalesce(sa.func.bit_xor(id), 0))
        for id in (Revision.id, Review.id)
    ]
    revisions, reviews = (session.execute(query).one() for query in found)
    samples = session.scalar(sa.select(sa.func.count()).where(Sample.project_id == seat.project.id)) or 0
    ids = sa.func.coalesce(sa.func.bit_xor(Adjudication.id), 0)
    holding = sa.select(sa.func.count(), ids).where(Adjudication.set_aside_by_id.is_(None))
    decisions = session.execute(holding.where(Adjudication.project_id == seat.project.id)).one()
    return Mark(*map(int, (*revisions, *reviews, samples, *decisions)))


def columns(session: Session, seat: Seat, annotations: Sequence[int] | None = None) -> Columns:
    """What each person made of each sample, in their own words: a reviewer's corrections would feign agreement.

    annotations: only these.
    """
    query = (
        sa.select(
            Annotation.id,
            Annotation.user_id,
            Annotation.sample_id,
            Annotation.active_seconds,
            sa.extract("epoch", Annotation.submitted_at).cast(sa.Float),
            sa.cast(Annotation.order, sa.Text),
            Revision.number,
            Revision.author_id == Annotation.user_id,
            Review.verdict,
            Review.reviewer_id,
            sa.cast(Revision.content["scores"], sa.Text),
            sa.cast(Revision.content["ranking"], sa.Text),
            Revision.content["cannot_judge"].is_(None)
            | (sa.func.jsonb_typeof(Revision.content["cannot_judge"]) == "null"),
        )
        .join(Revision, Revision.annotation_id == Annotation.id)
        .outerjoin(Review, Review.revision_id == Revision.id)
        .where(Annotation.project_id == seat.project.id)
    )
    if annotations is not None:
        query = query.where(Annotation.id.in_(annotations))
    with uncollected():
        return build(_rows(session.execute(query).all()), seat.rubric.keys)


def _rows(found: Iterable[Any]) -> list[Row]:
    """One row an annotation from one a revision: the author's last words, the newest verdict."""
    by_annotation: dict[int, list[Any]] = {}
    for revision in found:
        by_annotation.setdefault(revision[0], []).append(revision)
    newest, own = [], []
    for revisions in by_annotation.values():
        if len(revisions) > 1:
            revisions.sort(key=lambda each: each[6])
        newest.append(revisions[-1])
        own.append(next(each for each in reversed(revisions) if each[7]))
    returned = [any(each[8] == "return" for each in revisions) for revisions in by_annotation.values()]
    texts = [[each[place] for each in own] for place in (10, 11, 5)]
    contents = zip(*map(_all, texts), strict=True)
    return [_row(*each, *content) for *each, content in zip(newest, own, returned, contents, strict=True)]


def _row(newest: Any, own: Any, returned: bool, scores: Any, ranking: Any, order: Any) -> Row:
    id, user, sample, seconds, at = newest[:5]
    judged, counts = own[12], own[12] and newest[8] not in COUNTS_NO_MORE
    said = (scores or {}, ranking or []) if judged else ({}, [])
    return Row(id, user, sample, seconds, at, _state(newest[8], newest[9]), returned, counts, *said, order)


def _state(verdict: str | None, reviewer: int | None) -> str:
    return "submitted" if verdict is None else BY_RULE if reviewer is None else STATES[verdict]


def _all(texts: list[str]) -> list[Any]:
    """Many JSON texts in one go."""
    return list(orjson.loads("[" + ",".join(texts) + "]"))


def changed_since(session: Session, seat: Seat, old: Mark) -> tuple[list[int], int, int]:
    """Annotations with a revision or a verdict newer than the mark, and how many of each are new everywhere."""
    revisions = session.execute(
        sa.select(Revision.annotation_id, Annotation.project_id)
        .join(Annotation, Annotation.id == Revision.annotation_id)
        .where(Revision.id > old.last_revision)
    ).all()
    reviews = session.execute(
        sa.select(Revision.annotation_id, Annotation.project_id)
        .select_from(Review)
        .join(Revision, Revision.id == Review.revision_id)
        .join(Annotation, Annotation.id == Revision.annotation_id)
        .where(Review.id > old.last_review)
    ).all()
    ours = {annotation for annotation, project in [*revisions, *reviews] if project == seat.project.id}
    return sorted(ours), len(revisions), len(reviews)


def parts(session: Session, seat: Seat) -> dict[str, list[Part]]:
    """Tasks done by question type and by domain; those that test people do not count."""
    rows = session.execute(
        sa.select(
            Sample.question_type, Sample.domain, sa.func.count().filter(Task.done_at.is_not(None)), sa.func.count()
        )
        .select_from(Task)
        .join(Sample, Sample.id == Task.sample_id)
        .where(Task.project_id == seat.project.id, Task.gold_id.is_(None))
        .group_by(Sample.question_type, Sample.domain)
    ).all()
    found: dict[str, list[Part]] = {}
    for title, place in ((N_("Type"), 0), (N_("Domain"), 1)):
        names = sorted({str(row[place]) for row in rows})
        of = {name: [row for row in rows if row[place] == name] for name in names}
        found[title] = [Part(name, sum(r[2] for r in of[name]), sum(r[3] for r in of[name])) for name in names]
    return found


def sample_parts(session: Session, seat: Seat) -> tuple[np.ndarray, dict[str, np.ndarray]]:  # type: ignore[type-arg]
    """Ids of the project's samples, rising, and each one's question type and domain."""
    with uncollected():
        rows = session.execute(
            sa.select(Sample.id, Sample.question_type, Sample.domain)
            .where(Sample.project_id == seat.project.id)
            .order_by(Sample.id)
        ).all()
        ids, types, domains = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(ids, dtype=np.int64), {"type": np.array(types, np.str_), "domain": np.array(domains, np.str_)}


def clusters(session: Session, seat: Seat, samples: Ints) -> np.ndarray:  # type: ignore[type-arg]
    """[samples]: the name of each one's cluster, empty where it has none; never kept, since clusters are made anew."""
    query = sa.select(Sample.id, Sample.cluster).where(Sample.project_id == seat.project.id, Sample.cluster != "")
    named = dict(session.execute(query).tuples().all())
    return np.array([named.get(sample, "") for sample in samples.tolist()], dtype=np.str_)


def gold_annotations(session: Session, seat: Seat) -> list[int]:
    """Ids of the annotations that were compared with gold."""
    query = sa.select(Annotation.id).join(GoldCheck, GoldCheck.task_id == Annotation.task_id)
    return list(session.scalars(query.where(Annotation.project_id == seat.project.id)))


def names(session: Session, user_ids: Iterable[int]) -> dict[int, str]:
    """By name."""
    query = sa.select(User.id, User.name).where(User.id.in_([int(user) for user in user_ids]))
    return {row.id: row.name for row in session.execute(query.order_by(User.name, User.id))}


def listed(session: Session, seat: Seat, ids: list[int]) -> list[Annotation]:
    """These annotations of the project with their people and samples, in this order."""
    query = (
        sa.select(Annotation)
        .options(joinedload(Annotation.user), joinedload(Annotation.sample))
        .where(Annotation.project_id == seat.project.id, Annotation.id.in_(ids))
    )
    found = {row.id: row for row in session.scalars(query)}
    return [found[id] for id in ids if id in found]


def lines(session: Session, seat: Seat, ids: list[int]) -> Iterator[tuple[Any, ...]]:
    """Annotation, question, annotator, type, domain, active seconds and moment of each, in this order."""
    query = (
        sa.select(
            *(Annotation.id, Sample.prompt, User.name, Sample.question_type, Sample.domain),
            *(Annotation.active_seconds, Annotation.submitted_at),
        )
        .join(Sample, Sample.id == Annotation.sample_id)
        .join(User, User.id == Annotation.user_id)
        .where(Annotation.project_id == seat.project.id)
    )
    for begin in range(0, len(ids), AT_ONCE):
        some = ids[begin : begin + AT_ONCE]
        found = {row[0]: tuple(row) for row in session.execute(query.where(Annotation.id.in_(some)))}
        yield from (found[id] for id in some if id in found)


AT_ONCE = 2000


def done_by_day(session: Session, seat: Seat) -> list[tuple[dt.date, int]]:
    """Annotations submitted each day (UTC), of tasks that do not test people; days without any left out."""
    day = sa.func.date_trunc("day", Annotation.submitted_at, "UTC")
    rows = session.execute(
        sa.select(day, sa.func.count())
        .join(Annotation.task)
        .where(Annotation.project_id == seat.project.id, Task.gold_id.is_(None))
        .group_by(day)
        .order_by(day)
    )
    return [(row[0].date(), row[1]) for row in rows]


def lengths(session: Session, seat: Seat) -> tuple[Ints, Ints]:
    """Ids of the project's responses, rising, and how many characters each has."""
    rows = session.execute(
        sa.select(Response.id, sa.func.length(Response.text))
        .join(Sample, Sample.id == Response.sample_id)
        .where(Sample.project_id == seat.project.id)
        .order_by(Response.id)
    ).all()
    found = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def gold(session: Session, seat: Seat) -> dict[int, tuple[int, int]]:
    """User → gold samples that they met, and that they judged."""
    rows = session.execute(
        sa.select(GoldCheck.user_id, sa.func.count().filter(GoldCheck.passed), sa.func.count())
        .join(Gold, Gold.id == GoldCheck.gold_id)
        .where(Gold.project_id == seat.project.id)
        .group_by(GoldCheck.user_id)
    )
    return {user: (met, judged) for user, met, judged in rows}


def final(session: Session, seat: Seat) -> Columns:
    """What reviewers made of annotations that they corrected or decided over, under the annotations' ids."""
    newer = aliased(Adjudication)
    last = sa.select(sa.func.max(newer.number)).where(newer.sample_id == Adjudication.sample_id).scalar_subquery()
    holds = sa.and_(Adjudication.number == last, Adjudication.set_aside_by_id.is_(None))
    corrected = (
        sa.select(Annotation.id, Annotation.user_id, Annotation.sample_id, Annotation.order, Revision.content)
        .join(Revision, Revision.annotation_id == Annotation.id)
        .join(Review, Review.revision_id == Revision.id)
        .where(Annotation.project_id == seat.project.id, Review.verdict == "correct")
        .order_by(Revision.number)
    )
    decided = (
        sa.select(Annotation.id, Annotation.user_id, Annotation.sample_id, Annotation.order, Adjudication.content)
        .join(Adjudication, Adjudication.sample_id == Annotation.sample_id)
        .where(Annotation.project_id == seat.project.id, holds)
    )
    rows = {row[0]: row for query in (corrected, decided) for row in session.execute(query)}
    return build(
        (
            Row(id, user, sample, order=order, ranking=content["ranking"])
            for id, user, sample, order, content in rows.values()
        ),
        seat.rubric.keys,
    )
