"""The data folder: whose version it is, who uses it now, and the secrets that only its owner may read."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import socket
from pathlib import Path
from typing import IO

from app.embedded.errors import AlreadyRunning, AnotherVersion, DiskFull, PortInUse

LAYOUT = "1"
LEAST_ROOM = 512 * 2**20


def prepare(folder: Path) -> IO[str]:
    """Make or check the folder and lock it; keep the returned file open as long as it is in use.

    Raises AlreadyRunning, AnotherVersion, DiskFull.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise DiskFull(f"The data folder cannot be made: {problem.strerror}.", str(folder)) from None
    lock = _lock(folder)
    _check_layout(folder)
    check_room(folder)
    return lock


def _lock(folder: Path) -> IO[str]:
    lock = (folder / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go of it when we die, however we die
    except OSError:
        raise AlreadyRunning("Assay is running already on this data folder.", str(folder), "Stop it first.") from None
    return lock


def _check_layout(folder: Path) -> None:
    mark = folder / "VERSION"
    if mark.exists() and (theirs := mark.read_text().strip()) != LAYOUT:
        raise AnotherVersion(
            f"The data folder has layout {theirs}; this program reads layout {LAYOUT}.",
            str(mark),
            "Start the version that wrote it, or name another folder by ASSAY_DATA.",
        )
    mark.write_text(LAYOUT + "\n")


def check_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < LEAST_ROOM:
        raise DiskFull(
            f"Only {free / 2**20:.0f} MB are free where the data folder lies; {LEAST_ROOM / 2**20:.0f} MB are needed.",
            str(folder),
            "Make room, or name another folder by ASSAY_DATA.",
        )


def check_port(host: str, port: int) -> None:
    """Raises PortInUse."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            raise PortInUse(
                f"The address {host}:{port} cannot be used: {problem.strerror}.", "ASSAY_PORT", "Set another port, such as 8001."
            ) from None


def secret(folder: Path) -> str:
    """The installation's secret, made once."""
    path = folder / "secret"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(48) + "\n")
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Write a file that the owner alone may read, from its first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
