"""Bringing samples in, and the media that pages show. The list of samples is among the tasks' pages, one's page among
the annotations': they tell of rows that this room does not know."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, File, Request, UploadFile
from fastapi.responses import FileResponse, Response

from app.core import storage
from app.core.db import Db
from app.core.errors import NotFound
from app.core.html import page, redirect
from app.projects.guard import Admin, Member
from app.samples import actions, importing, pictures, queries, staging

router = APIRouter(prefix="/projects/{slug}")
KEPT = "private, max-age=31536000, immutable"


@router.get("/samples/import")
def import_page(request: Request, seat: Admin) -> Response:
    return page(request, "samples/import.html")


@router.post("/samples/imports")
def upload(seat: Admin, file: Annotated[UploadFile, File()]) -> Response:
    kept = staging.keep_upload(seat, file.filename or "upload", file.file)
    return redirect(f"/projects/{seat.project.slug}/samples/imports/{kept.token}")


@router.get("/samples/imports/{token}")
def preview_page(request: Request, seat: Admin, token: str) -> Response:
    kept = staging.find_upload(seat, token)
    if kept.report is not None:
        return page(request, "samples/imported.html", upload=kept, report=kept.report)
    with kept.lines.open("rb") as file:
        first, good, report = importing.preview(importing.lines_of(file), kept.media)
    return page(request, "samples/preview.html", upload=kept, first=first, good=good, report=report)


@router.post("/samples/imports/{token}/confirmation")
def confirm_import(session: Db, seat: Admin, token: str) -> Response:
    actions.import_upload(session, seat, staging.find_upload(seat, token))
    return redirect(f"/projects/{seat.project.slug}/samples/imports/{token}")


@router.get("/media/{medium_id}")
def medium(
    request: Request, session: Db, seat: Member, medium_id: int, size: Literal["display", "thumb", "full"] = "full"
) -> Response:
    """A picture or frame. Its address never changes its content, so browsers keep it; it tells nothing about models."""
    row = queries.medium(session, seat, medium_id)
    tag = f'"{row.blob_sha256[:32]}-{size}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"etag": tag, "cache-control": KEPT})
    original = storage.blob_path(row.blob_sha256)
    if not original.exists():
        raise NotFound("The file of this picture is gone from the storage.", "medium")
    path = original if size == "full" else pictures.rendition(row.blob_sha256, size)
    media_type = row.media_type if path == original else "image/webp"
    return FileResponse(path, media_type=media_type, headers={"etag": tag, "cache-control": KEPT})
