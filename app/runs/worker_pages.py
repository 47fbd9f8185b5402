"""The page of workers: which there are, what they run on and what they are at."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.core.db import Db
from app.core.html import page
from app.projects.guard import Overseer
from app.runs import workers

router = APIRouter()


@router.get("/workers")
def worker_page(request: Request, session: Db, seat: Overseer) -> Response:
    """Runs of other projects are said to be such, and no more."""
    return page(request, "runs/workers.html", lines=workers.lines(session), every=workers.SILENT.seconds)


@router.get("/workers/state")
def worker_state(request: Request, session: Db, seat: Overseer) -> Response:
    """The part of the page that changes by itself."""
    return page(request, "runs/_workers.html", lines=workers.lines(session))
