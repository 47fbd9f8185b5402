"""The project's pictures to choose one from, newest first, narrowed by words of their question."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.core.db import Session
from app.projects.guard import Seat
from app.samples.tables import Medium, Sample

PAGE = 24


class Pictures(NamedTuple):
    """more: what the next page begins before, if there is one."""

    shown: list[Medium]
    more: int | None


def page_of(session: Session, seat: Seat, text: str = "", before: int = 0, chosen: int = 0) -> Pictures:
    """Pictures and frames. The chosen one comes first, whichever page it is on."""
    query = (
        sa.select(Medium)
        .join(Medium.sample)
        .options(joinedload(Medium.sample))
        .where(Sample.project_id == seat.project.id, Medium.kind != "video")
    )
    found = query.where(Medium.id < before) if before else query
    if text:
        found = found.where(Sample.prompt.icontains(text.replace("\0", ""), autoescape=True))
    rows = list(session.scalars(found.order_by(Medium.id.desc()).limit(PAGE + 1)))
    shown = rows[:PAGE]
    first = [] if not chosen else list(session.scalars(query.where(Medium.id == chosen)))
    rest = [each for each in shown if each.id != chosen]
    return Pictures([*first, *rest], shown[-1].id if len(rows) > PAGE else None)
