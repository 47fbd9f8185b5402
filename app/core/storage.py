"""Files: content-addressed blobs, dataset folders and run folders under one root."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from app.core import vault
from app.core.settings import settings

ASIDE = ".aside-"
"""How the names of files begin that are not whole yet."""


def root() -> Path:
    return settings().storage_root()


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def blob_path(sha256: str) -> Path:
    return root() / "blobs" / sha256[:2] / sha256


def blob(sha256: str) -> Path:
    """The blob's file, brought from the vault where there is one and the folder has it not. It may not exist."""
    place = blob_path(sha256)
    if vault.there_is() and not place.exists():
        vault.fetch(sha256, place)
    return place


def put_blob(content: bytes) -> str:
    """Keep bytes under their SHA-256 (hex, returned); written aside and renamed, so a blob is whole or absent.

    One that is there becomes young again, so that no collection takes it before a row names it.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    place = blob_path(sha256)
    if not _renewed(place):
        _write(place, content)
    if vault.there_is():
        vault.keep(sha256, place)
    return sha256


def put_file(path: Path) -> str:
    """Keep a file as `put_blob` keeps bytes, without having it in memory."""
    sha256 = sha256_of(path)
    place = blob_path(sha256)
    if not _renewed(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=place.parent, prefix=ASIDE)
        os.close(handle)
        shutil.copyfile(path, aside)
        os.chmod(aside, 0o644)
        os.replace(aside, place)
    if vault.there_is():
        vault.keep(sha256, place)
    return sha256


def _renewed(place: Path) -> bool:
    """Whether the blob is there, with the present as its time; another user's file is written anew."""
    try:
        os.utime(place)
    except (FileNotFoundError, PermissionError):
        return False
    return True


def is_there(sha256: str) -> bool:
    """Whether the folder has the blob, which becomes young again, as in `put_blob`."""
    return _renewed(blob_path(sha256))


def write_whole(path: Path, content: bytes) -> None:
    if not path.exists():
        _write(path, content)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=ASIDE)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(aside, 0o644)
    os.replace(aside, path)


def dataset_folder(dataset_id: int) -> Path:
    return root() / "datasets" / str(dataset_id)


def run_folder(run_id: int) -> Path:
    return root() / "runs" / str(run_id)
