"""How far people who judged the same things agree: Krippendorff's α for scores, Kendall's τ_b for ranks.

Pure functions of judgements. Confidence intervals are a bootstrap over samples, since the responses of one sample are
not independent of each other; it is seeded, so that a page shows the same figures until somebody judges anew.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

LEVELS = 5
RESAMPLES = 1000
AT_ONCE = 50
MOST_DRAWN = 500
NOBODY_TWICE = "nothing was judged by two people"
ALL_EQUAL = "all answers are equal: without variation there is no agreement to measure"
ALL_TIED = "wherever two people ranked the same sample, one of them tied all responses"

Array = npt.NDArray[np.float64]


class Judgement(NamedTuple):
    """What one person made of one sample. scores: response → criterion → 1 to 5; ranks: response → 1 for the best."""

    annotation: int
    user: int
    sample: int
    scores: dict[str, dict[str, int]]
    ranks: dict[str, int]


class Figure(NamedTuple):
    """A figure with what stands behind it; `value` is None where it is undefined, and `why` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    units: int = 0
    """Responses scored by two or more people; for ranks, pairs of people who ranked one sample."""
    samples: int = 0
    people: int = 0
    why: str = ""


def alpha_of(judgements: Iterable[Judgement], criterion: str, resamples: int = RESAMPLES) -> Figure:
    """Krippendorff's α, ordinal, of one criterion: units are the responses of samples, coders are people."""
    counts, owners, people = _value_counts(judgements, criterion)
    if not len(counts):
        return Figure(None, why=NOBODY_TWICE)
    empty = Figure(None, None, None, len(counts), len(set(owners)), people)
    places = np.unique(owners, return_inverse=True)[1]
    by_sample = np.zeros((places.max() + 1, LEVELS, LEVELS))
    np.add.at(by_sample, places, coincidences(counts))
    value = _alphas(by_sample.sum(axis=0)[None])[0]
    if np.isnan(value):
        return empty._replace(why=ALL_EQUAL)
    low, high = _interval(by_sample, _alphas, resamples)
    return empty._replace(value=float(value), low=low, high=high)


def _value_counts(judgements: Iterable[Judgement], criterion: str) -> tuple[Array, list[int], int]:
    """How often each of the five scores was given to each unit that two or more people scored, and its sample."""
    given: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0] * LEVELS)
    who: dict[tuple[int, str], set[int]] = defaultdict(set)
    for judgement in judgements:
        for response, marks in judgement.scores.items():
            if (score := marks.get(criterion)) is not None:
                given[judgement.sample, response][score - 1] += 1
                who[judgement.sample, response].add(judgement.user)
    units = [unit for unit in given if sum(given[unit]) > 1]
    counts = np.array([given[unit] for unit in units], dtype=float).reshape(-1, LEVELS)
    return counts, [sample for sample, _ in units], len({user for unit in units for user in who[unit]})


def coincidences(counts: Array) -> Array:
    """[units, values] → [units, values, values]: pairable values of each unit, each weighted by 1 / (m − 1)."""
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs -= counts[:, :, None] * np.eye(counts.shape[1])
    return np.asarray(pairs / (counts.sum(axis=1) - 1)[:, None, None])


def _alphas(tables: Array) -> Array:
    """[many, values, values] coincidence matrices → α of each, ordinal; NaN where only one value occurs."""
    totals = tables.sum(axis=2)
    sums = totals.sum(axis=1)
    cumulated = np.cumsum(totals, axis=1)
    between = np.abs(cumulated[:, None, :] - cumulated[:, :, None])
    # δ(c, k) = (Σ_{g=c..k} n_g − (n_c + n_k) / 2)², with the sum taken over the inclusive range
    lower = np.minimum(np.arange(LEVELS)[:, None], np.arange(LEVELS)[None, :])
    distance = (between + totals[:, lower] - (totals[:, :, None] + totals[:, None, :]) / 2) ** 2
    distance[:, np.arange(LEVELS), np.arange(LEVELS)] = 0
    expected = (totals[:, :, None] * totals[:, None, :] * distance).sum(axis=(1, 2))
    observed = (tables * distance).sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(expected > 0, 1 - (sums - 1) * observed / expected, np.nan))


def tau_of(judgements: Iterable[Judgement], resamples: int = RESAMPLES) -> Figure:
    """Mean Kendall's τ_b over all pairs of people who ranked the same sample."""
    by_sample: dict[int, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        if judgement.ranks:
            by_sample[judgement.sample].append(judgement)
    shared = [each for each in by_sample.values() if len(each) > 1]
    if not shared:
        return Figure(None, why=NOBODY_TWICE)
    taus = [[tau_b(one.ranks, other.ranks) for one, other in combinations(each, 2)] for each in shared]
    defined = [[tau for tau in each if tau is not None] for each in taus]
    people = len({judgement.user for each in shared for judgement in each})
    empty = Figure(None, None, None, sum(map(len, taus)), len(shared), people)
    sums = np.array([[sum(each), len(each)] for each in defined if each], dtype=float).reshape(-1, 2)
    if not len(sums):
        return empty._replace(why=ALL_TIED)
    low, high = _interval(sums, _means, resamples)
    return empty._replace(value=float(_means(sums.sum(axis=0)[None])[0]), low=low, high=high)


def _means(sums: Array) -> Array:
    """[many, (sum, count)] → the mean of each."""
    return np.asarray(sums[:, 0] / sums[:, 1])


def tau_b(one: dict[str, int], other: dict[str, int]) -> float | None:
    """Kendall's τ_b of two rankings of the same responses; None where one of them ties all."""
    concord = untied_one = untied_other = 0
    for first, second in combinations(one.keys() & other.keys(), 2):
        a = (one[first] > one[second]) - (one[first] < one[second])
        b = (other[first] > other[second]) - (other[first] < other[second])
        concord += a * b
        untied_one += a * a
        untied_other += b * b
    scale = math.sqrt(untied_one * untied_other)
    return concord / scale if scale else None


def _interval(
    parts: Array, statistic: Callable[[Array], Array], resamples: int
) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of a statistic of sums over samples, from samples drawn again with replacement.

    parts: one row a sample. None where there are too few samples to draw from.
    """
    if len(parts) < 2 or not resamples:
        return None, None
    random = np.random.default_rng(0)
    parts = _bundled(parts, random)
    flat = parts.reshape(len(parts), -1)
    found = []
    for begin in range(0, resamples, AT_ONCE):
        many = min(AT_ONCE, resamples - begin)
        drawn = random.multinomial(len(parts), np.full(len(parts), 1 / len(parts)), size=many).astype(float)
        found.append(statistic((drawn @ flat).reshape(many, *parts.shape[1:])))
    values = np.concatenate(found)
    values = values[~np.isnan(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (np.nan, np.nan)
    return (float(low), float(high)) if len(values) else (None, None)


def _bundled(parts: Array, random: np.random.Generator) -> Array:
    """At most MOST_DRAWN rows: beyond that, bundles of samples put together at random vary as samples do."""
    if len(parts) <= MOST_DRAWN:
        return parts
    found = np.zeros((MOST_DRAWN, *parts.shape[1:]))
    np.add.at(found, random.permutation(len(parts)) % MOST_DRAWN, parts)
    return found


def between(judgements: Sequence[Judgement], measure: str) -> dict[tuple[int, int], Figure]:
    """Every two people who judged something both, by ids in order: τ_b for "ranks", else α of the criterion."""
    by_user: dict[int, dict[int, Judgement]] = defaultdict(dict)
    for judgement in judgements:
        by_user[judgement.user][judgement.sample] = judgement
    found = {}
    for one, other in combinations(sorted(by_user), 2):
        shared = sorted(by_user[one].keys() & by_user[other].keys())
        if shared:
            both = [by_user[user][sample] for sample in shared for user in (one, other)]
            found[one, other] = tau_of(both, 0) if measure == "ranks" else alpha_of(both, measure, 0)
    return found
