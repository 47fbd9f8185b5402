"""How sure a reward model is, as bars."""

from __future__ import annotations

import math
import random

import pytest

from app.runs.spread import MOST, spread


def test_bars_by_hand() -> None:
    found = spread([-1.0, -0.5, 0.0, 0.25, 24.0])
    assert found is not None
    assert (found.against, found.pairs, found.tallest) == (2, 5, 2)
    assert [(bar.low, bar.high) for bar in found.bars[:2]] == [(-1.0, 0.0), (0.0, 1.0)]
    assert [bar.pairs for bar in found.bars if bar.pairs] == [2, 2, 1]
    assert [bar.is_against for bar in found.bars[:2]] == [True, False]


@pytest.mark.parametrize("margins", [[], [1.0], [2.0, 2.0], [math.nan, 1.0]])
def test_nothing_is_drawn_where_there_is_nothing_to_see(margins: list[float]) -> None:
    assert spread(margins) is None


@pytest.mark.parametrize("scale", [1e-6, 1.0, 3e5])
def test_every_pair_is_in_one_bar_and_nought_is_an_edge(scale: float) -> None:
    draw = random.Random(5)
    margins = [draw.gauss(0.3, 1) * scale for _ in range(500)]
    found = spread(margins)
    assert found is not None
    assert sum(bar.pairs for bar in found.bars) == 500 and len(found.bars) <= MOST
    assert sum(bar.pairs for bar in found.bars if bar.is_against) == found.against == sum(each < 0 for each in margins)
    assert any(bar.low == 0 for bar in found.bars)
