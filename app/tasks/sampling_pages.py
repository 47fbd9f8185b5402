"""Sampling: the form with the composition that it makes, the picks that were kept, and tasks cut from one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response

from app.core.db import Db, Session
from app.core.errors import Refusal
from app.core.html import page, redirect, wants_json
from app.projects.guard import Admin, Overseer, Seat
from app.samples import picking
from app.tasks import samplings

router = APIRouter()
SamplingId = Annotated[int, Path(ge=1, lt=2**63)]


async def fields(request: Request) -> dict[str, str]:
    """A form's fields as text."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


Fields = Annotated[dict[str, str], Depends(fields)]


@router.get("/samplings")
def list_page(request: Request, session: Db, seat: Overseer) -> Response:
    return page(request, "samplings/list.html", rows=samplings.of_project(session, seat))


@router.get("/samplings/new")
def new_page(request: Request, session: Db, seat: Admin) -> Response:
    return _form(request, session, seat, {})


def _form(
    request: Request, session: Session, seat: Seat, form: dict[str, str], refusal: Refusal | None = None
) -> Response:
    usual = picking.Rule()
    shown = {"per_cluster": str(usual.per_cluster), "seed": "0", "hold": "on", "fresh": "on"}
    shown |= {f"weight-{group}": str(weight) for group, weight in usual.weights.items()}
    context: dict[str, Any] = {"form": form or shown, "refusal": refusal}
    context |= {"lines": []} if refusal else {**_outcome(session, seat, form), "refusal": None}
    return page(request, "samplings/new.html", refusal.status if refusal else 200, **context)


def _outcome(session: Session, seat: Seat, form: dict[str, str]) -> dict[str, Any]:
    """What the form as it stands would pick; counted, not picked."""
    rule, fresh = samplings.read(form)
    there = samplings.counts(session, seat, fresh)
    got = picking.quotas(there, rule)
    return {
        "lines": samplings.composition(picking.totals(there), picking.totals(got)),
        "clusters": len({each.cluster for each in got}),
        "limiting": picking.limiting(there, rule) if rule.hold else "",
        "size": sum(got.values()),
        "refusal": None,
    }


@router.get("/samplings/composition")
def composition(request: Request, session: Db, seat: Admin) -> Response:
    """The part of the form that changes with its numbers."""
    try:
        context = _outcome(session, seat, dict(request.query_params))
    except samplings.BadRule as refusal:
        context = {"lines": [], "refusal": refusal}
    return page(request, "samplings/_composition.html", **context)


@router.post("/samplings")
def make(request: Request, session: Db, seat: Admin, form: Fields) -> Response:
    try:
        rule, fresh = samplings.read(form)
        row = samplings.make(session, seat, form.get("name", ""), rule, fresh)
    except (samplings.BadRule, samplings.NothingPicked) as refusal:
        if wants_json(request):
            raise
        return _form(request, session, seat, form, refusal)
    return redirect(_address(seat, row.id))


@router.get("/samplings/{sampling_id:int}")
def sampling_page(request: Request, session: Db, seat: Overseer, sampling_id: SamplingId) -> Response:
    row = samplings.one(session, seat, sampling_id)
    got = samplings.picked(session, row)
    context: dict[str, Any] = {
        "row": row,
        "lines": samplings.composition(row.raw, picking.totals(got)),
        "clusters": len({each.cluster for each in got}),
        "limiting": "",
        "size": row.size,
        "refusal": None,
    }
    return page(request, "samplings/sampling.html", **context, **samplings.standing(session, row))


@router.post("/samplings/{sampling_id:int}/tasks")
def cut(session: Db, seat: Admin, sampling_id: SamplingId) -> Response:
    samplings.cut(session, seat, sampling_id)
    return redirect(_address(seat, sampling_id))


def _address(seat: Seat, sampling_id: int) -> str:
    return f"/projects/{seat.project.slug}/samplings/{sampling_id}"
