"""The data folder: whose version it is, who uses it now, and the secrets that only its owner may read."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import socket
from pathlib import Path
from typing import IO

from app.embedded.refusals import CannotStart, DiskFull, FolderTaken, PortTaken, WrongVersion

LAYOUT = "1"
LEAST_ROOM = 512 * 2**20


def prepare(folder: Path) -> IO[str]:
    """Make or check the folder and lock it; keep the returned file open as long as the folder is in use.

    Raises FolderTaken, WrongVersion, DiskFull, CannotStart.
    """
    try:
        return _prepare(folder)
    except OSError as problem:
        raise because(problem, folder) from None


def _prepare(folder: Path) -> IO[str]:
    check_room(nearest(folder))
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o711 if os.geteuid() == 0 else 0o700)  # root's servers pass through it under another user
        (folder / "storage").mkdir(mode=0o700)
    lock = _lock(folder)
    _check_layout(folder)
    return lock


def _lock(folder: Path) -> IO[str]:
    lock = (folder / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go of it when we die, however we die
    except BlockingIOError:
        lock.close()
        raise FolderTaken(
            "Assay works in this data folder already.",
            str(folder),
            "Stop it first, or name another folder by ASSAY_DATA.",
        ) from None
    return lock


def _check_layout(folder: Path) -> None:
    mark = folder / "VERSION"
    if not mark.exists():
        mark.write_text(LAYOUT + "\n")
    elif (theirs := mark.read_text().strip()) != LAYOUT:
        raise WrongVersion(
            f"The data folder has layout {theirs[:40]!r}; this program reads layout {LAYOUT!r}.",
            str(mark),
            "Start the version that wrote it, or name another folder by ASSAY_DATA.",
        )


def is_laid(folder: Path) -> bool:
    """Has `assay up` ever worked here?"""
    return (folder / "VERSION").exists()


def nearest(path: Path) -> Path:
    """The path, or the closest folder above it that exists."""
    path = path.resolve()
    return path if path.exists() else nearest(path.parent)


def check_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < LEAST_ROOM:
        raise DiskFull(
            f"Only {free / 2**20:.0f} MB are free where the data folder lies; {LEAST_ROOM / 2**20:.0f} MB are needed.",
            str(folder),
            "Make room, or name another folder by ASSAY_DATA.",
        )


def because(problem: OSError, folder: Path) -> CannotStart:
    """A sentence instead of an operating system's error."""
    where = str(problem.filename or folder)
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("The disk is full.", where, "Make room, or name another folder by ASSAY_DATA.")
    return CannotStart(
        f"The data folder cannot be used: {problem.strerror}.", where, "Name another folder by ASSAY_DATA."
    )


def listen(host: str, port: int) -> socket.socket:
    """The web server's listening socket: bound before anything is started, and kept while the server restarts.

    Raises PortTaken.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as problem:
        listener.close()
        raise PortTaken(
            f"The address {host}:{port} cannot be used: {problem.strerror or problem}.",
            "ASSAY_PORT",
            "Stop the program that listens there, or choose another port: ASSAY_PORT=8001.",
        ) from None
    return listener


def secret(folder: Path, name: str) -> str:
    """One of the installation's secrets, made once."""
    path = folder / f"{name}.secret"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(36) + "\n")
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Write a file that the owner alone may read, from its first byte on; whole or absent."""
    aside = path.with_name(f".{path.name}.aside")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
