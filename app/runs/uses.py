"""What a dataset's page tells of the runs that read it."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from app.core import storage
from app.core.db import Session
from app.core.errors import NotFound
from app.core.language import gettext as _
from app.datasets import reading
from app.datasets.members import Margins
from app.datasets.tables import Dataset
from app.datasets.uses import Use
from app.projects.guard import Seat
from app.runs import queries
from app.runs.kinds import KINDS
from app.runs.tables import Run, RunInput


def uses_of(session: Session, seat: Seat, dataset: Dataset) -> list[Use]:
    """The seat's runs on the dataset, oldest first; finished score runs with their margins."""
    return [_use(seat, run) for run in queries.runs_on_dataset(session, seat, dataset.id)]


def _use(seat: Seat, run: Run) -> Use:
    href = f"/projects/{seat.project.slug}/runs/{run.id}"
    return Use(run.id, KINDS[run.recipe].title, run.name, queries.state_of(run), href, margins_of(run))


def margins_of(run: Run) -> Path | None:
    """The file of margins that a finished score run has left."""
    path = storage.run_folder(run.id) / "output" / "margins.jsonl"
    return path if run.recipe == "score" and queries.state_of(run) == queries.DONE and path.is_file() else None


def margins_by(session: Session, dataset: Dataset, run_id: int) -> Margins:
    """The dataset's margins by one of its score runs, for a command that nobody is seated at. Raises NotFound."""
    run = session.scalar(
        sa.select(Run)
        .join(RunInput, RunInput.run_id == Run.id)
        .where(Run.id == run_id, RunInput.dataset_id == dataset.id)
    )
    path = margins_of(run) if run else None
    if path is None:
        raise NotFound(_("This run has left no margins of this dataset."), f"run {run_id}")
    return reading.margins(path)
