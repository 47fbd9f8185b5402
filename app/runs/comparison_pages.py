"""Comparing runs: their curves over each other, and settings, results and what they said side by side."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from app.core.db import Db, Session
from app.core.html import page
from app.projects.guard import Overseer, Seat
from app.runs import comparing, curves, outcomes, queries, sayings
from app.runs.kinds import KINDS
from app.runs.tables import Run

router = APIRouter()
Ids = Annotated[list[str] | None, Query(max_length=100)]
Key = Annotated[str, Query(max_length=120)]
Number = Annotated[int, Query(ge=0, lt=2**31)]


@router.get("/comparison")
def comparison(
    request: Request, session: Db, seat: Overseer, ids: Ids = None, metric: Key = "", begin: Number = 0
) -> Response:
    """`ids`: numbers of runs, repeated or between commas; with fewer than two, the page says how to choose."""
    runs = queries.runs_of_ids(session, seat, comparing.ids_of(ids or []))
    context = _beside(session, runs, metric, begin) if len(runs) > 1 else {}
    return page(request, "runs/comparison.html", runs=runs, **_around(session, seat, runs), **context)


def _around(session: Session, seat: Seat, runs: list[Run]) -> dict[str, Any]:
    chosen = {run.id for run in runs}
    return {
        "kinds": KINDS,
        "state_of": queries.state_of,
        "most": comparing.MOST,
        "others": [run for run in queries.runs(session, seat) if run.id not in chosen],
    }


def _beside(session: Session, runs: list[Run], metric: str, begin: int) -> dict[str, Any]:
    choices = curves.choices(session, runs)
    rows, many = sayings.beside(session, runs, begin)
    return {
        "choices": choices,
        "shown": curves.chosen(choices, metric),
        "warnings": comparing.warnings(runs),
        "differences": comparing.differences(runs),
        "apart": comparing.apart(runs),
        "blocks": outcomes.blocks(runs),
        "samples": rows,
        "many": many,
        "begin": begin,
        "next": begin + sayings.PAGE if begin + sayings.PAGE < many else None,
    }


@router.get("/comparison/curves")
def comparison_curves(session: Db, seat: Overseer, ids: Ids = None, metric: Key = "") -> Response:
    """One metric of every chosen run."""
    runs = queries.runs_of_ids(session, seat, comparing.ids_of(ids or []))
    choice = curves.chosen(curves.choices(session, runs), metric)
    return JSONResponse(curves.laid_over(session, runs, choice))
