"""How far people who judged the same sample are apart. Pure functions of contents; agreement over a project is another
room's work."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import mean

from app.annotations.schemas import DraftContent


def of_scores(contents: Sequence[DraftContent], response: str, criterion: str) -> float | None:
    """Spread of one score between people: 0 for none, 1 for 1 against 5. None where fewer than two gave one."""
    marks = [
        content.scores[response][criterion] for content in contents if criterion in content.scores.get(response, {})
    ]
    return (max(marks) - min(marks)) / 4 if len(marks) > 1 else None


def of_ranks(contents: Sequence[DraftContent]) -> float | None:
    """Share of response pairs, over all pairs of people, ordered unlike; a tie against an order counts half."""
    apart = [
        abs(_order(one, *pair) - _order(other, *pair)) / 2
        for one, other in combinations([content for content in contents if content.ranking], 2)
        for pair in combinations(sorted(set(one.ranks) & set(other.ranks)), 2)
    ]
    return mean(apart) if apart else None


def _order(content: DraftContent, first: str, second: str) -> int:
    ranks = content.ranks
    return (ranks[first] > ranks[second]) - (ranks[first] < ranks[second])


def overall(contents: Sequence[DraftContent]) -> float | None:
    """Mean of the rank disagreement and the mean spread of the scores, 0 to 1; None where only one person judged."""
    cells = {(response, key) for content in contents for response, marks in content.scores.items() for key in marks}
    spreads = [spread for cell in sorted(cells) if (spread := of_scores(contents, *cell)) is not None]
    parts = [part for part in (mean(spreads) if spreads else None, of_ranks(contents)) if part is not None]
    return mean(parts) if parts else None


def level(value: float) -> int:
    """A disagreement in five steps: 0 where all agree, 1 (close) to 4 (opposite) where somebody differs."""
    return max(1, round(4 * value)) if value else 0
