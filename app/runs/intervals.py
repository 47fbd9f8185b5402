"""Intervals of shares. Pairs of one sample are judged alike, so they are no independent draws: each interval says how
many independent ones they are worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

Z = 1.959963984540054
"""The normal distribution's quantile of a two-sided interval of 95 %."""


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval; `of` is how many it was counted over."""

    value: float
    low: float
    high: float
    of: int


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


def clustered(groups: Iterable[Sequence[bool]]) -> Share | None:
    """The share of right marks of grouped ones, such as a sample's pairs; None where there are none.

    The number of marks is divided by the design effect of the groups, and Wilson's interval taken at that (Korn and
    Graubard 1998, Survey Methodology 24). Where all are right or all wrong, a group counts once.
    """
    sizes = [(sum(group), len(group)) for group in groups if len(group)]
    marks = sum(size for _right, size in sizes)
    if not marks:
        return None
    share = sum(right for right, _size in sizes) / marks
    return counted(share, marks, _worth(sizes, share, marks))


def _worth(sizes: list[tuple[int, int]], share: float, marks: int) -> float:
    """How many independent marks the grouped ones are worth: at least one a group, at most all."""
    many = len(sizes)
    if many < 2 or share in (0.0, 1.0):
        return many
    spread = many / (many - 1) * sum((right - share * size) ** 2 for right, size in sizes) / marks**2
    worth = share * (1 - share) / spread if spread else marks
    return min(marks, max(many, worth))
