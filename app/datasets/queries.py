"""Every select of the datasets room; reads start from the seat."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import joinedload, selectinload

from app.annotations.tables import Annotation, Revision
from app.core.db import Session
from app.core.errors import NotFound
from app.datasets.tables import Dataset
from app.projects.guard import Seat
from app.samples.tables import Sample


def datasets(session: Session, seat: Seat) -> list[Dataset]:
    """The project's datasets, newest first."""
    query = sa.select(Dataset).options(joinedload(Dataset.author)).where(Dataset.project_id == seat.project.id)
    return list(session.scalars(query.order_by(Dataset.id.desc())))


def dataset(session: Session, seat: Seat, dataset_id: int) -> Dataset:
    """Raises NotFound for one of another project."""
    query = sa.select(Dataset).options(joinedload(Dataset.author))
    row = session.scalar(query.where(Dataset.id == dataset_id, Dataset.project_id == seat.project.id))
    if row is None:
        raise NotFound(where="dataset")
    return row


def next_version(session: Session, project_id: int, name: str) -> int:
    newest = session.scalar(sa.select(sa.func.max(Dataset.version)).where(Dataset.project_id == project_id, Dataset.name == name))
    return (newest or 0) + 1


def judged(session: Session, project_id: int) -> list[Annotation]:
    """Every annotation of the project with its revisions, reviews, sample, media and responses, by sample and age."""
    query = (
        sa.select(Annotation)
        .options(
            selectinload(Annotation.revisions).joinedload(Revision.review),
            selectinload(Annotation.sample).options(selectinload(Sample.media), selectinload(Sample.responses)),
        )
        .where(Annotation.project_id == project_id)
        .order_by(Annotation.sample_id, Annotation.id)
    )
    return list(session.scalars(query))
