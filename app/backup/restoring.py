"""Read a backup into an empty instance: everything is checked before anything is kept, and counted afterwards."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

import psycopg
from psycopg import sql
from pydantic import ValidationError

from app.backup.contents import (
    CONTENTS,
    DUMP,
    FORMAT,
    KEY,
    REVISIONS,
    STORAGE,
    SUMS,
    Address,
    BackupDamaged,
    Contents,
    NotABackup,
    key_fingerprint,
    tables_of,
)
from app.backup.making import Tell, unheard, use
from app.core.errors import Conflict

BLOCK = 2**20


class NotEmpty(Conflict):
    """A restore never writes over what is there."""


class OtherKey(Conflict):
    """SECRET_KEY is not the one that the backup's second factors are sealed with."""


def read_head(file: Path) -> tuple[Contents, str]:
    """What the backup says of itself, and its key or "". Raises NotABackup, BackupDamaged."""
    with _opened(file) as tar:
        first = tar.next()
        if first is None or first.name != CONTENTS:
            raise NotABackup("This file was not written by `assay backup`.", str(file))
        contents = _contents(_bytes(tar, first), file)
        second = tar.next()
        return contents, _bytes(tar, second).decode() if second is not None and second.name == KEY else ""


def _contents(text: bytes, file: Path) -> Contents:
    try:
        found = Contents.model_validate_json(text)
    except ValidationError:
        raise NotABackup("What this file says of itself cannot be read.", str(file)) from None
    if found.format > FORMAT:
        raise NotABackup(
            f"This backup has format {found.format}; this program reads up to {FORMAT}.",
            str(file),
            "Restore it with the version that wrote it, or a newer one.",
        )
    return found


def check_key(contents: Contents, key: str) -> None:
    """Raises OtherKey."""
    if key_fingerprint(key) != contents.key:
        raise OtherKey(
            "The backup was made under another key; second factors would not open.",
            "SECRET_KEY",
            "Set SECRET_KEY as it was, or say --other-key: people then set up their second factors anew.",
        )


def check(file: Path, tell: Tell = unheard) -> Contents:
    """Read the whole file and compare every sum, keeping nothing. Raises NotABackup, BackupDamaged."""
    contents, _key = read_head(file)
    _unpack(file, None, tell)
    return contents


def restore(url: str, root: Path, file: Path, tell: Tell = unheard) -> Contents:
    """Fill an empty database and an empty folder of files; on any refusal both are empty again.

    Raises NotABackup, BackupDamaged, NotEmpty, ToolMissing.
    """
    contents, _key = read_head(file)
    address = Address.of(url)
    root.mkdir(parents=True, exist_ok=True)
    _check_empty(address, root)
    with tempfile.TemporaryDirectory(prefix=".restoring-", dir=root) as aside:
        place = Path(aside)
        _unpack(file, place, tell)
        _fill(address, place / DUMP, contents)
        _point(place / STORAGE, root)
        _settle(place / STORAGE, root)
    return contents


def _check_empty(address: Address, root: Path) -> None:
    if there := [path.name for path in root.iterdir() if not path.name.startswith(".")]:
        raise NotEmpty("The folder of files is not empty.", str(root / sorted(there)[0]), "Choose a new ASSAY_DATA.")
    with _connected(address) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for name in sorted({name for (name,) in names} - {REVISIONS}):  # it may be another program's database
            if connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(name))).fetchone():
                raise NotEmpty("The database is not empty.", name, "Name an empty one by DATABASE_URL.")


def _connected(address: Address) -> psycopg.Connection[Any]:
    return psycopg.connect(address.place, autocommit=True, password=address.password or None)


def _fill(address: Address, dump: Path, contents: Contents) -> None:
    """The database whole, or as empty as it was."""
    _clear(address)
    options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]
    try:
        use("pg_restore", [*options, f"--dbname={address.place}", str(dump)], address)
        _compare(address, contents)
    except BaseException:
        _clear(address)
        raise


def _clear(address: Address) -> None:
    """Take away a schema without a row in it, or what a restore has put there."""
    with _connected(address) as connection:
        connection.execute("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public")


def _compare(address: Address, contents: Contents) -> None:
    with psycopg.connect(address.place, password=address.password or None) as connection:
        found = tables_of(connection)
    unlike = sorted(name for name in {*found, *contents.tables} if found.get(name) != contents.tables.get(name))
    if unlike:
        raise BackupDamaged("The restored database is not what was backed up.", ", ".join(unlike))


def _unpack(file: Path, place: Path | None, tell: Tell) -> None:
    """Every member into `place` (or nowhere), with its sum compared at the end. Raises BackupDamaged."""
    sums: dict[str, str] = {}
    told: dict[str, str] | None = None
    size = file.stat().st_size
    with _opened(file) as tar:
        for member in tar:
            if member.name == SUMS:
                told = _sums(_bytes(tar, member))
                break
            sums[member.name] = _keep(tar, member, place)
            tell(tar.offset, size)
    if told is None:
        raise BackupDamaged("The backup's end is missing.", str(file), "Copy it again from where it was written.")
    if unlike := sorted(name for name in {*sums, *told} if sums.get(name) != told.get(name)):
        raise BackupDamaged("A file in the backup is not what was written.", unlike[0])


def _keep(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path | None) -> str:
    """Write one member; its SHA-256 (of a link: that of its target's name)."""
    path = None if place is None else _path(place, member.name)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
    if member.isreg():
        return _copy(tar, member, path)
    if member.islnk() and path and place:
        os.link(_path(place, member.linkname), path, follow_symlinks=False)
    elif member.issym() and path and place:
        path.symlink_to(_path(place, member.linkname))
    elif not (member.islnk() or member.issym()):
        raise BackupDamaged("There is something in the backup that is neither file nor link.", member.name)
    return hashlib.sha256(member.linkname.encode()).hexdigest()


def _path(place: Path, name: str) -> Path:
    """Where a member goes. Raises BackupDamaged for a name that leads elsewhere."""
    parts = PurePosixPath(name).parts
    whole = name in (CONTENTS, KEY, DUMP) or (name.startswith(STORAGE) and len(parts) > 1)
    if not whole or ".." in parts or PurePosixPath(name).is_absolute():
        raise BackupDamaged("A name in the backup leads out of it.", name[:200])
    return place.joinpath(*parts)


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path | None) -> str:
    source, digest = tar.extractfile(member), hashlib.sha256()
    assert source is not None
    with open(path or os.devnull, "wb") as out:
        while block := source.read(BLOCK):
            digest.update(block)
            out.write(block)
    return digest.hexdigest()


def _point(storage: Path, root: Path) -> None:
    """Turn links between unpacked files to where those will lie."""
    for path in [found for found in storage.rglob("*") if found.is_symlink()]:
        target = root / path.readlink().relative_to(storage)
        path.unlink()
        path.symlink_to(target)


def _settle(storage: Path, root: Path) -> None:
    for path in sorted(storage.iterdir()) if storage.is_dir() else []:
        shutil.move(path, root / path.name)


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    """Raises NotABackup, and BackupDamaged for what breaks while it is read."""
    try:
        with tarfile.open(file, "r:") as tar:
            yield tar
    except (tarfile.ReadError, EOFError, UnicodeDecodeError) as problem:
        if isinstance(problem, tarfile.ReadError) and not _begins_well(file):
            raise NotABackup("This file was not written by `assay backup`.", str(file)) from None
        raise BackupDamaged("The backup is cut off or damaged.", str(file), "Copy it again.") from None
    except tarfile.TarError as problem:
        raise BackupDamaged(f"The backup cannot be read: {problem}.", str(file)) from None


def _begins_well(file: Path) -> bool:
    with file.open("rb") as head:
        return head.read(len(CONTENTS)) == CONTENTS.encode()


def _bytes(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    source: IO[bytes] | None = tar.extractfile(member)
    return source.read() if source else b""


def _sums(text: bytes) -> dict[str, str]:
    return {name: digest for digest, _space, name in (line.partition("  ") for line in text.decode().splitlines())}
