"""Bringing samples in. The list of samples is among the tasks' pages, one's page among
the annotations': they tell of rows that this room does not know."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, File, Request, UploadFile
from fastapi.responses import JSONResponse, Response

from app.core.db import Db
from app.core.html import page, redirect
from app.projects.guard import Admin
from app.samples import actions, imports, mapping, media, pieces, queries, shapes, staging
from app.samples.importing import Fault

router = APIRouter()
router.include_router(media.router)
router.include_router(media.signed)
AT = "/projects/{slug}/samples"


async def form_of(request: Request) -> dict[str, str]:
    """The form's text fields: which there are depends on the file's columns."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


Form = Annotated[dict[str, str], Depends(form_of)]


@router.get(AT + "/import")
def import_page(request: Request, session: Db, seat: Admin) -> Response:
    return page(request, "samples/import.html", piece=pieces.LARGEST, recent=queries.imports(session, seat))


@router.post(AT + "/imports")
def upload(seat: Admin, file: Annotated[UploadFile, File()]) -> Response:
    kept = staging.keep_upload(seat, file.filename or "upload", file.file)
    return redirect(f"/projects/{seat.project.slug}/samples/imports/{kept.token}")


@router.post(AT + "/uploads")
def begin_upload(seat: Admin, about: Annotated[pieces.About, Body()]) -> JSONResponse:
    """How much of the file is here already: where its sender goes on."""
    token, there = pieces.begin(seat, about)
    return JSONResponse({"token": token, "there": there})


@router.put(AT + "/uploads/{pieces_token}/pieces/{place}")
async def add_piece(request: Request, seat: Admin, pieces_token: str, place: int) -> JSONResponse:
    return JSONResponse({"there": pieces.add(seat, pieces_token, place, await request.body())})


@router.post(AT + "/uploads/{pieces_token}/completion")
def complete_upload(seat: Admin, pieces_token: str) -> JSONResponse:
    kept = pieces.complete(seat, pieces_token)
    return JSONResponse({"at": f"/projects/{seat.project.slug}/samples/imports/{kept.token}"})


@router.get(AT + "/imports/{token}")
def preview_page(request: Request, session: Db, seat: Admin, token: str) -> Response:
    if row := imports.of_upload(session, seat.project, token, dry=False):
        return page(request, "samples/imported.html", row=row, faults=[Fault(*fault) for fault in row.faults])
    kept = staging.find_upload(seat, token)
    found = actions.look_at(session, seat, kept, dict(request.query_params))
    tried: Any = imports.of_upload(session, seat.project, token, dry=True)
    faults = [Fault(*fault) for fault in tried.faults] if tried else []
    more: dict[str, Any] = {"shapes": shapes.SHAPES, "fields": mapping.FIELDS, "replies": mapping.REPLIES}
    return page(request, "samples/preview.html", upload=kept, look=found, tried=tried, tried_faults=faults, **more)


@router.post(AT + "/imports/{token}/confirmation")
def confirm_import(session: Db, seat: Admin, token: str, chosen: Form) -> Response:
    actions.begin_import(session, seat, staging.find_upload(seat, token), chosen)
    return redirect(f"/projects/{seat.project.slug}/samples/imports/{token}")


@router.post(AT + "/imports/{token}/rehearsal")
def rehearse_import(session: Db, seat: Admin, token: str, chosen: Form) -> Response:
    """A dry run over the whole file."""
    actions.begin_import(session, seat, staging.find_upload(seat, token), chosen, dry=True)
    return redirect(f"/projects/{seat.project.slug}/samples/imports/{token}?{pieces.as_query(chosen)}")
