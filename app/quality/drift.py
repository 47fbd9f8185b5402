"""How somebody's work changes: a series over their annotations, and the places where its level shifts (ruptures)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import ruptures

from app.quality.columns import Floats

SHORTEST = 10
"""Annotations between two changes."""
MOST_POINTS = 800
PENALTY = 2.5
"""Times the variance and log n: of 400 steady series of 130 it changed seven, Schwarz's criterion, 2, twenty-six."""


class Change(NamedTuple):
    """The level before and after `at`, in unix seconds; `place`: how many annotations came before it."""

    at: float
    place: int
    before: float
    after: float


class Series(NamedTuple):
    """One point an annotation, or a mean over several where there are very many."""

    at: Floats
    values: Floats
    smooth: Floats
    """Means over SHORTEST neighbours."""
    changes: list[Change]


def series(at: Floats, values: Floats) -> Series:
    """In order of time; NaN left out."""
    known = ~np.isnan(values)
    order = np.argsort(at[known], kind="stable")
    at, values = at[known][order], values[known][order]
    step = -(-len(values) // MOST_POINTS) if len(values) else 1
    if step > 1:
        starts = np.arange(0, len(values), step)
        at, values = at[starts], np.add.reduceat(values, starts) / np.diff(np.r_[starts, len(values)])
    return Series(at, values, _smoothed(values), changes(at, values, step))


def changes(at: Floats, values: Floats, step: int = 1) -> list[Change]:
    """Where the mean shifts, by exact segmentation under a penalty; none in fewer than twice SHORTEST points."""
    if len(values) < 2 * SHORTEST:
        return []
    # From neighbours' differences, which a shift of the level does not inflate.
    variance = float(np.mean(np.diff(values) ** 2) / 2)
    if variance < 1e-12:
        return []
    search = ruptures.KernelCPD(kernel="linear", min_size=SHORTEST).fit(values.reshape(-1, 1))
    places = [0, *search.predict(pen=PENALTY * variance * np.log(len(values)))]
    return [
        Change(float(at[here]), here * step, float(values[before:here].mean()), float(values[here:after].mean()))
        for before, here, after in zip(places[:-2], places[1:-1], places[2:], strict=True)
    ]


def _smoothed(values: Floats) -> Floats:
    if len(values) < SHORTEST:
        return values
    total = np.cumsum(np.r_[0.0, values])
    here = np.arange(len(values))
    low, high = np.maximum(here - SHORTEST // 2, 0), np.minimum(here + SHORTEST // 2 + 1, len(values))
    return np.asarray((total[high] - total[low]) / (high - low))
