"""ACC and ACC+, as RewardBench counts them, over all samples and by question type and domain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ml.data import Dataset, Pair, Sample

Key = tuple[str, str]


def margins_of(dataset: Dataset, samples: Iterable[Sample], values: Mapping[Key, float]) -> dict[Pair, float]:
    """Value of the chosen less value of the rejected, for each pair of which both are known."""
    pairs = (pair for sample in samples for pair in dataset.pairs.get(sample.id, ()))
    return {
        pair: values[pair.sample, pair.chosen] - values[pair.sample, pair.rejected]
        for pair in pairs
        if (pair.sample, pair.chosen) in values and (pair.sample, pair.rejected) in values
    }


def accuracies(margins: Mapping[Pair, float], samples: Mapping[str, Sample]) -> dict[str, Any]:
    """ACC and ACC+, overall, by RewardBench's category, question type and domain. A margin of 0 is not right.

    `by_sample` counts right pairs and pairs of each sample: what intervals and paired comparisons are made of, since
    the pairs of one sample are not independent.
    """
    return {
        "overall": _of(margins),
        "by_category": _by(margins, lambda pair: category_of(samples[pair.sample])),
        "by_question_type": _by(margins, lambda pair: samples[pair.sample].question_type),
        "by_domain": _by(margins, lambda pair: samples[pair.sample].domain),
        "by_sample": {sample: [sum(marks), len(marks)] for sample, marks in _marks(margins).items()},
    }


def category_of(sample: Sample) -> str:
    """RewardBench's: video or safety where that is the domain, else the question type (mcq, long, short)."""
    return sample.domain if sample.domain in ("video", "safety") else sample.question_type


def _by(margins: Mapping[Pair, float], kind_of: Callable[[Pair], str]) -> dict[str, Any]:
    kinds = sorted({kind_of(pair) for pair in margins})
    return {kind: _of({pair: value for pair, value in margins.items() if kind_of(pair) == kind}) for kind in kinds}


def _of(margins: Mapping[Pair, float]) -> dict[str, Any]:
    right = _marks(margins)
    return {
        "acc": _share([each for sample in right.values() for each in sample]),
        "acc_plus": _share([all(sample) for sample in right.values()]),
        "pairs": len(margins),
        "samples": len(right),
        "mean_margin": sum(margins.values()) / len(margins) if margins else None,
    }


def _marks(margins: Mapping[Pair, float]) -> dict[str, list[bool]]:
    """Sample → whether each of its pairs is right."""
    right: dict[str, list[bool]] = {}
    for pair, margin in margins.items():
        right.setdefault(pair.sample, []).append(margin > 0)
    return right


def _share(marks: Sequence[bool]) -> float | None:
    return sum(marks) / len(marks) if marks else None
