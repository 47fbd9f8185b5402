"""Preference pairs as a pure function of accepted annotations (MM-RLHF, arXiv 2502.10391, section 2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from app.annotations.schemas import Content


class Pair(NamedTuple):
    """Keys as a dataset's files say them: r31 for a response, a7+ and a7- for what annotation 7's author wrote."""

    chosen: str
    rejected: str


def response_key(response_id: int | str) -> str:
    return f"r{response_id}"


def positive_key(annotation_id: int) -> str:
    return f"a{annotation_id}+"


def negative_key(annotation_id: int) -> str:
    return f"a{annotation_id}-"


def pairs_of(content: Content, annotation_id: int) -> list[Pair]:
    """All pairs of unlike rank; a positive sample beats its whole tied group, a negative one loses to all of it.

    Four untied responses give six pairs; what cannot be judged gives none.
    """
    if content.cannot_judge is not None:
        return []
    groups = [[response_key(response) for response in group] for group in content.ranking]
    if content.positive is not None:
        groups.insert(0, [positive_key(annotation_id)])
    if content.negative is not None:
        groups.append([negative_key(annotation_id)])
    return [
        Pair(better, worse)
        for place, group in enumerate(groups)
        for lower in groups[place + 1 :]
        for better in group
        for worse in lower
    ]


class Vote(NamedTuple):
    """What several annotators of one sample make of it: the pairs that stand, and how many they cancel out."""

    pairs: list[Pair]
    contested: int


def vote(judgements: Iterable[tuple[int, Content]]) -> Vote:
    """A pair stands when more annotators prefer it than oppose it. `judgements`: (annotation id, content)."""
    counts = Counter(pair for annotation_id, content in judgements for pair in pairs_of(content, annotation_id))
    standing = [pair for pair, count in counts.items() if count > counts[Pair(pair.rejected, pair.chosen)]]
    even = [pair for pair, count in counts.items() if count == counts[Pair(pair.rejected, pair.chosen)]]
    return Vote(sorted(standing), len(even) // 2)


def mean_ranks(judgements: Iterable[tuple[int, Content]]) -> dict[str, int]:
    """Response key → rank by the mean of the annotators' ranks, 1 for the best, equal means tie; positives first, negatives last."""
    judged = [(annotation_id, content) for annotation_id, content in judgements if content.cannot_judge is None]
    ranks: dict[str, list[float]] = {}
    for annotation_id, content in judged:
        for response, rank in content.ranks.items():
            ranks.setdefault(response_key(response), []).append(rank)
        if content.positive is not None:
            ranks[positive_key(annotation_id)] = [0.0]
        if content.negative is not None:
            ranks[negative_key(annotation_id)] = [float("inf")]
    means = {key: sum(values) / len(values) for key, values in ranks.items()}
    levels = {mean: place for place, mean in enumerate(sorted(set(means.values())), 1)}
    return {key: levels[mean] for key, mean in means.items()}
