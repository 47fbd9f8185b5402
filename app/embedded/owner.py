"""Whose processes the servers are. PostgreSQL refuses to run as root, so root gives both a number of their own."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import stat
from pathlib import Path

from app.embedded.refusals import CannotStart

# Between the ranges that systemd and Debian hand out; nobody signs in as it and it needs no line in /etc/passwd.
SERVANT = 60731
SHARED = Path("/var/lib/assay")


def servant() -> int | None:
    """The uid (and gid) that servers run under when we are root; None when they run as ourselves."""
    return SERVANT if os.geteuid() == 0 else None


def named(uid: int | None) -> int | None:
    """A uid with a line in /etc/passwd that may stand in for a moment."""
    return None if uid is None else pwd.getpwnam("nobody").pw_uid


def is_reachable(path: Path, uid: int | None) -> bool:
    """Can `uid` pass through every folder above the path and use it? (None is ourselves: yes.)"""
    if uid is None:
        return True
    path = path.resolve()
    bits = stat.S_IXOTH if path.is_dir() else stat.S_IROTH | stat.S_IXOTH
    return all(_allows(folder, uid, stat.S_IXOTH) for folder in path.parents) and _allows(path, uid, bits)


def _allows(path: Path, uid: int, bits: int) -> bool:
    found = path.stat()
    return found.st_uid == uid or found.st_mode & bits == bits


def reachable_copy(tree: Path, name: str, uid: int | None) -> Path:
    """The tree itself, or a copy of it in /var/lib/assay where `uid` can read it. Copied aside and renamed."""
    probe = tree / "bin" / "postgres" if tree.is_dir() else tree
    if is_reachable(probe, uid):
        return tree
    target = SHARED / name
    if not target.exists():
        _shared_folder()
        aside = target.with_name(f".aside-{secrets.token_hex(4)}")
        shutil.copytree(tree, aside) if tree.is_dir() else shutil.copy(tree, aside)
        for path in (aside, *aside.rglob("*")):
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or os.access(path, os.X_OK) else 0o044))
        aside.rename(target)
    return target


def home(data: Path, uid: int | None) -> Path:
    """The servers' own folder: `data/services`, or a link from there to /var/lib/assay when `uid` cannot reach it.

    A data folder under root's home (mode 0700) is the common case of the second.
    """
    folder = data / "services"
    if not folder.exists():
        folder.unlink(missing_ok=True)  # a link to nowhere
        if is_reachable(data, uid):
            folder.mkdir(mode=0o711)
        else:
            elsewhere = _shared_folder() / f"services-{secrets.token_hex(6)}"
            elsewhere.mkdir(mode=0o711)
            folder.symlink_to(elsewhere)
    folder = folder.resolve()
    if not is_reachable(folder, uid):
        raise CannotStart(
            "The database's user cannot reach its files: a folder above them is closed to others.",
            str(folder),
            "Open the folders above it for passing through (chmod o+x), or choose another ASSAY_DATA.",
        )
    return folder


def _shared_folder() -> Path:
    SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
    SHARED.chmod(0o755)
    return SHARED


def own(path: Path, uid: int | None) -> None:
    """Give the folder and all in it to `uid`."""
    if uid is None:
        return
    for each in (path, *path.rglob("*")):
        os.chown(each, uid, uid, follow_symlinks=False)


def private_folder(path: Path, uid: int | None) -> Path:
    """A folder (made when missing) that only `uid` and root enter. Raises CannotStart when a stranger owns it."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), uid}:
        raise CannotStart(
            "A folder that the servers need belongs to someone else.", str(path), "Remove it, or ask its owner to."
        )
    path.chmod(0o700)
    if uid is not None:
        os.chown(path, uid, uid)
    return path
