"""Preference pairs as a pure function of annotations (arXiv 2502.10391, section 4: all comparison pairs)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from statistics import mean
from typing import Any, NamedTuple

from app.annotations.schemas import DraftContent

Content = DraftContent | Mapping[str, Any]


class Pair(NamedTuple):
    """Keys are "r31" for response 31, "a7+" and "a7-" for what annotation 7's author wrote to break a tie."""

    chosen: str
    rejected: str


class Agreed(NamedTuple):
    """The pairs that more annotators prefer than oppose, and how many pairs fell for want of such a majority."""

    kept: list[Pair]
    dropped: int


def key_of(response_id: str | int) -> str:
    return f"r{response_id}"


def positive_key(annotation_id: int) -> str:
    return f"a{annotation_id}+"


def negative_key(annotation_id: int) -> str:
    return f"a{annotation_id}-"


def pairs_of(content: Content, annotation_id: int) -> list[Pair]:
    """Every pair of unlike rank; a positive sample beats all of its tied group, a negative one loses to all.

    An annotation that could not judge makes none.
    """
    judged = DraftContent.model_validate(content)
    if judged.cannot_judge is not None:
        return []
    groups = [[key_of(response) for response in group] for group in judged.ranking]
    ranked = [Pair(better, worse) for high, low in combinations(groups, 2) for better in high for worse in low]
    tied = groups[0] if judged.tie and groups else []
    if judged.positive is not None:
        ranked += [Pair(positive_key(annotation_id), each) for each in tied]
    if judged.negative is not None:
        ranked += [Pair(each, negative_key(annotation_id)) for each in tied]
    return ranked


def agree(votes: Iterable[Sequence[Pair]]) -> Agreed:
    """What several annotators' pairs of one sample come to: one list of pairs a person."""
    counts = Counter(pair for pairs in votes for pair in pairs)
    kept = [pair for pair, votes_for in counts.items() if votes_for > counts[Pair(pair.rejected, pair.chosen)]]
    return Agreed(kept, len({frozenset(pair) for pair in counts}) - len(kept))


def ranks_of(contents: Mapping[int, Content]) -> dict[str, int]:
    """Key → rank, 1 for the best, from the mean rank over the annotations (by id) that judged; equal means tie.

    Tied responses share the mean of the places that they take, so that a coarse ranking weighs as much as a fine
    one. What was written to break a tie stands before or behind all that it was written for.
    """
    judged = {id: DraftContent.model_validate(content) for id, content in contents.items()}
    places: dict[str, list[float]] = {}
    for id, content in judged.items():
        if content.cannot_judge is None:
            for key, place in _places(content, id).items():
                places.setdefault(key, []).append(place)
    means = {key: round(mean(values), 9) for key, values in places.items()}
    order = sorted(set(means.values()))
    return {key: order.index(value) + 1 for key, value in means.items()}


def _places(content: DraftContent, annotation_id: int) -> dict[str, float]:
    found: dict[str, float] = {}
    before = 0
    for group in content.ranking:
        found |= {key_of(response): before + (len(group) + 1) / 2 for response in group}
        before += len(group)
    if content.positive is not None:
        found[positive_key(annotation_id)] = float("-inf")
    if content.negative is not None:
        found[negative_key(annotation_id)] = float("inf")
    return found
