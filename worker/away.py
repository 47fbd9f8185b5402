"""The storage as seen from a machine that has none of its folders: names below STORAGE_URL, by fsspec."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import fsspec

from app.core import storage
from app.core.errors import Refusal
from app.core.language import gettext as _

SUMS = "SHA256SUMS"


class InputDamaged(Refusal):
    """What was fetched is not what it was when it was kept."""


class InputAbsent(Refusal):
    """What a run reads is not in the storage."""


class Away:
    """Everything is named relative to the storage's root. Raises OSError and what the URL's driver raises."""

    def __init__(self, url: str) -> None:
        known = {"host_key_policy": known_hosts()} if url.startswith(("sftp:", "ssh:")) else {}
        self.there, self.root = fsspec.core.url_to_fs(url, **known)
        self.before_each: Callable[[], None] = lambda: None
        """Asked before each file is fetched; what it raises ends the fetching."""

    def sizes(self, folder: str) -> dict[str, int]:
        """Name below the folder → bytes, of every file in it; none where it is not there."""
        place = f"{self.root}/{folder}"
        if not self.has(folder):
            return {}
        stem = self.there._strip_protocol(place).rstrip("/") + "/"
        found = self.there.find(place, detail=True)
        return {name.removeprefix(stem): int(about["size"]) for name, about in found.items()}

    def entries(self, folder: str) -> dict[str, bool]:
        """Name → whether it is a folder, of what lies directly in one; none where it is not there."""
        if not self.has(folder):
            return {}
        found = self.there.ls(f"{self.root}/{folder}", detail=True)
        return {about["name"].rstrip("/").rsplit("/", 1)[-1]: about["type"] == "directory" for about in found}

    def has(self, name: str) -> bool:
        self.there.invalidate_cache()
        return bool(self.there.exists(f"{self.root}/{name}"))

    def read(self, name: str) -> bytes:
        """Empty where it is not there."""
        return bytes(self.there.cat_file(f"{self.root}/{name}")) if self.has(name) else b""

    def write(self, name: str, content: bytes) -> None:
        self._make_room(name)
        self.there.pipe_file(f"{self.root}/{name}", content)

    def get(self, name: str, path: Path) -> None:
        self.before_each()
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}.aside")
        self.there.get_file(f"{self.root}/{name}", str(aside))
        aside.replace(path)

    def put(self, path: Path, name: str) -> None:
        self._make_room(name)
        self.there.put_file(str(path), f"{self.root}/{name}")

    def put_folder(self, folder: Path, name: str, mark: str) -> None:
        """Put every file and a list of their hashes under a name of its own, then move it to its place."""
        aside = f"{name}.{mark}.aside"
        self.remove(aside)
        sums = sums_of(folder)
        for file in sums:
            self.put(folder / file, f"{aside}/{file}")
        self.write(f"{aside}/{SUMS}", as_text(sums))
        sizes = {file: (folder / file).stat().st_size for file in sums} | {SUMS: len(as_text(sums))}
        if self.sizes(aside) != sizes:
            raise OSError(f"{aside} is not what was put there")
        if self.has(name):
            self.give_up(name)
        self._move(aside, name)

    def give_up(self, folder: str) -> None:
        """Out of its place first: whoever is ended meanwhile leaves no half of it there."""
        gone = f"{folder}.gone.aside"
        self.remove(gone)
        self._move(folder, gone)
        self.remove(gone)

    def remove(self, folder: str) -> None:
        if self.has(folder):
            self.there.rm(f"{self.root}/{folder}", recursive=True)

    def _move(self, folder: str, to: str) -> None:
        """A rename where the storage knows one; drivers of such do not ask whether it is a folder."""
        asks = inspect.signature(self.there.mv).parameters.keys() & {"recursive", "kwargs"}
        self.there.mv(f"{self.root}/{folder}", f"{self.root}/{to}", **({"recursive": True} if asks else {}))

    def _make_room(self, name: str) -> None:
        self.there.makedirs(f"{self.root}/{name}".rsplit("/", 1)[0], exist_ok=True)

    def get_folder(self, folder: str, to: Path) -> None:
        """The folder whole, each file as its list of hashes says, if it has one. Raises InputAbsent, InputDamaged."""
        names = self.sizes(folder)
        if not names:
            raise InputAbsent(_("%(folder)s is not in the storage.", folder=folder), folder)
        aside = to.with_name(f".{to.name}.{os.getpid()}.aside")
        shutil.rmtree(aside, ignore_errors=True)
        for name in names:
            self.get(f"{folder}/{name}", aside / name)
        verify(aside, folder)
        shutil.rmtree(to, ignore_errors=True)
        to.parent.mkdir(parents=True, exist_ok=True)
        aside.replace(to)


def verify(folder: Path, named: str) -> None:
    """Every file against the list of hashes in the folder, if there is one. Raises InputDamaged."""
    if not (folder / SUMS).is_file():
        return
    listed = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    for sha256, _spaces, name in (line.partition("  ") for line in listed):
        if not (folder / name).is_file() or storage.sha256_of(folder / name) != sha256:
            raise InputDamaged(_("%(name)s is not what it was when it was kept.", name=f"{named}/{name}"), named)


def sums_of(folder: Path) -> dict[str, str]:
    """Relative name → SHA-256 of every file but an earlier list of them, in the order of names."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in paths]
    return {name: storage.sha256_of(folder / name) for name in names if name != SUMS}


def as_text(sums: dict[str, str]) -> bytes:
    return "".join(f"{sha256}  {name}\n" for name, sha256 in sums.items()).encode()


def seal(folder: Path) -> None:
    """Lay the list of hashes into a folder, for whoever reads it on another machine."""
    (folder / SUMS).write_bytes(as_text(sums_of(folder)))


def known_hosts() -> Any:
    """Whoever answers for the platform's machine must be in ~/.ssh/known_hosts: the driver alone believes anybody."""
    paramiko: Any = import_module("paramiko")

    class Known(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            path = Path("~/.ssh/known_hosts").expanduser()
            if not (path.is_file() and paramiko.HostKeys(str(path)).check(hostname, key)):
                raise paramiko.SSHException(f"the key of {hostname} is not in {path}")

    return Known()
