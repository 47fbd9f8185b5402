"""Runs: their list, the form of a new one, the live page and what can be done there."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Header, Path, Query, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from pydantic import Field

from app.core.db import Db, Session
from app.core.errors import Invalid, NotFound
from app.core.html import page, redirect, wants_json
from app.core.language import gettext as _
from app.datasets.uses import DRAWERS, TELLERS
from app.projects.guard import Overseer, Researcher, Seat
from app.runs import (
    actions,
    checkpoint_pages,
    choosing,
    comparison_pages,
    failures,
    following,
    following_pages,
    forms,
    generator_pages,
    group_pages,
    groups,
    lineage,
    live,
    metric_words,
    noticing,
    offering,
    playground_pages,
    queries,
    results,
    uses,
    watching_pages,
    webhook_pages,
    worker_pages,
)
from app.runs.kinds import KINDS
from app.runs.tables import Run
from app.samples import assessments

router = APIRouter(prefix="/projects/{slug}/runs")
router.include_router(comparison_pages.router)
router.include_router(checkpoint_pages.router)
router.include_router(worker_pages.router)
router.include_router(group_pages.router)
router.include_router(watching_pages.router)
router.include_router(following_pages.router)
router.include_router(webhook_pages.router)
router.include_router(generator_pages.router)
router.include_router(playground_pages.router)
TELLERS.append(uses.uses_of)
DRAWERS.append(lineage.of_dataset)
Line = Annotated[str, Query(max_length=200)]
Number = Annotated[int, Query(ge=0, lt=2**63)]
RunId = Annotated[int, Path(ge=1, lt=2**63)]
Key = Annotated[int, Field(ge=1, lt=2**63)]
RUN = "/{run_id:int}"


@router.get("")
def list_page(request: Request, session: Db, seat: Overseer, before: Number = 0) -> Response:
    rows = queries.runs(session, seat, before)
    shown = rows[: queries.PAGE]
    return page(
        request,
        "runs/list.html",
        runs=shown,
        more=shown[-1].id if len(rows) > queries.PAGE else None,
        state_of=queries.state_of,
        reason_of=failures.shown,
        progress=queries.latest_progress(session, [run.id for run in shown if run.ended_at is None]),
        odd=noticing.notes_of(session, shown),
        kinds=KINDS,
        follows=following.follows(session, seat),
    )


@router.get("/new")
def new_page(
    request: Request,
    session: Db,
    seat: Researcher,
    recipe: Line = "reward",
    preset: Line = "",
    like: Number = 0,
    instead: Number = 0,
    of: Number = 0,
) -> Response:
    """like, instead: an earlier run to begin from; of: a run that the new one shall read."""
    if earlier := like or instead:
        return _form(request, session, seat, forms.like(queries.run(session, seat, earlier), instead))
    form = forms.keeping(forms.fresh(recipe, preset, of), request.query_params)
    return _form(request, session, seat, form)


def _form(request: Request, session: Session, seat: Seat, form: forms.Form, status: int = 200) -> Response:
    return page(request, "runs/new.html", status, form=forms.with_choices(session, seat, form), kinds=KINDS)


@router.get("/estimate")
def estimate(request: Request, session: Db, seat: Researcher) -> Response:
    """What the form as it stands would do, as one sentence."""
    form = forms.with_choices(session, seat, forms.sent(request.query_params))
    return PlainTextResponse(form.estimate)


@router.post("")
def start(request: Request, session: Db, seat: Researcher, form: group_pages.Fields) -> Response:
    try:
        plan = forms.plan(session, seat, form)
        forms.refuse_sweep(form)
        instead = form.get("instead")
        run = groups.replace(session, seat, instead, plan) if instead else actions.begin(session, seat, plan)
    except Invalid as refusal:
        if wants_json(request) or form.get("recipe") not in KINDS:
            raise
        return _form(request, session, seat, forms.sent(form, refusal), refusal.status)
    return redirect(_address(seat, run.id))


@router.get(RUN)
def run_page(request: Request, session: Db, seat: Overseer, run_id: RunId, after: Number = 0) -> Response:
    run = queries.run(session, seat, run_id)
    drawn = lineage.of_run(session, seat, run.id)
    context = {**_around(session, run), **results.shown(session, run, after)}
    odd = noticing.notes_of(session, [run])
    return page(request, "runs/run.html", run=run, lineage=drawn, odd=odd, metric_words=metric_words.words(), **context)


def _around(session: Session, run: Run) -> dict[str, Any]:
    progress = queries.latest_progress(session, [run.id]).get(run.id)
    return {
        "kind": KINDS[run.recipe],
        "kinds": KINDS,
        "state": queries.state_of(run),
        "state_of": queries.state_of,
        "waits": queries.waits_for(session, run) if run.ended_at is None and run.claimed_by is None else [],
        "turn": choosing.place(session, run),
        "priorities": choosing.PRIORITIES,
        "progress": progress,
        "failure": failures.shown(run.failure or "", progress),
        "samples": queries.last_of_kind(session, run.id, "sample", 12),
        "readers": queries.readers_of(session, run.id),
        "offered": assessments.standing(session, run.project_id) if run.recipe == "score" else None,
    }


@router.get(RUN + "/events")
def events(
    session: Db,
    seat: Overseer,
    run_id: RunId,
    after: Number = 0,
    last_event_id: Annotated[str, Header(max_length=40)] = "",
) -> Response:
    """What the run reports, from the row `after` or the browser's Last-Event-ID on."""
    queries.run(session, seat, run_id)
    start_at = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 19 else after
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(live.tail(run_id, start_at), media_type="text/event-stream", headers=headers)


@router.get(RUN + "/log")
def log(session: Db, seat: Overseer, run_id: RunId) -> Response:
    """The whole log as text."""
    path = results.log_path(queries.run(session, seat, run_id))
    if not path.is_file():
        raise NotFound(_("This run has no log yet."), f"run {run_id}")
    return PlainTextResponse(path.read_bytes(), headers={"content-disposition": f'inline; filename="run-{run_id}.txt"'})


@router.post(RUN + "/cancellation")
def cancel(session: Db, seat: Researcher, run_id: RunId, reason: Annotated[str, Form(max_length=500)] = "") -> Response:
    actions.cancel(session, seat, run_id, reason)
    return redirect(_address(seat, run_id))


@router.post(RUN + "/priority")
def prioritise(
    session: Db, seat: Researcher, run_id: RunId, priority: Annotated[int, Form(ge=choosing.LOW, le=choosing.HIGH)] = 0
) -> Response:
    choosing.put(session, seat, run_id, priority)
    return redirect(_address(seat, run_id))


@router.post(RUN + "/resumption")
def resume(session: Db, seat: Researcher, run_id: RunId) -> Response:
    actions.resume(session, seat, run_id)
    return redirect(_address(seat, run_id))


@router.post(RUN + "/clones")
def clone(session: Db, seat: Researcher, run_id: RunId) -> Response:
    return redirect(_address(seat, actions.clone(session, seat, run_id).id))


@router.post(RUN + "/offer")
def offer(session: Db, seat: Researcher, run_id: RunId) -> Response:
    offering.offer(session, seat, run_id)
    return redirect(f"{_address(seat, run_id)}#offer")


@router.post(RUN + "/offer-withdrawal")
def withdraw_offer(session: Db, seat: Researcher, run_id: RunId) -> Response:
    offering.withdraw(session, seat, run_id)
    return redirect(f"{_address(seat, run_id)}#offer")


@router.post(RUN + "/approvals")
def approve(
    session: Db,
    seat: Researcher,
    run_id: RunId,
    answer: Annotated[str, Form(pattern="^(approve|decline)$")],
    critique: Annotated[list[Key] | None, Form()] = None,
    after: Annotated[int, Form(ge=0, lt=2**63)] = 0,
) -> Response:
    """Answer the named critiques, or all that are unanswered where none is named."""
    actions.approve(session, seat, run_id, critique, answer == "approve")
    return redirect(f"{_address(seat, run_id)}?after={after}#critiques")


def _address(seat: Seat, run_id: int) -> str:
    return f"/projects/{seat.project.slug}/runs/{run_id}"
