"""Preference pairs as a pure function of annotations (arXiv 2502.10391, section 4: all comparison pairs)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, NamedTuple

from app.annotations.schemas import DraftContent

Content = DraftContent | Mapping[str, Any]
Author = int | str
"""The id of an annotation, or a key such as "d5" for a reviewer's decision."""


class Pair(NamedTuple):
    """Keys are "r31" for response 31, "a7+" and "a7-" for what annotation 7's author wrote to break a tie.

    "d5+" and "d5-" are what a reviewer wrote who decided between annotators.
    """

    chosen: str
    rejected: str


def key_of(response_id: str | int) -> str:
    return f"r{response_id}"


def positive_key(author: Author) -> str:
    return f"{_author(author)}+"


def negative_key(author: Author) -> str:
    return f"{_author(author)}-"


def _author(author: Author) -> str:
    return author if isinstance(author, str) else f"a{author}"


def pairs_of(content: Content, author: Author) -> list[Pair]:
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
        ranked += [Pair(positive_key(author), each) for each in tied]
    if judged.negative is not None:
        ranked += [Pair(each, negative_key(author)) for each in tied]
    return ranked


def ranks_of(contents: Mapping[Any, Content], weights: Mapping[Any, float] | None = None) -> dict[str, int]:
    """Key → rank, 1 for the best, from the mean rank over the annotations (by author) that judged, weighted if
    there are weights; equal means tie.

    Tied responses share the mean of the places that they take, so that a coarse ranking weighs as much as a fine
    one. What was written to break a tie stands before or behind all that it was written for.
    """
    judged = {id: DraftContent.model_validate(content) for id, content in contents.items()}
    places: dict[str, list[tuple[float, float]]] = {}
    for id, content in judged.items():
        if content.cannot_judge is None:
            for key, place in _places(content, id).items():
                places.setdefault(key, []).append((place, weights[id] if weights else 1.0))
    means = {key: round(_mean(values), 9) for key, values in places.items()}
    order = sorted(set(means.values()))
    return {key: order.index(value) + 1 for key, value in means.items()}


def _mean(values: list[tuple[float, float]]) -> float:
    return sum(value * weight for value, weight in values) / sum(weight for _, weight in values)


def _places(content: DraftContent, author: Author) -> dict[str, float]:
    found: dict[str, float] = {}
    before = 0
    for group in content.ranking:
        found |= {key_of(response): before + (len(group) + 1) / 2 for response in group}
        before += len(group)
    if content.positive is not None:
        found[positive_key(author)] = float("-inf")
    if content.negative is not None:
        found[negative_key(author)] = float("inf")
    return found
