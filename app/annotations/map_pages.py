"""The map of a project's samples: near each other is what looks alike."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from sqlalchemy.orm import selectinload

from app.annotations import mapping
from app.core.db import Db
from app.core.html import page
from app.projects.guard import Overseer
from app.samples.queries import Filters, count, matching
from app.samples.tables import Sample

router = APIRouter(prefix="/projects/{slug}/map")
Key = Annotated[int, Field(ge=1, lt=2**63)]


@router.get("")
def map_page(request: Request, session: Db, seat: Overseer) -> Response:
    mapped = count(session, matching(seat, Filters()).where(Sample.map_x.is_not(None)))
    return page(request, "samples/map.html", mapped=mapped)


@router.get("/points")
def points(session: Db, seat: Overseer) -> Response:
    """Every mapped sample, as `mapping.points` lays them out."""
    headers = {"cache-control": "no-store"}  # what was set aside a moment ago must be seen
    return Response(mapping.points(session, seat), media_type="application/octet-stream", headers=headers)


@router.get("/pictures")
def pictures(session: Db, seat: Overseer, ids: Annotated[list[Key] | None, Query(max_length=100)] = None) -> Response:
    """What stands at points that are looked at closely: address of a thumbnail and the question, by sample."""
    query = sa.select(Sample).options(selectinload(Sample.media))
    rows = session.scalars(query.where(Sample.project_id == seat.project.id, Sample.id.in_(ids or [])))
    at = f"/projects/{seat.project.slug}"
    return JSONResponse(
        {
            str(row.id): {
                "picture": f"{at}/media/{row.seen[0].id}?size=thumb" if row.seen else "",
                "words": row.prompt[:120],
                "at": f"{at}/samples/{row.id}",
                "veiled": seat.user.veils and row.domain == "safety",
            }
            for row in rows
        }
    )
