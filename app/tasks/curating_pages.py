"""Curating: what is done to a selection of samples, and the clusters as walls of thumbnails."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from pydantic import Field

from app.core.db import Db, Session
from app.core.html import here, page, redirect
from app.projects.guard import Admin, Overseer, Seat
from app.samples import curating
from app.samples.queries import Filters, count, matching
from app.samples.tables import Sample
from app.tasks import actions

router = APIRouter()
Line = Annotated[str, Query(max_length=200)]
Word = Annotated[str, Form(max_length=500)]
Area = Annotated[str, Query(max_length=12_000)]
Key = Annotated[int, Field(ge=1, lt=2**63)]
WALL = 12
BATCH = 10_000


def filters_of(
    domain: Line = "",
    question_type: Line = "",
    text: Line = "",
    cluster: Line = "",
    danger: Line = "",
    tag: Line = "",
    aside: Line = "",
    area: Area = "",
) -> Filters:
    """The selection that an address names."""
    return Filters(domain, question_type, text, cluster, danger, tag, aside, area)


@router.post("/samples/curation")
def curate(
    session: Db,
    seat: Admin,
    action: Annotated[str, Form(pattern="^(aside|back|tag|untag|cut)$")],
    domain: Word = "",
    question_type: Word = "",
    words: Word = "",
    cluster: Word = "",
    danger: Word = "",
    within: Word = "",
    aside: Word = "",
    area: Annotated[str, Form(max_length=12_000)] = "",
    ids: Annotated[list[Key] | None, Form(max_length=1000)] = None,
    tag: Word = "",
    reason: Word = "",
    next: Word = "",
) -> Response:
    """One verb for a whole selection; `within` and `words` are the tag and the text that narrow it."""
    filters = Filters(domain, question_type, words, cluster, danger, within, aside, area, tuple(ids or ()))
    if action == "aside":
        curating.set_aside(session, seat, filters, reason)
    elif action == "back":
        curating.bring_back(session, seat, filters)
    elif action in ("tag", "untag"):
        curating.tag(session, seat, filters, tag, off=action == "untag")
    else:
        _cut(session, seat, filters)
    back = filters._replace(tag=tag if action == "tag" else within, ids=())
    named = {name: value for name, value in back._asdict().items() if value}
    return redirect(here(next) if next else f"/projects/{seat.project.slug}/samples?{urlencode(named)}")


def _cut(session: Session, seat: Seat, filters: Filters) -> None:
    curating.refuse_everything(filters)
    ids = session.scalars(matching(seat, filters).with_only_columns(Sample.id).order_by(Sample.id)).all()
    for begin in range(0, len(ids), BATCH):
        actions.cut_tasks(session, seat.project, seat.user, ids[begin : begin + BATCH])


@router.get("/clusters")
def cluster_page(request: Request, session: Db, seat: Overseer) -> Response:
    found = curating.clusters(session, seat)
    return page(
        request,
        "samples/clusters.html",
        clusters=found,
        walls=curating.wall(session, seat, [each.name for each in found], WALL),
        mapped=count(session, matching(seat, Filters()).where(Sample.map_x.is_not(None))),
        loose=session.scalar(_loose(seat)),
    )


def _loose(seat: Seat) -> sa.Select[int]:
    """How many samples are in no cluster."""
    return sa.select(sa.func.count()).where(Sample.project_id == seat.project.id, Sample.cluster == "")


@router.post("/clusters/renaming")
def rename(session: Db, seat: Admin, cluster: Word, name: Word) -> Response:
    curating.rename(session, seat, cluster, name)
    return redirect(f"/projects/{seat.project.slug}/clusters")


@router.post("/clusters/merger")
def merge(
    session: Db, seat: Admin, into: Word, names: Annotated[list[str] | None, Form(max_length=1000)] = None
) -> Response:
    curating.merge(session, seat, names or [], into)
    return redirect(f"/projects/{seat.project.slug}/clusters")
