"""How far the work is, and when it will be done at the pace of the last days."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np

LOOKED_AT = 14
"""Days that the pace is taken from, working or not."""
FARTHEST = 3650
"""Days: beyond ten years a forecast says nothing."""


class Day(NamedTuple):
    day: dt.date
    done: int
    total: int
    """Done up to the evening of this day."""


class Forecast(NamedTuple):
    """When the open tasks will be done; early and late hold 80 % of what days drawn again come to."""

    days: list[Day]
    """Every day from the first annotation to today."""
    left: int
    pace: float
    """Annotations a day."""
    finish: dt.date | None = None
    early: dt.date | None = None
    late: dt.date | None = None


def forecast(done: list[tuple[dt.date, int]], left: int, today: dt.date) -> Forecast:
    """done: annotations a day, empty days left out."""
    if not done:
        return Forecast([], left, 0.0)
    of = dict(done)
    last = max(today, done[-1][0])
    days, total = [], 0
    for step in range((last - done[0][0]).days + 1):
        day = done[0][0] + dt.timedelta(days=step)
        total += of.get(day, 0)
        days.append(Day(day, of.get(day, 0), total))
    recent = np.array([each.done for each in days[-LOOKED_AT:]], dtype=float)
    pace = float(recent.mean())
    found = Forecast(days, left, pace)
    if left and pace and left / pace < FARTHEST:
        found = found._replace(finish=_after(last, left / pace), early=None, late=None)
        drawn = np.random.default_rng(0).choice(recent, size=(1000, len(recent))).mean(axis=1)
        slow, quick = np.quantile(drawn, [0.1, 0.9])
        found = found._replace(early=_after(last, left / quick), late=_after(last, left / slow) if slow else None)
    return found


def _after(day: dt.date, days: float) -> dt.date | None:
    return day + dt.timedelta(days=int(np.ceil(days))) if days < FARTHEST else None
