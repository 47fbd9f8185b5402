"""Judgements as the tests of this room tell them."""

from __future__ import annotations

from typing import Any

from app.quality.agreement import Agreement, agreement
from app.quality.columns import Row, build

HELPFUL = ["helpfulness"]


def judged(user: int, sample: int, *scores: int | None, ranks: dict[int, int] | None = None, **changes: Any) -> Row:
    """One person's helpfulness scores of the responses 1, 2, … (None: not scored), and their ranks."""
    marks = {str(place): {"helpfulness": score} for place, score in enumerate(scores, 1) if score is not None}
    groups: dict[int, list[str]] = {}
    for response, rank in (ranks or {}).items():
        groups.setdefault(rank, []).append(str(response))
    ranking = [groups[rank] for rank in sorted(groups)]
    order = sorted({*map(int, marks), *(ranks or {})})
    row = Row(user * 1000 + sample, user, sample, scores=marks, ranking=ranking, order=order)
    return row._replace(**changes)


def found(rows: list[Row]) -> Agreement:
    return agreement(build(rows, HELPFUL))
