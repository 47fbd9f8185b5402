"""Every select of the samples room; reads start from a seat in the project."""

from __future__ import annotations

import re
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import joinedload, selectinload

from app.core.db import Session
from app.core.errors import Invalid, NotFound
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.samples.curating_tables import SetAside, Tag
from app.samples.tables import Import, Medium, Sample

PAGE = 50


class Filters(NamedTuple):
    """What the list of samples is narrowed to; empty strings narrow nothing."""

    domain: str = ""
    question_type: str = ""
    text: str = ""
    cluster: str = ""
    danger: str = ""
    tag: str = ""
    aside: str = ""
    """only: what is set aside; without: what is not."""
    area: str = ""
    """Corners of a part of the map, as `x,y x,y …` within -1 and 1."""
    ids: tuple[int, ...] = ()
    """Only these, where any are named."""

    def narrows(self) -> bool:
        return any(self)


class BadArea(Invalid):
    """Corners of a part of the map that cannot be read."""


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
    if filters.cluster:
        query = query.where(Sample.cluster == filters.cluster.replace("\0", ""))
    if filters.danger:
        query = query.where(Sample.danger == filters.danger.replace("\0", ""))
    if filters.tag:
        query = query.where(sa.exists().where(Tag.sample_id == Sample.id, Tag.tag == filters.tag.replace("\0", "")))
    if filters.aside:
        query = query.where(is_aside() if filters.aside == "only" else ~is_aside())
    if filters.area:
        query = query.where(_inside(filters.area))
    if filters.ids:
        query = query.where(Sample.id.in_(filters.ids))
    return query


def is_aside() -> sa.ColumnElement[bool]:
    """Whether a Sample is set aside."""
    return sa.exists().where(SetAside.sample_id == Sample.id).correlate(Sample)


MOST_CORNERS = 400
_CORNER = re.compile(r"-?\d(\.\d{1,9})?,-?\d(\.\d{1,9})?")


def _inside(area: str) -> sa.ColumnElement[bool]:
    """Whether a Sample's place on the map lies within the corners, by PostgreSQL's own polygons. Raises BadArea."""
    corners = area.split()
    if not 3 <= len(corners) <= MOST_CORNERS or not all(_CORNER.fullmatch(each) for each in corners):
        raise BadArea(_("An area is three to %(most)s corners, each as x,y.", most=MOST_CORNERS), "area")
    polygon = sa.cast(sa.literal("(" + ",".join(f"({each})" for each in corners) + ")"), _Polygon())
    inside = polygon.bool_op("@>")(sa.func.point(Sample.map_x, Sample.map_y))
    return sa.and_(Sample.map_x.is_not(None), inside)


class _Polygon(sa.types.UserDefinedType[str]):
    """PostgreSQL's polygon."""

    cache_ok = True

    def get_col_spec(self, **_kw: object) -> str:
        return "polygon"


def page_of(session: Session, query: sa.Select[Sample], after_id: int = 0) -> list[Sample]:
    """PAGE samples by id, and one more where there is a next page."""
    paged = query.where(Sample.id > after_id).order_by(Sample.id).limit(PAGE + 1)
    return list(session.scalars(paged.options(selectinload(Sample.media), selectinload(Sample.responses))))


def count(session: Session, query: sa.Select[Sample]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0


def imports(session: Session, seat: Seat) -> list[Import]:
    """The project's imports, the newest first; dry runs are told of by their own pages."""
    query = (
        sa.select(Import).where(Import.project_id == seat.project.id, ~Import.dry).options(joinedload(Import.author))
    )
    return list(session.scalars(query.order_by(Import.id.desc()).limit(PAGE)))
