"""Every select of the datasets room; reads start from the seat."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import aliased, joinedload, selectinload

from app.annotations.tables import Annotation, Review, Revision
from app.core.db import Session
from app.core.errors import NotFound
from app.datasets.tables import Dataset
from app.projects.guard import Seat
from app.samples.tables import Medium, Sample

BATCH = 200


class Judged(NamedTuple):
    """A sample with the contents of its accepted annotations, by annotation id, the first one first."""

    sample: Sample
    contents: dict[int, dict[str, Any]]


class Accepted(NamedTuple):
    """An accepted or corrected annotation, at the revision that was accepted."""

    sample_id: int
    annotation_id: int
    revision_id: int


def accepted(session: Session, project_id: int) -> list[Accepted]:
    """By sample, then in the order in which they were accepted."""
    newer = aliased(Revision)
    newest = sa.select(sa.func.max(newer.id)).where(newer.annotation_id == Annotation.id).scalar_subquery()
    rows = session.execute(
        sa.select(Annotation.sample_id, Annotation.id, Revision.id)
        .join(Revision, Revision.annotation_id == Annotation.id)
        .join(Review, Review.revision_id == Revision.id)
        .where(
            Annotation.project_id == project_id,
            Revision.id == newest,
            Review.verdict.in_(["accept", "correct"]),
        )
        .order_by(Annotation.sample_id, Review.id)
    )
    return [Accepted(*row) for row in rows]


def judged(session: Session, rows: list[Accepted]) -> Iterator[Judged]:
    """The samples of these annotations with media, responses and contents, a batch in memory at a time."""
    by_sample = groupby(rows, key=lambda row: row.sample_id)
    grouped = ((sample_id, list(each)) for sample_id, each in by_sample)
    while batch := list(islice(grouped, BATCH)):
        samples = _samples(session, [sample_id for sample_id, _ in batch])
        contents = _contents(session, [row.revision_id for _, each in batch for row in each])
        for sample_id, each in batch:
            yield Judged(samples[sample_id], {row.annotation_id: contents[row.revision_id] for row in each})


def _samples(session: Session, ids: list[int]) -> dict[int, Sample]:
    query = sa.select(Sample).options(selectinload(Sample.media), selectinload(Sample.responses))
    return {row.id: row for row in session.scalars(query.where(Sample.id.in_(ids)))}


def _contents(session: Session, revision_ids: list[int]) -> dict[int, dict[str, Any]]:
    rows = session.execute(sa.select(Revision.id, Revision.content).where(Revision.id.in_(revision_ids)))
    return {row.id: row.content for row in rows}


def blobs_of(session: Session, project_id: int) -> dict[int, set[str]]:
    """Sample id → the SHA-256 of each of its pictures or frames."""
    rows = session.execute(
        sa.select(Medium.sample_id, Medium.blob_sha256).join(Sample).where(Sample.project_id == project_id)
    )
    found: dict[int, set[str]] = {}
    for sample_id, sha256 in rows:
        found.setdefault(sample_id, set()).add(sha256)
    return found


def datasets(session: Session, seat: Seat) -> list[Dataset]:
    """The project's datasets, newest first."""
    query = sa.select(Dataset).options(joinedload(Dataset.author)).where(Dataset.project_id == seat.project.id)
    return list(session.scalars(query.order_by(Dataset.id.desc())))


def dataset(session: Session, seat: Seat, dataset_id: int) -> Dataset:
    """A dataset of the seat's project. Raises NotFound."""
    row = session.scalar(
        sa.select(Dataset)
        .options(joinedload(Dataset.author))
        .where(Dataset.id == dataset_id, Dataset.project_id == seat.project.id)
    )
    if row is None:
        raise NotFound(where="dataset")
    return row


def next_version(session: Session, project_id: int, name: str) -> int:
    query = sa.select(sa.func.coalesce(sa.func.max(Dataset.version), 0) + 1)
    return session.scalar(query.where(Dataset.project_id == project_id, Dataset.name == name)) or 1


def first_media(session: Session, seat: Seat, sample_ids: list[int]) -> dict[int, int]:
    """Sample id → the id of its first picture."""
    rows = session.execute(
        sa.select(Medium.sample_id, Medium.id)
        .join(Sample)
        .where(Sample.project_id == seat.project.id, Medium.sample_id.in_(sample_ids), Medium.position == 0)
    )
    return {row.sample_id: row.id for row in rows}
