"""The page of a project's models, with the form of a new or known one; and what a run's models have said so far."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import Response

from app.core import outside
from app.core.db import Db, Session
from app.core.errors import Invalid
from app.core.html import page, redirect, wants_json
from app.projects.guard import Overseer, Researcher, Seat
from app.runs import generators, queries, responding
from app.runs.generators import Described

router = APIRouter()
MODELS = "/models"
Number = Annotated[int, Query(ge=0, lt=2**63)]
RunId = Annotated[int, Path(ge=1, lt=2**63)]
GeneratorId = Annotated[int, Path(ge=1, lt=2**63)]
REFUSALS = (
    generators.BadGenerator, generators.TooManyGenerators, outside.BadAddress, outside.PrivateAddress,
)  # fmt: skip


@router.get(MODELS)
def list_page(request: Request, session: Db, seat: Researcher, change: Number = 0) -> Response:
    asked = generators.described(generators.generator(session, seat, change)) if change else Described()
    return _list(request, session, seat, asked, change)


def _list(
    request: Request, session: Session, seat: Seat, asked: Described, change: int, refusal: Invalid | None = None
) -> Response:
    rows = generators.generators_of(session, seat.project.id)
    context = {"generators": rows, "asked": asked, "change": change, "numbers": generators.NUMBERS}
    return page(request, "runs/models.html", refusal.status if refusal else 200, refusal=refusal, **context)


@router.post(MODELS)
def save(
    request: Request,
    session: Db,
    seat: Researcher,
    asked: Annotated[Described, Form()],
    change: Number = 0,
) -> Response:
    try:
        generators.save(session, seat, asked, change)
    except REFUSALS as refusal:
        if wants_json(request):
            raise
        return _list(request, session, seat, asked, change, refusal)
    return redirect(f"/projects/{seat.project.slug}/runs/models")


@router.post(MODELS + "/{generator_id:int}/removal")
def remove(session: Db, seat: Researcher, generator_id: GeneratorId) -> Response:
    generators.remove(session, seat, generator_id)
    return redirect(f"/projects/{seat.project.slug}/runs/models")


@router.get("/{run_id:int}/responses")
def responses(request: Request, session: Db, seat: Overseer, run_id: RunId, after: Number = 0) -> Response:
    """The part of the run's page that shows its models side by side, as it is now."""
    run = queries.run(session, seat, run_id)
    return page(request, "runs/_responses.html", run=run, **responding.shown(session, run, after))
