"""Offering what a score run found to the project's reviewers."""

from __future__ import annotations

import math
from collections.abc import Iterator

from app.annotations.applying import apply_again
from app.annotations.selecting import rules_of
from app.core import storage
from app.core.db import Session
from app.core.errors import Conflict
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.runs import queries
from app.runs.lines import read_jsonl
from app.runs.refusals import OutputMissing
from app.runs.tables import Run
from app.samples import assessments
from app.samples.assessments import Line


class NothingToOffer(Conflict):
    """Only a score run that has ended well has rewards to read."""


def offer(session: Session, seat: Seat, run_id: int) -> int:
    """Let reviewers read the run's rewards and critiques. Raises NothingToOffer, OutputMissing."""
    run = queries.run(session, seat, run_id)
    if run.recipe != "score" or queries.state_of(run) != "done":
        raise NothingToOffer(_("Only a score run that has ended well can be offered."), f"run {run_id}")
    kept = assessments.offer(session, seat, run.id, _lines(run))
    _select_again(session, seat)
    return kept


def withdraw(session: Session, seat: Seat, run_id: int) -> None:
    """Raises NotOffered."""
    assessments.withdraw(session, seat, queries.run(session, seat, run_id).id)
    _select_again(session, seat)


def _select_again(session: Session, seat: Seat) -> None:
    """Where the project's rules go by the reward model, what waits for a reviewer is another now."""
    session.flush()
    if rules_of(seat.project).contradiction_above is not None:
        apply_again(session, seat.user, seat.project)


def _lines(run: Run) -> Iterator[Line]:
    path = storage.run_folder(run.id) / "output" / "rewards.jsonl"
    if not path.is_file():
        raise OutputMissing(_("A file of this run's output is gone."), "output/rewards.jsonl")
    for row in read_jsonl(path):
        number = str(row["response"]).removeprefix("r")
        if number.isdecimal() and row["reward"] is not None and math.isfinite(row["reward"]):
            yield Line(int(number), float(row["reward"]), str(row.get("critique") or ""))
