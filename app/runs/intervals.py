"""Intervals of shares. Pairs of one sample are judged alike, so they are no independent draws: each interval says how
many independent ones they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from scipy.stats import t

Z = 1.959963984540054
"""The normal distribution's quantile of a two-sided interval of 95 %."""


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval; `of` is how many it was counted over."""

    value: float
    low: float
    high: float
    of: int


@dataclass(frozen=True)
class Gain:
    """A difference of two shares over the same pairs, with its 95 % interval."""

    value: float
    low: float
    high: float
    of: int

    @property
    def sure(self) -> bool:
        """Whether the interval leaves nought out."""
        return not self.low <= 0 <= self.high


def wilson(share: float, many: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `many` > 0 independent draws (Wilson 1927, JASA 22). A tie that counts half
    only narrows what is true: a mark of one half varies less than one of nought or one.
    """
    square = Z * Z / many
    middle = (share + square / 2) / (1 + square)
    half = Z / (1 + square) * sqrt(share * (1 - share) / many + square / many / 4)
    # Nought or all: rounding may not move the bound past the share itself.
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def counted(share: float, of: int, worth: float | None = None) -> Share:
    """A share of `of` draws that are worth `worth` independent ones (as many, where nothing is said)."""
    low, high = wilson(share, worth or of)
    return Share(share, low, high, of)


Counts = Mapping[str, Sequence[int]]
"""Sample → how many of its pairs are right, and how many it has."""


def clustered(counts: Counts) -> Share | None:
    """The share of right pairs of grouped ones; None where there are none.

    The number of pairs is divided by the design effect of the groups, and Wilson's interval taken at that (Korn and
    Graubard 1998, Survey Methodology 24). Where all are right or all wrong, a group counts once.
    """
    groups = [(right, size) for right, size in counts.values() if size]
    marks = sum(size for _right, size in groups)
    if not marks:
        return None
    share = sum(right for right, _size in groups) / marks
    return counted(share, marks, _worth(groups, share, marks))


def _worth(groups: Sequence[tuple[int, int]], share: float, marks: int) -> float:
    """How many independent marks the grouped ones are worth: at least one a group, at most all."""
    many = len(groups)
    if many < 2 or share in (0.0, 1.0):
        return many
    spread = _spread([(right - share * size) for right, size in groups], marks)
    return min(marks, max(many, share * (1 - share) / spread if spread else marks))


def _spread(deviations: Sequence[float], marks: int) -> float:
    """The variance of a share over `marks` marks, from each group's sum of deviations from it."""
    many = len(deviations)
    return many / (many - 1) * sum(each**2 for each in deviations) / marks**2


def gain(before: Counts, after: Counts) -> Gain | None:
    """How much larger the share of right pairs is in `after`, over the samples that both counted alike; None where
    these are fewer than two. Samples are compared with themselves, so what is hard for both does not blur it.
    """
    both = [key for key in before if key in after and before[key][1] == after[key][1] > 0]
    if len(both) < 2:
        return None
    marks = sum(before[key][1] for key in both)
    steps = [(after[key][0] - before[key][0], before[key][1]) for key in both]
    value = sum(step for step, _size in steps) / marks
    half = float(t.ppf(0.975, len(both) - 1)) * sqrt(_spread([step - value * size for step, size in steps], marks))
    return Gain(value, max(-1.0, value - half), min(1.0, value + half), marks)
