"""The register of checkpoints: what is there, who promoted it and why, and what may be done with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as Folder
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from app.accounts.actions import audit
from app.core.db import Db, Session
from app.core.errors import Invalid, NotFound
from app.core.html import page, redirect, wants_json
from app.core.language import gettext as _
from app.datasets import zipping
from app.projects.guard import Overseer, Researcher, Seat
from app.runs import discarding, pushing, registry, results, retention
from app.runs.refusals import BadRule
from app.runs.retention import Rule
from app.runs.tables import Checkpoint

router = APIRouter(prefix="/checkpoints")
Number = Annotated[int, Path(ge=1, lt=2**63)]
Reason = Annotated[str, Form(max_length=2000)]
ONE = "/{checkpoint_id:int}"


@router.get("")
def list_page(request: Request, session: Db, seat: Overseer, deleted: bool = False) -> Response:
    found = registry.checkpoints(session, seat, gone=deleted)
    rule = registry.rule(session, seat.project.id)
    words: dict[str, Any] = {"checkpoints": found, "sizes": _sizes(found), "rule": rule, "deleted": deleted}
    return page(request, "runs/checkpoints.html", **words, **_words())


def _sizes(found: list[Checkpoint]) -> dict[int, int]:
    return {one.id: one.deletion.bytes if one.deletion else registry.size_of(registry.folder_of(one)) for one in found}


def _words() -> dict[str, Any]:
    return {"standing_of": registry.standing_of, "numbers": results.numbers, "kinds": registry.KINDS}


@router.get("/retention")
def retention_page(
    request: Request,
    session: Db,
    seat: Researcher,
    keep_last: Annotated[int | None, Query()] = None,
    keep_best: Annotated[int | None, Query()] = None,
    min_days: Annotated[int | None, Query()] = None,
    applies: bool = False,
) -> Response:
    """The rule that holds, or another one to try; what would go under it is shown before anything does."""
    now = retention.rule_of(session, seat.project.id)
    asked = {"keep_last": keep_last, "keep_best": keep_best, "min_days": min_days}
    given = {name: value for name, value in asked.items() if value is not None}
    given |= {"applies": applies} if given else {}
    return _retention(request, session, seat, Rule(**{**vars(now), **given}))


def _retention(request: Request, session: Session, seat: Seat, rule: Rule, refusal: Invalid | None = None) -> Response:
    try:
        fates = [] if refusal else retention.preview(session, seat.project.id, rule)
    except BadRule as problem:
        refusal, fates = problem, []
    context = {"asked": rule, "fates": fates, "refusal": refusal, "rule": registry.rule(session, seat.project.id)}
    sizes = {one.id: discarding.freed_by(one) for one, fate in fates if fate.goes}
    status = refusal.status if refusal else 200
    return page(request, "runs/retention.html", status, sizes=sizes, **context, **_words())


@router.post("/retention")
def decide(
    request: Request,
    session: Db,
    seat: Researcher,
    keep_last: Annotated[int, Form()],
    keep_best: Annotated[int, Form()],
    min_days: Annotated[int, Form()],
    applies: Annotated[bool, Form()] = False,
) -> Response:
    rule = Rule(applies, keep_last, keep_best, min_days)
    try:
        retention.decide(session, seat, rule)
    except BadRule as refusal:
        if wants_json(request):
            raise
        return _retention(request, session, seat, rule, refusal)
    return redirect(f"/projects/{seat.project.slug}/runs/checkpoints/retention")


@router.get(ONE)
def checkpoint_page(request: Request, session: Db, seat: Overseer, checkpoint_id: Number) -> Response:
    return _page(request, session, seat, checkpoint_id)


def _page(
    request: Request, session: Session, seat: Seat, checkpoint_id: int, refusal: Invalid | None = None
) -> Response:
    one = registry.checkpoint(session, seat, checkpoint_id)
    context = {"size": _sizes([one])[one.id], "users": discarding.users_of(session, one), "roots": pushing.roots()}
    status = refusal.status if refusal else 200
    return page(request, "runs/checkpoint.html", status, checkpoint=one, refusal=refusal, **context, **_words())


@router.post(ONE + "/promotions")
def promote(
    request: Request,
    session: Db,
    seat: Researcher,
    checkpoint_id: Number,
    standing: Annotated[Literal["candidate", "current"], Form()],
    reason: Reason = "",
) -> Response:
    try:
        registry.promote(session, seat, checkpoint_id, standing, reason)
    except Invalid as refusal:
        return _again(request, session, seat, checkpoint_id, refusal)
    return redirect(_address(seat, checkpoint_id))


def _again(request: Request, session: Session, seat: Seat, checkpoint_id: int, refusal: Invalid) -> Response:
    """The page with what is wrong, for who reads pages."""
    if wants_json(request):
        raise refusal
    return _page(request, session, seat, checkpoint_id, refusal)


@router.post(ONE + "/withdrawal")
def withdraw(request: Request, session: Db, seat: Researcher, checkpoint_id: Number, reason: Reason = "") -> Response:
    try:
        registry.withdraw(session, seat, checkpoint_id, reason)
    except Invalid as refusal:
        return _again(request, session, seat, checkpoint_id, refusal)
    return redirect(_address(seat, checkpoint_id))


@router.post(ONE + "/pushes")
def push(
    request: Request,
    session: Db,
    seat: Researcher,
    checkpoint_id: Number,
    root: Annotated[str, Form(max_length=500)] = "",
    folder: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    try:
        pushing.ask(session, seat, checkpoint_id, root, folder)
    except Invalid as refusal:
        return _again(request, session, seat, checkpoint_id, refusal)
    return redirect(_address(seat, checkpoint_id))


@router.get(ONE + "/download")
def download(session: Db, seat: Researcher, checkpoint_id: Number) -> Response:
    """The checkpoint's folder as a ZIP, written while it is sent."""
    one = registry.checkpoint(session, seat, checkpoint_id)
    folder = registry.folder_of(one)
    if one.deletion is not None or not folder.is_dir():
        raise NotFound(_("The files of this checkpoint are gone from the storage."), f"checkpoint {checkpoint_id}")
    name = f"{seat.project.slug}-run-{one.run_id}-{one.kind}"
    audit(session, seat.user, "checkpoint.exported", f"run {one.run_id}", seat.project.id, sha256=one.sha256)
    headers = {"content-disposition": f'attachment; filename="{name}.zip"'}
    return StreamingResponse(zipping.archive(_members(folder, name)), media_type="application/zip", headers=headers)


def _members(folder: Folder, name: str) -> Iterator[zipping.Member]:
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        yield f"{name}/{path.relative_to(folder).as_posix()}", path


@router.get(ONE + "/deletion")
def deletion_page(request: Request, session: Db, seat: Researcher, checkpoint_id: Number) -> Response:
    """What depends on the checkpoint, before anything goes."""
    return _deletion(request, session, seat, checkpoint_id)


def _deletion(
    request: Request, session: Session, seat: Seat, checkpoint_id: int, refusal: Invalid | None = None
) -> Response:
    one = registry.checkpoint(session, seat, checkpoint_id)
    users = discarding.users_of(session, one)
    questions = discarding.questions_of(session, one)
    obstacle = discarding.obstacle(one, users, questions)
    context = {
        "users": users,
        "questions": questions,
        "obstacle": obstacle,
        "freed": discarding.freed_by(one),
        "refusal": refusal,
    }
    status = refusal.status if refusal else 200
    return page(request, "runs/checkpoint_deletion.html", status, checkpoint=one, **context, **_words())


@router.post(ONE + "/deletion")
def delete(request: Request, session: Db, seat: Researcher, checkpoint_id: Number, reason: Reason = "") -> Response:
    try:
        discarding.delete(session, seat, checkpoint_id, reason)
    except Invalid as refusal:
        if wants_json(request):
            raise
        return _deletion(request, session, seat, checkpoint_id, refusal)
    return redirect(f"/projects/{seat.project.slug}/runs/checkpoints?deleted=1")


def _address(seat: Seat, checkpoint_id: int) -> str:
    return f"/projects/{seat.project.slug}/runs/checkpoints/{checkpoint_id}"
