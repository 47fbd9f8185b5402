"""What nothing needs any more in the storage: blobs without a medium, and what was made of them.

A blob is kept before the row that names it is committed, and a broken import leaves blobs that no row names. Only what
has been left alone for the grace period goes: `storage.put_blob` makes a blob young again that an import brings anew.
Frozen datasets hold their pictures by links or copies of their own, so that they lose nothing.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from app.accounts.log import audit
from app.accounts.tables import User
from app.core import storage, vault
from app.core.db import Session
from app.core.errors import Conflict, Invalid
from app.core.language import gettext as _

LOCK = 0x636F6C6C  # "coll": held by a collection alone, and by backups together
GRACE = dt.timedelta(hours=24)
LEAST_GRACE = dt.timedelta(hours=1)
"""No batch of an import and no rendition takes so long between its file and its row."""

MOST = 0.5
"""Share of all blobs that the daily collection takes; beyond it, the database is rather not this storage's."""

FEW = 100
"""Blobs of which the daily collection takes all the same, whatever their share."""

NAME = re.compile(r"[0-9a-f]{64}")


class BackupAtWork(Conflict):
    """A backup or another collection is at work; a backup copies files that its snapshot of the database names."""


class GraceTooShort(Invalid):
    """A grace period within which an upload may still be running."""


class TooMuch(Conflict):
    """Most blobs are named by no row: the database is likely not the one that this storage belongs to."""


class Old(NamedTuple):
    """A file or folder that was last changed before the grace period."""

    path: Path
    changed: int
    """Nanoseconds since 1970: by them it is known again."""

    @property
    def sha256(self) -> str:
        found = NAME.search(self.path.name)
        return found[0] if found else ""


@dataclass
class Found:
    """What there is, what nothing needs, and how many bytes would come free (hard links of datasets not counted)."""

    blobs: int = 0
    unneeded: int = 0
    renditions: int = 0
    leftovers: int = 0
    bytes: int = 0
    paths: list[Old] = field(default_factory=list)


def look(session: Session, grace: dt.timedelta = GRACE) -> Found:
    """Find what nothing needs; deletes nothing. Raises GraceTooShort, BackupAtWork."""
    if grace < LEAST_GRACE:
        raise GraceTooShort(_("A running upload needs at least an hour of grace."), "grace")
    if not session.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(LOCK))):
        raise BackupAtWork(
            _("A backup or another collection is at work."), "collect", _("Try again when it has ended.")
        )
    found, before = Found(), time.time() - grace.total_seconds()
    for folder in _folders("blobs"):
        _look_at_blobs(session, folder, before, found)
    for folder in _folders("renditions"):
        _look_at_renditions(session, folder, before, found)
    return found


def collect(session: Session, found: Found, user: User | None = None) -> int:
    """Delete what `look` found in this transaction, and write it into the audit log. Returns how many paths went."""
    gone = sum(map(_take, found.paths))
    if gone:
        told = {"blobs": found.unneeded, "renditions": found.renditions, "bytes": found.bytes, "deleted": gone}
        audit(session, user, "blobs.collected", "storage", **told)
    return gone


def collect_daily(session: Session) -> int:
    """What beat asks for once a day. Raises BackupAtWork, TooMuch."""
    found = look(session)
    if found.unneeded > max(FEW, MOST * found.blobs):
        raise TooMuch(
            _("%(unneeded)s of %(blobs)s blobs are named by no row.", unneeded=found.unneeded, blobs=found.blobs),
            "storage",
            _("See that DATABASE_URL and STORAGE_URL belong together; then run assay collect --delete."),
        )
    return collect(session, found)


def _folders(name: str) -> Iterator[Path]:
    root = storage.root() / name
    if root.is_dir():
        yield from sorted(path for path in root.iterdir() if path.is_dir() and len(path.name) == 2)


def _look_at_blobs(session: Session, folder: Path, before: float, found: Found) -> None:
    old, number = _old(folder, before)
    found.blobs += number
    known = _known(session, [each.sha256 for each in old])
    for each in old:
        if each.path.name.startswith(storage.ASIDE):
            if each.sha256 in known and not (blob := storage.blob_path(each.sha256)).exists():
                os.replace(each.path, blob)  # a collection ended between moving it aside and seeing that it is needed
                continue
            found.leftovers += 1
            _add(found, each)
        elif NAME.fullmatch(each.path.name) and each.sha256 not in known:
            found.unneeded += 1
            _add(found, each)


def _look_at_renditions(session: Session, folder: Path, before: float, found: Found) -> None:
    old = [each for each in _old(folder, before)[0] if each.sha256]
    known = _known(session, [each.sha256 for each in old])
    for each in old:
        if each.sha256 not in known:
            found.renditions += each.path.is_dir()
            _add(found, each)


def _old(folder: Path, before: float) -> tuple[list[Old], int]:
    """What was last changed before that time, and the number of all blobs of the folder."""
    number, old = 0, []
    with os.scandir(folder) as entries:
        for entry in entries:
            number += NAME.fullmatch(entry.name) is not None
            try:
                there = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if there.st_mtime < before:
                old.append(Old(Path(entry.path), there.st_mtime_ns))
    return old, number


def _known(session: Session, names: list[str]) -> set[str]:
    asked = sa.any_(sa.cast(names, ARRAY(sa.Text)))  # one parameter, however many names
    columns = [sa.table(name, sa.column("blob_sha256")).c.blob_sha256 for name in _holders(session)]
    return {name for each in columns for name in session.scalars(sa.select(each).where(each == asked).distinct())}


def _holders(session: Session) -> list[str]:
    """Tables that name blobs. The schema is asked, since rooms above have some that this one does not know."""
    query = sa.text("SELECT table_name FROM information_schema.columns WHERE column_name = 'blob_sha256'")
    return list(session.scalars(query))


def _add(found: Found, old: Old) -> None:
    found.paths.append(old)
    found.bytes += sum(_free(each) for each in (old.path.rglob("*") if old.path.is_dir() else [old.path]))


def _free(path: Path) -> int:
    """Bytes that come free with a file: none while a dataset holds it too."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return 0
    return there.st_size if there.st_nlink == 1 and not path.is_dir() else 0


def _take(old: Old) -> bool:
    """Delete a file or folder, unless somebody has brought it anew since it was looked at.

    It is moved aside first: whoever brings the same content now finds nothing and writes it again, and who had touched
    it just before is seen by its time, and it goes back.
    """
    aside = old.path.with_name(f"{storage.ASIDE}going-{old.path.name}")
    try:
        os.replace(old.path, aside)
    except FileNotFoundError:
        return False
    if aside.lstat().st_mtime_ns != old.changed:
        os.replace(aside, old.path)
        return False
    if aside.is_dir():
        shutil.rmtree(aside)
    else:
        aside.unlink()
        if vault.there_is() and NAME.fullmatch(old.path.name):
            vault.forget(old.path.name)
    return True
