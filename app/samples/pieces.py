"""Uploads in pieces: a large file comes piece by piece, and after a break goes on where it stopped."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path
from urllib.parse import urlencode

import orjson
from pydantic import BaseModel, Field

from app.core import storage
from app.core.errors import Conflict, NotFound, TooLarge
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.samples import staging

LARGEST = 2 * 2**20
LARGEST_WHOLE = 64 * 2**30


class About(BaseModel):
    """What the browser knows of a file before it sends it; the same file chosen again goes on."""

    name: str = Field(min_length=1, max_length=200)
    size: int = Field(ge=1, le=LARGEST_WHOLE)
    changed: int = Field(default=0, ge=0, lt=2**53)
    """Milliseconds since 1970."""


class PieceMisplaced(Conflict):
    """A piece that does not follow what is here: the answer to `begin` says where to go on."""


def begin(seat: Seat, about: About) -> tuple[str, int]:
    """The upload's token, the same for the same file and person, and how many bytes of it are here."""
    known = [seat.user.id, about.name, about.size, about.changed]
    token = hashlib.sha256(orjson.dumps(known)).hexdigest()[:24]
    folder = _root(seat) / token
    staging.sweep(_root(seat))
    storage.write_whole(folder / "about.json", about.model_dump_json().encode())
    (folder / "content").touch()
    return token, (folder / "content").stat().st_size


def add(seat: Seat, token: str, place: int, piece: bytes) -> int:
    """Add bytes at `place`; a piece that came before is passed over. Returns how many bytes are here.

    Raises NotFound, PieceMisplaced, TooLarge.
    """
    folder, about = _find(seat, token)
    there = (folder / "content").stat().st_size
    if place + len(piece) <= there:
        return there
    if place > there or place < 0:
        raise PieceMisplaced(
            _("The piece begins at %(place)s, but %(there)s bytes are here.", place=place, there=there), "place"
        )
    if place + len(piece) > about.size or len(piece) > LARGEST:
        raise TooLarge(_("The piece goes beyond the file."), "piece")
    with (folder / "content").open("r+b") as file:
        file.seek(place)
        file.write(piece)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def complete(seat: Seat, token: str) -> staging.Upload:
    """Put the whole file aside as an upload. Raises NotFound, PieceMisplaced, and as `staging.keep_upload`."""
    folder, about = _find(seat, token)
    there = (folder / "content").stat().st_size
    if there != about.size:
        raise PieceMisplaced(_("%(there)s of %(size)s bytes are here.", there=there, size=about.size), "size")
    with (folder / "content").open("rb") as file:
        kept = staging.keep_upload(seat, about.name, file)
    shutil.rmtree(folder, ignore_errors=True)
    return kept


def as_query(chosen: dict[str, str]) -> str:
    return urlencode({name: value for name, value in chosen.items() if value or name == "shape"})


def _find(seat: Seat, token: str) -> tuple[Path, About]:
    folder = _root(seat) / token
    if not re.fullmatch(r"[0-9a-f]{24}", token) or not (folder / "about.json").exists():
        raise NotFound(_("This upload is not here any more; uploads are kept for a day."), "upload")
    return folder, About.model_validate_json((folder / "about.json").read_bytes())


def _root(seat: Seat) -> Path:
    return storage.root() / "uploads" / str(seat.project.id) / "pieces"
