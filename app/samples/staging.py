"""Uploads on their way in: kept aside in a folder until somebody has seen the preview and said yes."""

from __future__ import annotations

import re
import secrets
import shutil
import stat
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson

from app.core import storage
from app.core.errors import Conflict, Invalid, NotFound
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.samples.importing import Fault, Report

KEPT_FOR = 24 * 3600
MOST_FILES = 50_000
LARGEST_UNPACKED = 8 * 2**30
MOST_INFLATION = 200
"""A file that unpacks to more than so many times its packed size is taken for a bomb."""


class BadUpload(Invalid):
    """A file that is neither lines of JSON nor an archive holding them with their media."""


class UnsafeArchive(BadUpload):
    """An archive with paths that lead outside, links, or far more content than it seems."""


class AlreadyImported(Conflict):
    """This upload has been imported."""


@dataclass(frozen=True)
class Upload:
    """One upload's folder: `lines.jsonl` or an unpacked archive under `media`, and the report once it is imported."""

    token: str
    folder: Path

    @property
    def lines(self) -> Path:
        loose = self.folder / "lines.jsonl"
        return loose if loose.exists() else _only_jsonl(self.media)

    @property
    def media(self) -> Path:
        """The folder that the lines' paths start from: the one in which an archive's .jsonl lies."""
        root = self.folder / "media"
        return _only_jsonl(root).parent if any(root.rglob("*.jsonl")) else root

    @property
    def name(self) -> str:
        return str(orjson.loads((self.folder / "about.json").read_bytes())["name"])

    @property
    def report(self) -> Report | None:
        path = self.folder / "report.json"
        if not path.exists():
            return None
        kept = orjson.loads(path.read_bytes())
        return Report(**{**kept, "faults": [Fault(*fault) for fault in kept["faults"]]})

    def keep_report(self, report: Report) -> None:
        storage.write_whole(
            self.folder / "report.json",
            orjson.dumps({**vars(report), "faults": [list(each) for each in report.faults]}),
        )


def keep_upload(seat: Seat, name: str, file: IO[bytes]) -> Upload:
    """Put an uploaded .jsonl or .zip aside. Raises BadUpload, UnsafeArchive; then nothing of it stays."""
    _sweep(_root(seat))
    token = secrets.token_hex(12)
    upload = Upload(token, _root(seat) / token)
    (upload.folder / "media").mkdir(parents=True)
    try:
        storage.write_whole(upload.folder / "about.json", orjson.dumps({"name": name[:200], "user": seat.user.id}))
        if zipfile.is_zipfile(file):
            _unpack(file, upload.folder / "media")
            _only_jsonl(upload.folder / "media")
        else:
            _keep_lines(name, file, upload.folder / "lines.jsonl")
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


def _sweep(root: Path) -> None:
    for folder in root.glob("*"):
        if folder.stat().st_mtime < time.time() - KEPT_FOR:
            shutil.rmtree(folder, ignore_errors=True)


def _keep_lines(name: str, file: IO[bytes], target: Path) -> None:
    file.seek(0)
    head = file.read(4096).lstrip()
    if not head.startswith(b"{"):
        raise BadUpload(_("This is neither lines of JSON nor a .zip that holds them."), name[:200])
    file.seek(0)
    with target.open("wb") as out:
        shutil.copyfileobj(file, out)


def _unpack(file: IO[bytes], target: Path) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_archive(entries)
            for entry in entries:
                _unpack_one(archive, entry, target)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as problem:
        raise BadUpload(_("The archive is damaged or encrypted (%(problem)s).", problem=problem), "archive") from None


def _check_archive(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_FILES:
        raise UnsafeArchive(
            _(
                "The archive holds %(entries)s files; at most %(most_files)s are taken.",
                entries=f"{len(entries):,}",
                most_files=f"{MOST_FILES:,}",
            ),
            "archive",
        )
    for entry in entries:
        parts = Path(entry.filename.replace("\\", "/")).parts
        if ".." in parts or entry.filename.startswith(("/", "\\")) or ":" in entry.filename or "\0" in entry.filename:
            raise UnsafeArchive(_("The archive holds a path that leads outside of it."), entry.filename[:200])
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise UnsafeArchive(_("The archive holds a link."), entry.filename[:200])
        if entry.file_size > MOST_INFLATION * max(entry.compress_size, 1024):
            raise UnsafeArchive(_("A file in the archive unpacks to far more than it packs."), entry.filename[:200])
    if sum(entry.file_size for entry in entries) > LARGEST_UNPACKED:
        raise UnsafeArchive(
            _("The archive unpacks to more than %(largest_unpacked)s bytes.", largest_unpacked=f"{LARGEST_UNPACKED:,}"),
            "archive",
        )


def _unpack_one(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    path = target / entry.filename.replace("\\", "/")
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, path.open("wb") as out:
        shutil.copyfileobj(source, out)  # zipfile stops at the size that the entry declares


def _only_jsonl(root: Path) -> Path:
    found = sorted(root.rglob("*.jsonl"))
    if len(found) != 1:
        raise BadUpload(
            _("The archive must hold exactly one .jsonl file; it holds %(found)s.", found=len(found)), "archive"
        )
    return found[0]
