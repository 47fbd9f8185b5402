"""Chains and sweeps: their forms, their list, and the page of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import PlainTextResponse, Response

from app.core.db import Db, Session
from app.core.errors import Invalid
from app.core.html import page, redirect, wants_json
from app.projects.guard import Overseer, Researcher, Seat
from app.runs import chaining, forms, groups, queries, results, sweeping
from app.runs.kinds import KINDS
from app.runs.refusals import UnknownRecipe

router = APIRouter()
GroupId = Annotated[int, Path(ge=1, lt=2**63)]
GROUP = "/groups/{group_id:int}"


async def fields(request: Request) -> dict[str, str]:
    """A form's fields as text; the recipe decides which there are."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


Fields = Annotated[dict[str, str], Depends(fields)]


@router.get("/chains/new")
def new_chain(request: Request, session: Db, seat: Researcher, preset: str = "") -> Response:
    return _chain(request, session, seat, chaining.keeping(chaining.fresh(preset), request.query_params))


def _chain(request: Request, session: Session, seat: Seat, chain: chaining.Chain, status: int = 200) -> Response:
    shown = chaining.with_choices(session, seat, chain)
    return page(request, "runs/chain.html", status, chain=shown, kinds=KINDS, presets=chaining.presets())


@router.get("/chains/estimate")
def estimate_chain(request: Request, session: Db, seat: Researcher) -> Response:
    """What each step of the form as it stands would do, a line a step."""
    chain = chaining.with_choices(session, seat, chaining.sent(request.query_params))
    return PlainTextResponse(chain.estimate())


@router.post("/chains")
def start_chain(request: Request, session: Db, seat: Researcher, form: Fields) -> Response:
    try:
        row = chaining.start(session, seat, form)
    except Invalid as refusal:
        if wants_json(request):
            raise
        return _chain(request, session, seat, chaining.sent(form, refusal), refusal.status)
    return redirect(_address(seat, row.id))


@router.post("/sweeps")
def start_sweep(request: Request, session: Db, seat: Researcher, form: Fields) -> Response:
    try:
        row = sweeping.start(session, seat, form)
    except UnknownRecipe:
        raise
    except Invalid as refusal:
        if wants_json(request):
            raise
        shown = forms.with_choices(session, seat, forms.sent(form, refusal))
        return page(request, "runs/new.html", refusal.status, form=shown, kinds=KINDS)
    return redirect(_address(seat, row.id))


@router.get("/groups")
def list_groups(request: Request, session: Db, seat: Overseer) -> Response:
    return page(request, "runs/groups.html", groups=groups.of_project(session, seat), titles=groups.TITLES)


@router.get(GROUP)
def group_page(request: Request, session: Db, seat: Overseer, group_id: GroupId) -> Response:
    return page(request, "runs/group.html", **_around(session, groups.one(session, seat, group_id)))


@router.get(GROUP + "/state")
def group_state(request: Request, session: Db, seat: Overseer, group_id: GroupId) -> Response:
    """The part of the page that changes by itself."""
    return page(request, "runs/_group_state.html", **_around(session, groups.one(session, seat, group_id)))


def _around(session: Session, group: groups.Group) -> Mapping[str, Any]:
    names, points = groups.points(group)
    return {
        "group": group,
        "titles": groups.TITLES,
        "kinds": KINDS,
        "state_of": queries.state_of,
        "waits": {run.id: queries.waits_for(session, run) for run in group.runs if run.ended_at is None},
        "progress": queries.latest_progress(session, [run.id for run in group.runs if run.ended_at is None]),
        "names": names,
        "points": points,
        "labels": results.LABELS,
    }


@router.post(GROUP + "/cancellation")
def cancel(
    session: Db, seat: Researcher, group_id: GroupId, reason: Annotated[str, Form(max_length=500)] = ""
) -> Response:
    groups.cancel(session, seat, group_id, reason)
    return redirect(_address(seat, group_id))


@router.post(GROUP + "/resumption")
def resume(session: Db, seat: Researcher, group_id: GroupId) -> Response:
    groups.resume(session, seat, group_id)
    return redirect(_address(seat, group_id))


def _address(seat: Seat, group_id: int) -> str:
    return f"/projects/{seat.project.slug}/runs/groups/{group_id}"
