"""The samples of a project with the state of their tasks; cutting tasks; what an annotator does with a task besides
annotating it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response

from app.core.db import Db
from app.core.html import page, redirect, wants_json
from app.projects.guard import Admin, Annotator, Overseer
from app.samples import curating
from app.samples.queries import PAGE, Filters, count, matching, page_of
from app.samples.tables import DANGERS, DOMAINS, QUESTION_TYPES
from app.tasks import actions, curating_pages, flags, queries, queue_pages, sampling_pages, samplings
from app.tasks.tables import FLAG_KINDS

router = APIRouter(prefix="/projects/{slug}")
router.include_router(queue_pages.router)
router.include_router(sampling_pages.router)
router.include_router(curating_pages.router)
Line = Annotated[str, Query(max_length=200)]
Note = Annotated[str, Form(max_length=100_000)]


@router.get("/samples")
def samples(
    request: Request,
    session: Db,
    seat: Overseer,
    filters: Annotated[Filters, Depends(curating_pages.filters_of)],
    state: Line = "",
    sampling: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
) -> Response:
    query = samplings.within(queries.in_state(matching(seat, filters), state), sampling)
    rows = page_of(session, query, after)
    return page(
        request,
        "samples/list.html",
        rows=rows[:PAGE],
        more=rows[PAGE - 1].id if len(rows) > PAGE else None,
        states=queries.states_of(session, [row.id for row in rows]),
        aside=curating.aside_of(session, [row.id for row in rows]),
        total=count(session, query),
        short=queries.short_of_tasks(session, seat.project),
        progress=queries.progress(session, seat.project.id),
        filters=filters,
        tags=curating.tags(session, seat),
        state=state,
        sampling=samplings.one(session, seat, sampling) if sampling else None,
        after=after,
        domains=DOMAINS,
        question_types=QUESTION_TYPES,
        dangers=DANGERS,
    )


@router.post("/tasks")
def cut_tasks(session: Db, seat: Admin) -> Response:
    actions.cut_tasks(session, seat.project, seat.user)
    return redirect(f"/projects/{seat.project.slug}/samples")


@router.post("/tasks/{task_id}/skip")
def skip(session: Db, seat: Annotator, task_id: int, reason: Note = "") -> Response:
    actions.skip(session, seat, task_id, reason)
    return redirect(f"/projects/{seat.project.slug}/annotate")


@router.post("/tasks/{task_id}/release")
def release(session: Db, seat: Annotator, task_id: int) -> Response:
    actions.release(session, seat, task_id)
    return redirect(f"/projects/{seat.project.slug}")


@router.post("/tasks/{task_id}/flags")
def flag(
    request: Request,
    session: Db,
    seat: Annotator,
    task_id: int,
    kind: Annotated[str, Form(max_length=40)],
    note: Note = "",
) -> Response:
    flags.flag(session, seat, task_id, kind, note)
    if wants_json(request):  # the annotate page stays as it is
        return Response(status_code=204)
    return redirect(f"/projects/{seat.project.slug}/annotate/{task_id}")


@router.get("/flags")
def list_flags(
    request: Request,
    session: Db,
    seat: Admin,
    state: Line = "open",
    kind: Line = "",
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    rows = flags.listed(session, seat, state == "resolved", kind, before)
    return page(
        request,
        "tasks/flags.html",
        flags=rows[: flags.PAGE],
        more=rows[flags.PAGE - 1].id if len(rows) > flags.PAGE else None,
        open_flags=flags.count_open(session, seat.project.id),
        state=state,
        kind=kind,
        kinds=FLAG_KINDS,
    )


@router.post("/flags/{flag_id}/resolution")
def resolve_flag(session: Db, seat: Admin, flag_id: int, note: Note = "") -> Response:
    flags.resolve(session, seat, flag_id, note)
    return redirect(f"/projects/{seat.project.slug}/flags")
