"""What a live page is told at once when it opens: thinned curves, sample outputs, notes. The stream goes on from it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.core import language
from app.core.db import Session
from app.runs import queries
from app.runs.tables import Metric

BUCKETS = 1000
"""Of each the least and the greatest value are sent: about two points for every column of a wide screen."""
MOST_SAMPLES = 400
MOST_NOTES = 200


class Point(NamedTuple):
    step: int
    at: float
    """Unix seconds."""
    value: float | None


def told(session: Session, run_id: int) -> dict[str, Any]:
    """last: the row after which the stream goes on; curves: by split and name, columns of steps, seconds and values."""
    last = session.scalar(sa.select(sa.func.max(Metric.id)).where(Metric.run_id == run_id)) or 0
    return {
        "last": last,
        "curves": [
            {
                "split": split,
                "name": name,
                "steps": [point.step for point in kept],
                "at": [point.at for point in kept],
                "values": [point.value for point in kept],
            }
            for (split, name), points in _points(session, run_id, last).items()
            for kept in [thinned(points)]
        ],
        "samples": _said(session, run_id, "sample", MOST_SAMPLES),
        "notes": _said(session, run_id, "note", MOST_NOTES),
        "progress": spoken("progress", queries.latest_progress(session, [run_id]).get(run_id, {})) or None,
    }


def spoken(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    """A report as its viewer reads it: recipes note things, and name what they are at, in English."""
    word = {"note": "text", "progress": "phase"}.get(kind)
    return payload | {word: language.told(payload[word])} if word and word in payload else payload


def _said(session: Session, run_id: int, kind: str, limit: int) -> list[dict[str, Any]]:
    return [spoken(kind, row.payload) for row in queries.last_of_kind(session, run_id, kind, limit)]


def _points(session: Session, run_id: int, last: int) -> dict[tuple[str, str], list[Point]]:
    """Every curve by step. What a resumed run said again counts."""
    rows = session.execute(
        sa.select(Metric.payload)
        .where(Metric.run_id == run_id, Metric.kind == "metric", Metric.id <= last)
        .order_by(Metric.id)
        .execution_options(yield_per=1000)
    )
    found: dict[tuple[str, str], dict[int, Point]] = {}
    for (payload,) in rows:
        for name, value in payload["values"].items():
            point = Point(payload["step"], payload.get("at", 0.0), finite(value))
            found.setdefault((payload["split"], name), {})[point.step] = point
    return {key: [points[step] for step in sorted(points)] for key, points in found.items()}


def finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most about 2 · BUCKETS of them, the least and the greatest of each bucket, so that no spike is lost; and every
    gap, the first and the last.
    """
    each = -(-len(points) // BUCKETS)
    if each <= 2:
        return list(points)
    kept = {points[0], points[-1]}
    for start in range(0, len(points), each):
        bucket = points[start : start + each]
        known = [point for point in bucket if point.value is not None]
        kept.update(point for point in bucket[:1] if not known)
        if known:
            kept.add(min(known, key=lambda point: point.value or 0.0))
            kept.add(max(known, key=lambda point: point.value or 0.0))
            gaps = [point for point in bucket if point.value is None]
            kept.update(gaps[:1])
    return sorted(kept)
