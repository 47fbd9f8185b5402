"""A project with a researcher, a frozen dataset and runs: what tests of runs begin with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.core import storage
from app.core.db import now
from app.datasets.tables import Dataset
from app.projects.guard import Seat
from app.projects.tables import Project
from app.runs import actions
from app.runs.tables import Run
from tests import cast
from tests.ml import cast as files


@dataclass
class Story:
    """Rita researches in Streets; the dataset has pairs; the base model is a folder with a config.json."""

    session: Session
    seat: Seat
    dataset: Dataset
    base: Path

    @property
    def project(self) -> Project:
        return self.seat.project

    @property
    def at(self) -> str:
        return f"/projects/{self.project.slug}/runs"

    def start(self, recipe: str = "reward", **changes: Any) -> Run:
        """A run as the form would start it."""
        config = {"critiques": "human", "base": str(self.base)} if recipe == "reward" else {"base": str(self.base)}
        given = {"recipe": recipe, "name": f"a {recipe}", "config": config, "inputs": {"dataset": self.dataset.id}}
        run = actions.start(self.session, self.seat, **{**given, **changes})
        self.session.commit()
        return run


def begin(session: Session, name: str = "Rita", project: str = "Streets") -> Story:
    rita = cast.user(session, name, is_admin=False)
    place = cast.project(session, rita, project)
    seat = cast.seat(session, rita, place, "researcher")
    base = storage.root() / "models" / "tiny"
    base.mkdir(parents=True, exist_ok=True)
    (base / "config.json").write_text("{}")
    story = Story(session, seat, freeze(session, seat), base)
    session.commit()
    return story


def freeze(session: Session, seat: Seat, **counts: int) -> Dataset:
    """A dataset row with a folder drawn by hand."""
    row = Dataset(
        project_id=seat.project.id,
        name=f"shapes {now().timestamp()}",
        version=1,
        settings={},
        counts={"samples": 8, "pairs": 40, **counts},
        sha256="0" * 64,
        created_by=seat.user.id,
    )
    session.add(row)
    session.flush()
    files.dataset(storage.dataset_folder(row.id))
    return row


def end(session: Session, run: Run, failure: str | None = None) -> None:
    """As if a worker had seen the run through."""
    run.started_at = run.ended_at = now()
    run.exit_code, run.failure = (1, failure) if failure else (0, None)
    session.commit()
