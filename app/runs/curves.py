"""Curves of several runs over each other: which metrics they report, and one metric's points in each of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.core.db import Session
from app.runs.metric_words import called
from app.runs.tables import Metric, Run

LOOK = 40
"""Last reports of a run from which the names of its metrics are read."""

MOST_POINTS = 2000
"""Points of one curve that are sent: more than a screen has columns."""

FIRST = ("loss", "accuracy")
"""What is shown where nothing is chosen, the first that is there."""


class Name(NamedTuple):
    """A metric: over which part of the data, and how it is called."""

    split: str
    metric: str

    @property
    def key(self) -> str:
        """As an address says it."""
        return f"{self.split}:{self.metric}"

    @property
    def words(self) -> str:
        """As a page says it."""
        return called(self.metric, self.split)


class Choice(NamedTuple):
    """A metric that can be shown, and the runs that report it."""

    name: Name
    runs: list[int]


def choices(session: Session, runs: Sequence[Run]) -> list[Choice]:
    """Every metric that any of the runs reports, those of the most runs first."""
    found: dict[Name, list[int]] = {}
    for run in runs:
        for name in _names(session, run.id):
            found.setdefault(name, []).append(run.id)
    rank = {name: place for place, name in enumerate(FIRST)}
    rows = [Choice(name, ids) for name, ids in found.items()]
    return sorted(
        rows, key=lambda row: (-len(row.runs), rank.get(row.name.metric, 9), row.name.split != "train", row.name.metric)
    )


def _names(session: Session, run_id: int) -> list[Name]:
    split = Metric.payload["split"].astext
    found: dict[Name, None] = {}
    for part in ("train", "held_out"):
        rows = session.scalars(
            sa.select(Metric.payload["values"])
            .where(Metric.run_id == run_id, Metric.kind == "metric", split == part)
            .order_by(Metric.id.desc())
            .limit(LOOK)
        )
        found |= {Name(part, name): None for values in rows for name in values}
    return list(found)


def chosen(rows: Sequence[Choice], key: str) -> Choice | None:
    """The choice that an address names, or the first; None where the runs report nothing."""
    return next((row for row in rows if row.name.key == key), rows[0] if rows else None)


def points(session: Session, run_id: int, name: Name) -> dict[int, float | None]:
    """Step → value: every n-th report and the last one, at most about MOST_POINTS; None where it was not finite.

    What a resumed run said again counts. The database thins them, so that long runs do not fill the process.
    """
    said = Metric.payload["values"]
    rows = (
        sa.select(
            Metric.payload["step"].as_integer().label("step"),
            said[name.metric].label("value"),
            sa.func.row_number().over(order_by=Metric.id).label("place"),
            sa.func.count().over().label("many"),
        )
        .where(Metric.run_id == run_id, Metric.kind == "metric", Metric.payload["split"].astext == name.split)
        .where(said.has_key(name.metric))
        .subquery()
    )
    each = (rows.c.many + (MOST_POINTS - 1)) // MOST_POINTS
    kept = sa.or_((rows.c.place - 1) % each == 0, rows.c.place == rows.c.many)
    found = session.execute(sa.select(rows.c.step, rows.c.value).where(kept).order_by(rows.c.place))
    known = {step: _finite(value) for step, value in found}
    return {step: known[step] for step in sorted(known)}


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


def laid_over(session: Session, runs: Sequence[Run], choice: Choice | None) -> dict[str, Any]:
    """One figure: for each run, in their order, its label, steps and values. Runs report at steps of their own; one
    that does not report the metric has none.
    """
    curves = []
    for run in runs:
        known = points(session, run.id, choice.name) if choice and run.id in choice.runs else {}
        curves.append({"label": f"#{run.id} {run.name}", "steps": list(known), "values": list(known.values())})
    return {"curves": curves}
