"""How the margins of a score run are spread, as bars to be drawn: how many pairs the reward model orders how surely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

MOST = 28
"""Bars at most; their width is a round number, and one of their edges is 0."""


class Bar(NamedTuple):
    """Pairs whose margin is from `low` up to `high`; the model contradicts the people where that is below 0."""

    low: float
    high: float
    pairs: int

    @property
    def is_against(self) -> bool:
        return self.low < 0


class Spread(NamedTuple):
    bars: list[Bar]
    against: int
    pairs: int

    @property
    def tallest(self) -> int:
        return max(bar.pairs for bar in self.bars)


def spread(margins: Sequence[float]) -> Spread | None:
    """None for fewer than two pairs, or where all margins are equal: nothing to draw."""
    known = [each for each in margins if math.isfinite(each)]
    if len(known) < 2 or min(known) == max(known):
        return None
    width = _round_up((max(known) - min(known)) / (MOST - 2))
    places = [math.floor(each / width) for each in known]
    counts = dict.fromkeys(range(min(places), max(places) + 1), 0)
    for place in places:
        counts[place] += 1
    bars = [Bar(place * width, (place + 1) * width, pairs) for place, pairs in counts.items()]
    return Spread(bars, sum(each < 0 for each in known), len(known))


def _round_up(width: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(width))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= width * (1 - 1e-9))
