"""Bringing samples in. The list of samples is among the tasks' pages, one's page among
the annotations': they tell of rows that this room does not know."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Request, UploadFile
from fastapi.responses import Response

from app.core.db import Db
from app.core.html import page, redirect
from app.projects.guard import Admin
from app.samples import actions, importing, media, staging

router = APIRouter()
router.include_router(media.router)
AT = "/projects/{slug}"


@router.get(AT + "/samples/import")
def import_page(request: Request, seat: Admin) -> Response:
    return page(request, "samples/import.html")


@router.post(AT + "/samples/imports")
def upload(seat: Admin, file: Annotated[UploadFile, File()]) -> Response:
    kept = staging.keep_upload(seat, file.filename or "upload", file.file)
    return redirect(f"/projects/{seat.project.slug}/samples/imports/{kept.token}")


@router.get(AT + "/samples/imports/{token}")
def preview_page(request: Request, seat: Admin, token: str) -> Response:
    kept = staging.find_upload(seat, token)
    if kept.report is not None:
        return page(request, "samples/imported.html", upload=kept, report=kept.report)
    with kept.lines.open("rb") as file:
        first, good, report = importing.preview(importing.lines_of(file), kept.media)
    return page(request, "samples/preview.html", upload=kept, first=first, good=good, report=report)


@router.post(AT + "/samples/imports/{token}/confirmation")
def confirm_import(session: Db, seat: Admin, token: str) -> Response:
    actions.import_upload(session, seat, staging.find_upload(seat, token))
    return redirect(f"/projects/{seat.project.slug}/samples/imports/{token}")
