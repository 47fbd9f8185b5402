"""The media that pages show: pictures, their tiles, videos to play. None of it tells anything about models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from app.accounts.guard import Anyone
from app.core.db import Db, Session
from app.core.errors import NotFound
from app.core.html import redirect
from app.core.language import N_
from app.core.language import gettext as _
from app.core.web import FILE_POLICY
from app.projects.guard import Member
from app.samples import queries, renditions, signing
from app.samples.tables import Medium

router = APIRouter(prefix="/projects/{slug}")
signed = APIRouter()
KEPT = {"cache-control": "private, max-age=31536000, immutable", "content-security-policy": FILE_POLICY}
Place = Annotated[int, Path(ge=0, lt=2**16)]


@router.get("/media/{medium_id}")
def medium(
    request: Request, session: Db, seat: Member, medium_id: int, size: Literal["display", "thumb", "full"] = "full"
) -> Response:
    """A picture, frame or video, also in part (range requests). An address never changes its content.

    What is still being prepared answers with a placeholder, or with the whole picture where a browser can take it.
    """
    return _file(request, session, queries.medium(session, seat, medium_id), size)


def _file(request: Request, session: Session, row: Medium, size: str) -> Response:
    found = renditions.file_to_show(row, size)
    if found is None:
        renditions.ask(session, [row])
        return redirect("/static/preparing.svg")
    path, media_type = found
    tag = f'"{row.blob_sha256[:32]}-{size}-{path.suffix.lstrip(".")}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"etag": tag, **KEPT})
    if not path.exists():
        raise NotFound(_("The file of this picture is gone from the storage."), "medium")
    if size != "full" and renditions.needed(row) and not path.suffix:
        renditions.ask(session, [row])
        return FileResponse(path, media_type=media_type, headers={**KEPT, "cache-control": "no-store"})
    return FileResponse(path, media_type=media_type, headers={"etag": tag, **KEPT})


@router.get("/media/{medium_id}/address")
def address(
    session: Db, seat: Member, medium_id: int, size: Literal["display", "thumb", "full"] = "full"
) -> JSONResponse:
    """An address of the medium that works without a sign-in for one to two hours, such as for a model's server."""
    url, until = signing.address(queries.medium(session, seat, medium_id), size)
    return JSONResponse({"url": url, "until": until})


@signed.get("/signed-media/{sha256}/{size}", dependencies=[Anyone])
def signed_medium(
    request: Request,
    session: Db,
    sha256: str,
    size: Literal["display", "thumb", "full"],
    until: Annotated[int, Query(ge=0, lt=2**40)] = 0,
    signature: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """The same file as the medium's own address, for whoever holds this one; its signature is asked, nobody's name."""
    return _file(request, session, signing.medium_of(session, sha256, size, until, signature), size)


@router.get("/media/{medium_id}/tiles/{level}/{column}/{row}")
def tile(session: Db, seat: Member, medium_id: int, level: Place, column: Place, row: Place) -> Response:
    """512 × 512 pixels of a large picture; the highest level is the picture itself, each lower one half of it."""
    path = renditions.tile(queries.medium(session, seat, medium_id), level, column, row)
    if not path.exists():
        raise NotFound(_("The picture has no such tile."), "tile")
    return FileResponse(path, media_type="image/jpeg", headers=KEPT)


@router.get("/media/{medium_id}/preparation")
def preparation(session: Db, seat: Member, medium_id: int) -> JSONResponse:
    """Whether the medium is ready to be shown, how far it is, or why it will not be."""
    row = queries.medium(session, seat, medium_id)
    known = renditions.about(row.blob_sha256)
    if known is None and renditions.needed(row):
        renditions.ask(session, [row])
        return JSONResponse({"state": "preparing", "percent": renditions.percent(row.blob_sha256)})
    return JSONResponse({"state": "failed" if known and "error" in known else "ready", **shown(seat.project.slug, row)})


def shown(slug: str, medium: Medium) -> dict[str, Any]:
    """What the viewer needs to know of a medium: its addresses, its size, and what is ready."""
    at, known = f"/projects/{slug}/media/{medium.id}", renditions.about(medium.blob_sha256)
    failed = known is not None and "error" in known
    video = medium.kind == "video"
    nameless = {"frame": N_("Frame %(number)s"), "video": N_("Video %(number)s"), "image": N_("Picture %(number)s")}
    return {
        "id": medium.id,
        "kind": medium.kind,
        "url": f"{at}?size=display",
        "full": at,
        "thumb": f"{at}?size=thumb",
        "alt": medium.alt or _(nameless[medium.kind], number=medium.position + 1),
        "width": medium.width,
        "height": medium.height,
        "preparation": f"{at}/preparation",
        "ready": known is not None and not failed if video or renditions.is_tiled(medium) else True,
        "fault": f"{known['error']}: {known['message']}" if known and failed else "",
        "tiles": f"{at}/tiles" if known and known.get("levels") else "",
        "levels": known.get("levels", 0) if known else 0,
        "fps": known.get("fps", 25) if known and video else None,
        "seconds": medium.at_seconds if not video else known.get("seconds") if known else None,
    }
