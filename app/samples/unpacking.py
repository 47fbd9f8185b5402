"""Archives of strangers: ZIP and TAR, unpacked only where nothing leads outside, links, or swells."""

from __future__ import annotations

import io
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from app.core.errors import Invalid
from app.core.language import gettext as _

MOST_FILES = 200_000
LARGEST_UNPACKED = 16 * 2**30
MOST_INFLATION = 200
"""A file that unpacks to more than so many times its packed size is taken for a bomb."""

FREE = 64 * 2**20
"""Bytes that any archive may unpack to, however small it is."""

DAMAGE = (EOFError, ValueError, zlib.error, lzma.LZMAError, struct.error)
"""What the standard library lets through when the bytes of an archive lead it astray."""


class BadUpload(Invalid):
    """A file that is neither a file of records nor an archive holding one with its media."""


class UnsafeArchive(BadUpload):
    """An archive with paths that lead outside, links, devices, or far more content than it seems."""


def unpack(file: IO[bytes], target: Path) -> bool:
    """Unpack a ZIP or a TAR (also packed by gzip, bzip2 or xz) into `target`; False for a file that is neither.

    Raises BadUpload, UnsafeArchive.
    """
    file.seek(0)
    if zipfile.is_zipfile(file):
        _unzip(file, target)
        return True
    file.seek(0)
    if not _is_tar(file):
        return False
    file.seek(0)
    _untar(file, target)
    return True


def _is_tar(file: IO[bytes]) -> bool:
    head = file.read(262 + 3)
    if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")):
        return True
    return head[257:262] == b"ustar"


def _unzip(file: IO[bytes], target: Path) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_zip(entries)
            for entry in entries:
                with archive.open(entry) as source:  # zipfile stops at the size that the entry declares
                    _write(source, _place(target, entry.filename))
    except (*DAMAGE, zipfile.BadZipFile, NotImplementedError, RuntimeError) as problem:
        raise BadUpload(_("The archive is damaged or encrypted (%(problem)s).", problem=problem), "archive") from None


def _check_zip(entries: list[zipfile.ZipInfo]) -> None:
    _check_number(len(entries))
    for entry in entries:
        _check_name(entry.filename)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise UnsafeArchive(_("The archive holds a link."), entry.filename[:200])
        if entry.file_size > MOST_INFLATION * max(entry.compress_size, 1024):
            raise _swells(entry.filename)
    _check_size(sum(entry.file_size for entry in entries))


def _untar(file: IO[bytes], target: Path) -> None:
    """Read once from front to end: a packed TAR says nowhere how much is in it, so it is counted on the way."""
    packed = file.seek(0, io.SEEK_END)
    file.seek(0)
    number = size = 0
    try:
        with tarfile.open(fileobj=file, mode="r|*") as archive:
            for entry in archive:
                number, size = number + 1, size + entry.size
                _check_number(number)
                _check_name(entry.name)
                if size > FREE and size > MOST_INFLATION * packed:
                    raise _swells(entry.name)
                _check_size(size)
                if entry.isdir():
                    continue
                if not entry.isreg():
                    raise UnsafeArchive(_("The archive holds a link or a device."), entry.name[:200])
                if (source := archive.extractfile(entry)) is not None:
                    _write(source, _place(target, entry.name))
    except (*DAMAGE, tarfile.TarError, OSError) as problem:
        if isinstance(problem, OSError) and problem.errno:  # the system's, such as a full disk: not the archive's fault
            raise
        if not number and isinstance(problem, tarfile.TarError):
            raise BadUpload(_("What is packed here is no TAR: unpack it, or pack it as .zip."), "archive") from None
        raise BadUpload(_("The archive is damaged or encrypted (%(problem)s).", problem=problem), "archive") from None


def _check_name(name: str) -> None:
    parts = Path(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\")) or ":" in name or "\0" in name:
        raise UnsafeArchive(_("The archive holds a path that leads outside of it."), name[:200])


def _check_number(number: int) -> None:
    if number > MOST_FILES:
        raise UnsafeArchive(
            _(
                "The archive holds %(entries)s files; at most %(most_files)s are taken.",
                entries=f"{number:,}",
                most_files=f"{MOST_FILES:,}",
            ),
            "archive",
        )


def _check_size(size: int) -> None:
    if size > LARGEST_UNPACKED:
        raise UnsafeArchive(
            _("The archive unpacks to more than %(largest_unpacked)s bytes.", largest_unpacked=f"{LARGEST_UNPACKED:,}"),
            "archive",
        )


def _swells(name: str) -> UnsafeArchive:
    return UnsafeArchive(_("A file in the archive unpacks to far more than it packs."), name[:200])


def _place(target: Path, name: str) -> Path:
    return target / name.replace("\\", "/")


def _write(source: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # What stood there under the same name is not written through: the new file takes its place.
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644), "wb") as out:
        shutil.copyfileobj(source, out)
