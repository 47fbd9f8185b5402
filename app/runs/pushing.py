"""Copies of checkpoints to places that the operator allows: folders, or storage URLs that fsspec has a driver for.

A copy is whole once its SHA256SUMS is there, which is written last; until then `.unfinished` says whose copy it is, so
that a worker that was ended goes on where it stopped, and nobody's files are overwritten.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import sqlalchemy as sa
import structlog
from sqlalchemy.orm import joinedload

from app.accounts.actions import audit
from app.core import storage
from app.core.db import Session, now, transaction
from app.core.jobs import nudge
from app.core.language import gettext as _
from app.core.settings import settings
from app.projects.guard import Seat
from app.runs import registry
from app.runs.refusals import BadTarget, TargetTaken
from app.runs.registry_tables import Push
from app.runs.tables import Checkpoint

log = structlog.get_logger()
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){0,4}")
SUMS, UNFINISHED = "SHA256SUMS", ".unfinished"
PIECE = 1 << 20


def roots() -> list[str]:
    """The folders and URLs below which checkpoints may be pushed (PUSH_TO)."""
    return [each.strip().rstrip("/") for each in settings().push_to.split(",") if each.strip().rstrip("/")]


def ask(session: Session, seat: Seat, checkpoint_id: int, root: str, folder: str) -> Push:
    """Have a checkpoint copied to a new folder below an allowed root.

    Raises NotFound, CheckpointGone, BadTarget, TargetTaken.
    """
    one = registry.held(session, seat, checkpoint_id)
    target = _target(root, folder.strip())
    # A copy that failed has written what it could, and may be asked for again.
    taken = sa.select(Push.id).where(Push.target == target, Push.failure.is_(None))
    if session.scalar(taken):
        raise TargetTaken(_("A checkpoint was pushed to %(target)s already.", target=target), "folder")
    made = Push(checkpoint_id=one.id, user_id=seat.user.id, target=target)
    session.add(made)
    session.flush()
    audit(session, seat.user, "checkpoint.pushed", f"run {one.run_id}", seat.project.id, target=target)
    nudge(session, "push_checkpoint", made.id)
    return made


def _target(root: str, folder: str) -> str:
    """Raises BadTarget."""
    if root not in roots():
        raise BadTarget(
            _("Checkpoints are not pushed to %(root)s here.", root=root[:100]),
            "root",
            _("An operator lists the places in PUSH_TO."),
        )
    if not NAME.fullmatch(folder) or len(folder) > 200:
        raise BadTarget(
            _("A place is named by letters, digits, dots and dashes, with slashes between at most five parts."),
            "folder",
        )
    return f"{root}/{folder}"


def unfinished(session: Session) -> list[int]:
    """Pushes that were asked for and have not ended."""
    return list(session.scalars(sa.select(Push.id).where(Push.ended_at.is_(None)).order_by(Push.id)))


def perform(push_id: int, enough: Callable[[], bool] = lambda: False) -> bool:
    """Copy as much as there is time for; one worker at a time. Returns whether more is left. Twice is harmless."""
    with transaction() as session:
        push = session.scalar(
            sa.select(Push)
            .options(joinedload(Push.checkpoint, innerjoin=True).joinedload(Checkpoint.run))
            .where(Push.id == push_id, Push.ended_at.is_(None))
            .with_for_update(skip_locked=True, of=Push)
        )
        if push is None:
            return False
        try:
            if not copy(registry.folder_of(push.checkpoint), push.target, f"push {push.id}", enough):
                return True
        except Exception as problem:  # a driver's own errors: said on the page, not only in a log
            log.warning("push failed", push=push_id, problem=str(problem))
            push.failure = f"{type(problem).__name__}: {problem}"[:500]
        push.ended_at = now()
        return False


def copy(source: Path, target: str, mark: str, enough: Callable[[], bool] = lambda: False) -> bool:
    """Copy a folder's files and read each back. Returns whether the copy is whole, or stopped because of `enough`.

    Raises TargetTaken, OSError, and what the target's driver raises.
    """
    there, place = fsspec.core.url_to_fs(target)
    _begin(there, place, mark)
    sums = []
    for path in sorted(each for each in source.rglob("*") if each.is_file()):
        name = path.relative_to(source).as_posix()
        sha256 = storage.sha256_of(path)
        if not _is_there(there, f"{place}/{name}", path, sha256):
            if enough():
                return False
            _put(there, f"{place}/{name}", path, sha256)
        sums.append(f"{sha256}  {name}\n")
    there.pipe_file(f"{place}/{SUMS}", "".join(sums).encode())
    there.rm_file(f"{place}/{UNFINISHED}")
    return True


def _begin(there: Any, place: str, mark: str) -> None:
    """Raises TargetTaken where somebody else's files lie at the place."""
    if there.exists(f"{place}/{UNFINISHED}"):
        if there.cat_file(f"{place}/{UNFINISHED}") == mark.encode():
            return
        raise TargetTaken(_("Another copy to %(place)s has not ended.", place=place), "folder")
    if there.exists(place):
        raise TargetTaken(_("Something lies at %(place)s already.", place=place), "folder")
    there.makedirs(place, exist_ok=True)
    there.pipe_file(f"{place}/{UNFINISHED}", mark.encode())


def _put(there: Any, place: str, path: Path, sha256: str) -> None:
    there.makedirs(place.rsplit("/", 1)[0], exist_ok=True)
    there.put_file(str(path), place)
    if not _is_there(there, place, path, sha256):
        raise OSError(f"{place} is not what was written to it")


def _is_there(there: Any, place: str, path: Path, sha256: str) -> bool:
    """Whether the copy has the bytes that it should have, read back from where it lies."""
    if not there.exists(place) or there.info(place)["size"] != path.stat().st_size:
        return False
    digest = hashlib.sha256()
    with there.open(place, "rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest() == sha256
