"""Drawings as lists of points, so that templates only place them. Every chart stands beside its table."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np

from app.core.html import day
from app.quality import leanings
from app.quality.columns import Columns, Floats
from app.quality.drift import Series
from app.quality.progress import Forecast
from app.quality.reports import Change

WIDE, HIGH = 640.0, 140.0


class Tick(NamedTuple):
    place: float
    word: str


class Shift(NamedTuple):
    """A change of level: where it is drawn, when it was, and the levels before and after."""

    x: float
    at: dt.datetime
    place: int
    before: float
    after: float


class Line(NamedTuple):
    """A series over annotations in their order. dots, smooth: SVG coordinates in a box of WIDE × HIGH."""

    name: str
    unit: str
    many: int
    mean: float
    dots: list[tuple[float, float]]
    smooth: str
    ticks: list[Tick]
    shifts: list[Shift]
    first: dt.datetime | None
    last: dt.datetime | None


def line(change: Change) -> Line:
    found = change.series
    if not len(found.values):
        return Line(change.name, change.unit, 0, 0.0, [], "", [], [], None, None)
    low, high, step = scale(found.values)
    x = np.linspace(0, WIDE, len(found.values)) if len(found.values) > 1 else np.array([WIDE / 2])
    y, smooth = (HIGH - HIGH * (values - low) / (high - low) for values in (found.values, found.smooth))
    ticks = [
        Tick(round(HIGH - HIGH * (at - low) / (high - low), 1), f"{at:g}")
        for at in np.arange(low, high + step / 2, step)
    ]
    return Line(
        change.name,
        change.unit,
        len(found.values),
        float(found.values.mean()),
        [(round(float(a), 1), round(float(b), 1)) for a, b in zip(x, y, strict=True)],
        _points(x, smooth),
        ticks,
        _shifts(found, x),
        _moment(found.at[0]),
        _moment(found.at[-1]),
    )


def _shifts(found: Series, x: Floats) -> list[Shift]:
    places = np.searchsorted(found.at, [each.at for each in found.changes])
    return [
        Shift(round(float(x[place]), 1), _moment(each.at), each.place, each.before, each.after)
        for place, each in zip(places, found.changes, strict=True)
    ]


def _moment(at: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(float(at), dt.UTC)


def _points(x: Floats, y: Floats) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def scale(values: Floats) -> tuple[float, float, float]:
    """Round bounds around the values and the step between ticks."""
    low, high = float(values.min()), float(values.max())
    span = max(high - low, 1e-3, abs(high) / 50)
    step = 10 ** np.floor(np.log10(span / 2))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 4)
    low, high = np.floor(low / step) * step, np.ceil(high / step) * step
    return float(low), float(high if high > low else low + step), float(step)


class Winner(NamedTuple):
    """A place on the screen: how often it won alone, and how often chance would let it."""

    letter: str
    there: int
    won: int
    share: float
    chance: float


def winners(columns: Columns) -> list[Winner]:
    return [
        Winner(chr(ord("A") + place), there, won, won / there, chance / there)
        for place, (there, won, chance) in enumerate(leanings.winners(columns))
    ]


class Burn(NamedTuple):
    """Annotations done by day, the total to reach, and the forecast's dashed way there. Coordinates in WIDE × HIGH."""

    done: str
    ahead: str
    goal: float
    ticks: list[Tick]
    days: list[Tick]


def burn(forecast: Forecast, total: int) -> Burn | None:
    """None where nothing was done yet."""
    if not forecast.days:
        return None
    first, last = forecast.days[0].day, forecast.days[-1].day
    # A finish very far away would press what was done into the corner.
    end = min(forecast.finish or last, last + dt.timedelta(days=4 * len(forecast.days) + 14))
    span = max((end - first).days, 1)
    most = max(total, forecast.days[-1].total, 1)
    _, top, step = scale(np.array([0.0, most]))
    x = np.array([(each.day - first).days for each in forecast.days]) * WIDE / span
    y = HIGH - HIGH * np.array([each.total for each in forecast.days]) / top
    ahead = ""
    if forecast.finish and forecast.pace:
        gone = (end - last).days
        reached = min(forecast.days[-1].total + gone * forecast.pace, most)
        ahead = _points(np.array([x[-1], WIDE]), np.array([y[-1], HIGH - HIGH * reached / top]))
    ticks = [Tick(round(float(HIGH - HIGH * at / top), 1), f"{at:,.0f}") for at in np.arange(0, top + step / 2, step)]
    days = [Tick(0, day(first)), Tick(WIDE, day(end))]
    return Burn(_points(np.r_[0.0, x], np.r_[HIGH, y]), ahead, round(float(HIGH - HIGH * total / top), 1), ticks, days)
