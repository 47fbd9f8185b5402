"""Annotating as JSON: the annotate page's own calls, and anybody else's with the same rights."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import JSONResponse, Response

from app.annotations import actions, queries, second_thoughts
from app.annotations.schemas import BadAnnotation
from app.annotations.tables import Annotation, Draft
from app.core.db import Db, Session, take_back
from app.core.errors import NotFound, Refusal
from app.core.html import answer_refusal
from app.core.language import gettext as _
from app.projects.guard import Annotator, Seat
from app.tasks import actions as tasks
from app.tasks import ahead
from app.tasks import queries as task_queries
from app.tasks.tables import Lease, Task

router = APIRouter(prefix="/api/v1/projects/{slug}")
Number = Annotated[float, Body(ge=0, le=1e7, allow_inf_nan=False)]
Object = Annotated[dict[str, Any], Body()]


@router.post("/leases")
def lease_next(session: Db, seat: Annotator) -> Response:
    """The next task, held for the caller; 204 when nothing is left."""
    lease = tasks.lease_next(session, seat)
    if lease is None:
        return Response(status_code=204)
    task = task_queries.task(session, seat, lease.task_id)
    return JSONResponse(_as_json(seat, task, lease, queries.draft(session, seat.user, task.id)), 201)


@router.get("/tasks/{task_id}/draft")
def read_draft(session: Db, seat: Annotator, task_id: int) -> JSONResponse:
    task_queries.task(session, seat, task_id)
    draft = queries.draft(session, seat.user, task_id)
    if draft is None:
        raise NotFound(_("There is no draft of yours for this task."), "draft")
    return JSONResponse(_draft(draft))


@router.put("/tasks/{task_id}/draft")
def save_draft(
    session: Db,
    seat: Annotator,
    task_id: int,
    content: Object,
    version: Annotated[int | None, Body()] = None,
    active_seconds: Number = 0.0,
    revision: Annotated[int | None, Body()] = None,
) -> JSONResponse:
    """version: the one that this content builds on; 409 with the kept content where another device saved meanwhile.

    Answers with the new version, and whether the caller still holds the task (or needs not, for second thoughts).
    """
    draft = actions.save_draft(session, seat, task_id, content, version, active_seconds, revision)
    held = revision is not None or task_queries.holds(session, seat.user, task_id)
    return JSONResponse({"version": draft.version, "held": held})


@router.post("/reservations")
def reserve_next(session: Db, seat: Annotator) -> Response:
    """Keep the caller's next task ready while they work on this one: its page's address; 204 when there is none."""
    lease = ahead.reserve_next(session, seat)
    if lease is None:
        return Response(status_code=204)
    return JSONResponse({"task": lease.task_id, "page": _page(seat, lease)}, 201)


@router.post("/tasks/{task_id}/annotation")
def submit(
    request: Request,
    session: Db,
    seat: Annotator,
    task_id: int,
    content: Object,
    key: Annotated[str, Body(max_length=200)],
    active_seconds: Number = 0.0,
    go_on: Annotated[bool, Body()] = False,
) -> Response:
    """201 with the annotation; sent again with the same key, the same answer. Refused work is kept as a draft.

    go_on: lease the next task too; the answer then names its page.
    """
    try:
        annotation = actions.submit(session, seat, task_id, content, key, active_seconds)
    except Refusal as refusal:
        take_back(session)  # all that was begun: a savepoint would cost every submission two rounds
        _keep_what_came(session, seat, task_id, content, active_seconds)
        return answer_refusal(request, refusal)
    return JSONResponse(_annotation(annotation) | (_next(session, seat) if go_on else {}), 201)


@router.post("/annotations/{annotation_id}/withdrawal")
def withdraw(session: Db, seat: Annotator, annotation_id: int) -> JSONResponse:
    """Undo one's own submission within a minute: its task is open again with the content as its draft."""
    lease = second_thoughts.withdraw(session, seat, annotation_id)
    return JSONResponse({"task": lease.task_id, "page": _page(seat, lease)})


@router.post("/annotations/{annotation_id}/revisions")
def revise(
    session: Db,
    seat: Annotator,
    annotation_id: int,
    content: Object,
    revision: Annotated[int, Body()],
    key: Annotated[str, Body(min_length=1, max_length=200)],
    active_seconds: Number = 0.0,
) -> JSONResponse:
    """revision: the number of the one that this builds on; 409 where a reviewer came first."""
    annotation = second_thoughts.revise(session, seat, annotation_id, content, revision, key, active_seconds)
    return JSONResponse(_annotation(annotation), 201)


def _next(session: Session, seat: Seat) -> dict[str, str]:
    lease = ahead.go_on(session, seat)
    return {"next": _page(seat, lease) if lease else f"/projects/{seat.project.slug}/annotate"}


def _page(seat: Seat, lease: Lease) -> str:
    """Named by the lease too: a browser that has fetched it ahead keeps it for this one opening."""
    return f"/projects/{seat.project.slug}/annotate/{lease.task_id}?lease={lease.id}"


def _keep_what_came(session: Session, seat: Seat, task_id: int, content: dict[str, Any], active_seconds: float) -> None:
    try:
        with session.begin_nested():
            actions.keep(session, seat, task_id, content, active_seconds)
    except (Refusal, BadAnnotation):
        pass  # what cannot even be a draft, or is annotated already, leaves things as they are


def _annotation(annotation: Annotation) -> dict[str, Any]:
    return {
        "id": annotation.id,
        "task": annotation.task_id,
        "state": annotation.state,
        "revision": annotation.latest.number,
    }


def _draft(draft: Draft) -> dict[str, Any]:
    return {"version": draft.version, "content": draft.content, "active_seconds": draft.active_seconds}


def _as_json(seat: Seat, task: Task, lease: Lease, draft: Draft | None) -> dict[str, Any]:
    """What an annotator may know of a task: everything but who wrote the responses."""
    texts = {response.id: response.text for response in task.sample.responses}
    return {
        "task": task.id,
        "expires_at": lease.expires_at.isoformat(),
        "prompt": task.sample.prompt,
        "media": [
            {"kind": medium.kind, "url": f"/projects/{seat.project.slug}/media/{medium.id}"}
            for medium in task.sample.media
        ],
        "responses": [{"id": str(number), "text": texts[number]} for number in lease.order],
        "rubric": seat.rubric.model_dump(),
        "draft": _draft(draft) if draft else None,
    }
