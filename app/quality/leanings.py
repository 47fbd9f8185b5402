"""Habits that are not judgement: leaning to a place on the screen, to length, to high or low marks, to no marks at all.

Each is a mean over annotations with its standard error, since the pairs of one annotation hang together.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from app.quality.agreement import Agreement, compared
from app.quality.columns import UNRANKED, Columns, Floats, Ints, Mask, outcomes


class Mean(NamedTuple):
    """A mean over `many` annotations and how many standard errors it lies from `expected`."""

    value: float | None
    expected: float
    z: float
    many: int


NOTHING = Mean(None, 0.0, 0.0, 0)


def mean(values: Floats, expected: float = 0.0) -> Mean:
    """Of the values that are not NaN."""
    values = values[~np.isnan(values)]
    if not len(values):
        return Mean(None, expected, 0.0, 0)
    # As if one more had been as far from the mean as all others together: three alike values are no certainty.
    error = np.sqrt((((values - values.mean()) ** 2).sum() + 0.25) / len(values) / max(len(values) - 1, 1))
    return Mean(float(values.mean()), expected, float((values.mean() - expected) / error), len(values))


def by_place(columns: Columns) -> Floats:
    """[rows]: share of the strict pairs in which the response shown earlier was preferred; NaN where none is strict."""
    return _share(outcomes(columns.ranks), _first_is(columns.shown < 0, -columns.shown.astype(np.int64)))


def by_length(columns: Columns, ids: Ints, lengths: Ints) -> Floats:
    """[rows]: share of the strict pairs in which the longer response was preferred. ids: rising response ids."""
    if not len(ids):
        return np.full(len(columns), np.nan)
    place = np.searchsorted(ids, columns.responses).clip(max=len(ids) - 1)
    known = ids[place] == columns.responses
    return _share(outcomes(columns.ranks), _first_is(~known, lengths[place]))


def _first_is(missing: Mask, value: Ints) -> Ints:
    """[rows, K] → [rows, pairs]: 1 where the first response has more, −1 where the second has, 0 where neither."""
    two = np.array(list(combinations(range(value.shape[1]), 2)), dtype=np.int64).reshape(-1, 2)
    sign = np.sign(value[:, two[:, 0]] - value[:, two[:, 1]])
    return np.where(missing[:, two[:, 0]] | missing[:, two[:, 1]], 0, sign)


def _share(ways: np.ndarray, towards: Ints) -> Floats:  # type: ignore[type-arg]
    strict = (ways != UNRANKED) & (ways != 0) & (towards != 0)
    with np.errstate(invalid="ignore"):
        return np.asarray(
            (strict & (ways == towards)).sum(axis=1) / np.where(strict.any(axis=1), strict.sum(axis=1), np.nan)
        )


def winners(columns: Columns) -> list[tuple[int, int, float]]:
    """For each place on the screen: how often it was there to win, how often it won alone, and what chance gives."""
    best = (columns.ranks == 1) & (columns.shown >= 0)
    one = best.sum(axis=1) == 1
    found = []
    for place in range(columns.shown.shape[1]):
        there = one & (columns.shown == place).any(axis=1)
        if there.any():
            chance = float((1 / (columns.shown[there] >= 0).sum(axis=1)).sum())
            won = int((best[there] & (columns.shown[there] == place)).any(axis=1).sum())
            found.append((int(there.sum()), won, chance))
    return found


def severity(found: Agreement) -> tuple[Ints, Floats]:
    """Rows' users, and how much higher than others' mean each row's marks of the same responses are."""
    columns = found.columns
    place = np.searchsorted(found.samples, columns.sample)
    given = columns.scores > 0
    marks = columns.scores.astype(float)
    sums, counts = (np.zeros((len(found.samples), *marks.shape[1:])) for _ in range(2))
    np.add.at(sums, place, marks)
    np.add.at(counts, place, given.astype(float))
    others = counts[place] - given
    apart: Floats = np.where(
        given & (others > 0), marks - (sums[place] - marks) / np.where(others > 0, others, 1), np.nan
    )
    known: Mask = np.asarray(~np.isnan(apart))
    total = np.where(known, apart, 0).sum(axis=(1, 2))
    return columns.user, np.where(known.any(axis=(1, 2)), total / np.maximum(known.sum(axis=(1, 2)), 1), np.nan)


def straight(columns: Columns) -> Floats:
    """[rows]: 1 where every response got the same marks as every other, 0 where not, NaN where fewer than two did."""
    given: Mask = np.asarray((columns.scores > 0).all(axis=2))
    low = np.where(given[:, :, None], columns.scores, 127).min(axis=1)
    high = np.where(given[:, :, None], columns.scores, 0).max(axis=1)
    same = (low == high).all(axis=1).astype(float)
    return np.where(given.sum(axis=1) > 1, same, np.nan)


def with_others(found: Agreement) -> Floats:
    """[rows of the agreement's columns]: mean share of pairs ordered as another person did, over those people."""
    ways = outcomes(found.columns.ranks)
    one, other = found.pairings
    both = compared(ways[one], ways[other])
    ranked = both.total > 0
    share = both.same[ranked] / both.total[ranked]
    many = len(found.columns)
    sums = np.bincount(one[ranked], share, many) + np.bincount(other[ranked], share, many)
    counts = np.bincount(one[ranked], minlength=many) + np.bincount(other[ranked], minlength=many)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))
