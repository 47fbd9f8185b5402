"""Every select of the samples room; reads start from a seat in the project."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import joinedload, selectinload

from app.core.db import Session
from app.core.errors import NotFound
from app.projects.guard import Seat
from app.samples.tables import Medium, Sample

PAGE = 50


class Filters(NamedTuple):
    """What the list of samples is narrowed to; empty strings narrow nothing."""

    domain: str = ""
    question_type: str = ""
    text: str = ""


def sample(session: Session, seat: Seat, sample_id: int) -> Sample:
    """A sample of the seat's project with media and responses. Raises NotFound."""
    row = session.scalar(
        sa.select(Sample)
        .options(selectinload(Sample.media), selectinload(Sample.responses))
        .where(Sample.id == sample_id, Sample.project_id == seat.project.id)
    )
    if row is None:
        raise NotFound(where="sample")
    return row


def medium(session: Session, seat: Seat, medium_id: int) -> Medium:
    """A medium of the seat's project. Raises NotFound."""
    row = session.scalar(
        sa.select(Medium)
        .options(joinedload(Medium.sample))
        .join(Sample)
        .where(Medium.id == medium_id, Sample.project_id == seat.project.id)
    )
    if row is None:
        raise NotFound(where="medium")
    return row


def matching(seat: Seat, filters: Filters) -> sa.Select[Sample]:
    """The seat's samples that pass the filters; other rooms narrow it further."""
    query = sa.select(Sample).where(Sample.project_id == seat.project.id)
    if filters.domain:
        query = query.where(sa.cast(Sample.domain, sa.Text) == filters.domain)
    if filters.question_type:
        query = query.where(sa.cast(Sample.question_type, sa.Text) == filters.question_type)
    if filters.text:
        query = query.where(Sample.prompt.icontains(filters.text.replace("\0", ""), autoescape=True))
    return query


def page_of(session: Session, query: sa.Select[Sample], after_id: int = 0) -> list[Sample]:
    """PAGE samples by id, and one more where there is a next page."""
    paged = query.where(Sample.id > after_id).order_by(Sample.id).limit(PAGE + 1)
    return list(session.scalars(paged.options(selectinload(Sample.media), selectinload(Sample.responses))))


def count(session: Session, query: sa.Select[Sample]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
