"""Uploads on their way in: kept aside in a folder until somebody has seen the preview and said yes."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson

from app.core import storage
from app.core.errors import Conflict, NotFound
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.samples import sources
from app.samples.unpacking import BadUpload, unpack

KEPT_FOR = 24 * 3600


class AlreadyImported(Conflict):
    """This upload has been imported."""


@dataclass(frozen=True)
class Upload:
    """One upload's folder: the file itself or an unpacked archive under `media`."""

    token: str
    folder: Path

    @property
    def media(self) -> Path:
        return self.folder / "media"

    @property
    def aside(self) -> Path:
        """For what is made of the upload: pictures that rows carry, gathered pairs."""
        return self.folder / "aside"

    @property
    def source(self) -> Path:
        """What holds the records. Raises BadSource."""
        return sources.find_source(self.media)

    @property
    def name(self) -> str:
        return str(orjson.loads((self.folder / "about.json").read_bytes())["name"])


def keep_upload(seat: Seat, name: str, file: IO[bytes]) -> Upload:
    """Put an uploaded file or archive aside. Raises BadUpload, UnsafeArchive, BadSource; then nothing of it stays."""
    sweep(_root(seat))
    token = secrets.token_hex(12)
    upload = Upload(token, _root(seat) / token)
    upload.media.mkdir(parents=True)
    try:
        storage.write_whole(upload.folder / "about.json", orjson.dumps({"name": name[:200], "user": seat.user.id}))
        if not unpack(file, upload.media):
            _keep_file(name, file, upload.media)
        if not upload.source.exists():
            raise BadUpload(_("The upload holds no records."), name[:200])
    except BaseException:
        shutil.rmtree(upload.folder, ignore_errors=True)
        raise
    return upload


def find_upload(seat: Seat, token: str) -> Upload:
    """Raises NotFound for a token that is not of this project."""
    folder = _root(seat) / token
    if not re.fullmatch(r"[0-9a-f]{24}", token) or not folder.is_dir():
        raise NotFound(_("This upload is not here any more; uploads are kept for a day."), "upload")
    return Upload(token, folder)


def _root(seat: Seat) -> Path:
    return storage.root() / "uploads" / str(seat.project.id)


def sweep(root: Path) -> None:
    for folder in root.glob("*"):
        if folder.stat().st_mtime < time.time() - KEPT_FOR:
            shutil.rmtree(folder, ignore_errors=True)


def _keep_file(name: str, file: IO[bytes], folder: Path) -> None:
    ending = Path(name).suffix.lower()
    check_begin(name, ending, file)
    file.seek(0)
    with (folder / f"records{ending}").open("wb") as out:
        shutil.copyfileobj(file, out)


def check_begin(name: str, ending: str, file: IO[bytes]) -> None:
    """Whether a file begins as one of records with this ending does. Raises BadUpload."""
    file.seek(0)
    head = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head:
        raise BadUpload(_("The file is empty."), name[:200])
    if ending not in sources.TABLES or not _begins_well(ending, head):
        raise BadUpload(
            _("This is neither a file of records nor an archive that holds one."),
            name[:200],
            _("Records are read from .jsonl, .json, .csv, .tsv and .parquet, and from a datasets folder."),
        )


def _begins_well(ending: str, head: bytes) -> bool:
    begins = {".jsonl": (b"{",), ".json": (b"{", b"["), ".parquet": (b"PAR1",)}
    return head.startswith(begins[ending]) if ending in begins else bool(head) and b"\0" not in head
