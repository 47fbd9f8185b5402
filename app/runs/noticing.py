"""Brings a run's curves to what looks for anomalies in them, and keeps what was found of runs that have ended."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from time import monotonic
from typing import Any

import sqlalchemy as sa

from app.core.db import Session
from app.core.language import language
from app.runs import anomalies
from app.runs.history import finite
from app.runs.tables import Metric, Run

LOOK = 500
"""Last reports of a split that are looked at."""
KEPT = 500
EVERY = 3.0
"""Seconds between two looks at a run that goes on."""
TRAINED = ("reward", "mm_dpo")
_ended: OrderedDict[tuple[int, object, str], list[str]] = OrderedDict()
_going: OrderedDict[tuple[int, str], tuple[float, int, list[str]]] = OrderedDict()
"""Run and language → when it was looked at, after which report, and what was found."""


def notes_of(session: Session, runs: Iterable[Run]) -> dict[int, list[str]]:
    """What looks wrong in each of the runs that train, by the run's number; runs without notes are left out."""
    found = {run.id: _notes(session, run) for run in runs if run.recipe in TRAINED and run.started_at is not None}
    return {run_id: notes for run_id, notes in found.items() if notes}


def lately(session: Session, run: Run, last: int) -> list[str] | None:
    """What looks wrong up to about the report `last`, at most EVERY seconds old; None for a run that does not train."""
    if run.recipe not in TRAINED or run.started_at is None:
        return None
    key = (run.id, language())
    at, seen, notes = _going.get(key, (-EVERY, -1, []))
    if run.ended_at is not None or (last != seen and monotonic() - at >= EVERY):
        notes = _notes(session, run)
        _remember(_going, key, (monotonic(), last, notes))
    return notes


def _remember(kept: OrderedDict[Any, Any], key: object, found: object) -> None:
    kept[key] = found
    kept.move_to_end(key)
    while len(kept) > KEPT:
        kept.popitem(last=False)


def _notes(session: Session, run: Run) -> list[str]:
    if run.ended_at is None:
        return anomalies.notes(curves(session, run))
    key = (run.id, run.ended_at, language())
    if key not in _ended:
        _remember(_ended, key, anomalies.notes(curves(session, run)))
    return _ended[key]


def curves(session: Session, run: Run) -> anomalies.Curves:
    dataset = next((each.dataset for each in run.inputs if each.dataset is not None), None)
    pairs = dataset.counts.get("held_out", {}).get("pairs", 0) if dataset else 0
    return anomalies.Curves(_last(session, run.id, "train"), _last(session, run.id, "held_out"), run.config, pairs)


def _last(session: Session, run_id: int, split: str) -> dict[str, list[float | None]]:
    """Each curve's values over the last LOOK reports, by step; what a resumed run said again counts."""
    rows = session.scalars(
        sa.select(Metric.payload)
        .where(Metric.run_id == run_id, Metric.kind == "metric", Metric.payload["split"].astext == split)
        .order_by(Metric.id.desc())
        .limit(LOOK)
    )
    by_step = {payload["step"]: payload["values"] for payload in reversed(list(rows))}
    found: dict[str, list[float | None]] = {}
    for step in sorted(by_step):
        for name, value in by_step[step].items():
            found.setdefault(name, []).append(finite(value))
    return found
