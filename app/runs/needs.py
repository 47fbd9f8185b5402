"""What a run reads of the storage: folders below its root, with the hash that each must have."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from app.core.db import Session
from app.runs.tables import Checkpoint, Run, RunInput

OUTPUT, CHECKPOINT = "output", "output/checkpoint"


SHARED = ("models", "runs")
"""Folders of the storage in which base models lie."""


class Need(NamedTuple):
    """folder: below the storage's root. sha256: of the list SHA256SUMS inside, or of all files; empty if unknown."""

    folder: str
    listed: str = ""
    sha256: str = ""


def of(session: Session, run_id: int) -> list[Need]:
    """Inputs and the base model. Approved critiques come from the database."""
    run = session.get_one(Run, run_id)
    found = [_need(session, each) for each in run.inputs if each.role != "critiques"]
    if base := portable(str(run.config.get("base") or "")):
        found.append(checkpoint(session, base))
    return found


def portable(path: str) -> str:
    """The part of a base model's path below the storage's root, whichever machine named it; empty for other names."""
    parts = Path(path).parts
    below = [place for place, part in enumerate(parts) if part in SHARED and place and len(parts) > place + 1]
    return "/".join(parts[below[-1] :]) if below else ""


def _need(session: Session, each: RunInput) -> Need:
    if each.dataset is not None:
        return Need(f"datasets/{each.dataset_id}", listed=each.dataset.sha256)
    if each.role == "scores":
        return Need(f"runs/{each.from_run_id}/{OUTPUT}")
    return checkpoint(session, f"runs/{each.from_run_id}/{CHECKPOINT}")


def checkpoint(session: Session, folder: str) -> Need:
    """A folder of weights; a run's checkpoint has the hash that was kept when the run ended."""
    _runs, _, rest = folder.partition("runs/")
    number, _, path = rest.partition("/")
    if not number.isdecimal():
        return Need(folder)
    kept = sa.select(Checkpoint.sha256).where(Checkpoint.run_id == int(number), Checkpoint.path == path)
    return Need(folder, sha256=session.scalar(kept) or "")
