"""What a dataset's page tells of the runs that read it."""

from __future__ import annotations

from app.core import storage
from app.core.db import Session
from app.datasets.tables import Dataset
from app.datasets.uses import Use
from app.projects.guard import Seat
from app.runs import queries
from app.runs.kinds import KINDS
from app.runs.tables import Run


def uses_of(session: Session, seat: Seat, dataset: Dataset) -> list[Use]:
    """The seat's runs on the dataset, oldest first; finished score runs with their margins."""
    return [_use(seat, run) for run in queries.runs_on_dataset(session, seat, dataset.id)]


def _use(seat: Seat, run: Run) -> Use:
    state = queries.state_of(run)
    margins = storage.run_folder(run.id) / "output" / "margins.jsonl"
    scored = run.recipe == "score" and state == queries.DONE and margins.is_file()
    href = f"/projects/{seat.project.slug}/runs/{run.id}"
    return Use(run.id, KINDS[run.recipe].title, run.name, state, href, margins if scored else None)
