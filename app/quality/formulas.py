"""The coefficients as functions of sums over samples, so that a bootstrap draws samples again by a matrix product.

Each statistic takes [many, …] sums and gives [many] values, NaN where it is undefined.
Sources: K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011); J. L. Fleiss, Psychological Bulletin 76
(1971); J. Cohen, Educational and Psychological Measurement 20 (1960); M. G. Kendall, Rank Correlation Methods.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from app.quality.columns import Floats, Ints

LEVELS = 5
RESAMPLES = 1000
MOST_DRAWN = 500
Statistic = Callable[[Floats], Floats]


def coincidences(counts: Floats, owner: Ints, many: int) -> Floats:
    """[units, values] → [many, values, values]: pairable values of the units of each owner, weighted by 1 / (m − 1)."""
    size = counts.shape[1]
    weight = 1 / (counts.sum(axis=1) - 1)
    tables = np.zeros((many, size, size))
    for one in range(size):
        for other in range(one, size):
            pairs = counts[:, one] * (counts[:, other] - (one == other)) * weight
            tables[:, one, other] = tables[:, other, one] = np.bincount(owner, weights=pairs, minlength=many)
    return tables


def alphas(tables: Floats) -> Floats:
    """[many, values, values] coincidence matrices → Krippendorff's α of each, ordinal; NaN if only one value occurs."""
    size = tables.shape[1]
    totals = tables.sum(axis=2)
    sums = totals.sum(axis=1)
    cumulated = np.cumsum(totals, axis=1)
    between = np.abs(cumulated[:, None, :] - cumulated[:, :, None])
    # δ(c, k) = (Σ_{g=c..k} n_g − (n_c + n_k) / 2)², with the sum taken over the inclusive range
    lower = np.minimum(np.arange(size)[:, None], np.arange(size)[None, :])
    distance = (between + totals[:, lower] - (totals[:, :, None] + totals[:, None, :]) / 2) ** 2
    distance[:, np.arange(size), np.arange(size)] = 0
    expected = (totals[:, :, None] * totals[:, None, :] * distance).sum(axis=(1, 2))
    observed = (tables * distance).sum(axis=(1, 2))
    return _defined(1 - (sums - 1) * _ratio(observed, expected), expected > 0)


def means(sums: Floats) -> Floats:
    """[many, (sum, count)] → the mean of each."""
    return _ratio(sums[:, 0], sums[:, 1])


def fleiss(sums: Floats) -> Floats:
    """[many, (Σ agreement, units, Σ share of each category …)] → Fleiss' κ; units may have unlike numbers of raters."""
    observed, chance = _ratio(sums[:, 0], sums[:, 1]), ((sums[:, 2:] / sums[:, 1:2]) ** 2).sum(axis=1)
    return _defined(_ratio(observed - chance, 1 - chance), chance < 1 - 1e-12)


def fleiss_parts(counts: Floats) -> Floats:
    """[units, categories] votes, two or more a unit → [units, (agreement, 1, share of each category …)]."""
    raters = counts.sum(axis=1, keepdims=True)
    agreement = (counts * (counts - 1)).sum(axis=1, keepdims=True) / (raters * (raters - 1))
    return np.concatenate([agreement, np.ones_like(agreement), counts / raters], axis=1)


def cohen(tables: Floats) -> Floats:
    """[many, categories, categories] counts of two raters → Cohen's κ of each."""
    shares = _ratio(tables, tables.sum(axis=(1, 2), keepdims=True))
    observed = np.trace(shares, axis1=1, axis2=2)
    chance = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
    return _defined(_ratio(observed - chance, 1 - chance), chance < 1 - 1e-12)


def kendall_w(rank_sums: Floats, ties: Floats, raters: Ints, items: Ints) -> Floats:
    """Kendall's W of each sample, corrected for ties.

    rank_sums: [samples, items], sums of the raters' mean ranks, 0 where there is no item; ties: Σ (t³ − t) over all
    groups of tied items of all raters.
    """
    squares = (rank_sums**2).sum(axis=1)
    top = 12 * squares - 3 * raters**2 * items * (items + 1) ** 2
    below = raters**2 * items * (items**2 - 1) - raters * ties
    return _ratio(top, below)


def _ratio(top: Floats, below: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(below != 0, top / below, np.nan))


def _defined(values: Floats, where: Floats | np.ndarray) -> Floats:  # type: ignore[type-arg]
    return np.asarray(np.where(where, values, np.nan))


def interval(parts: Floats, statistic: Statistic, resamples: int = RESAMPLES) -> tuple[float, float] | None:
    """The 95 % interval of a statistic of sums over samples, from samples drawn again with replacement.

    parts: one row a sample, since responses of one sample are not independent. Seeded, so that a page shows the same
    until somebody judges anew. None where there are too few samples to draw from.
    """
    if len(parts) < 2 or not resamples:
        return None
    parts = _bundled(parts)
    drawn = _draws(len(parts), resamples) @ parts.reshape(len(parts), -1)
    values = statistic(drawn.reshape(resamples, *parts.shape[1:]))
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


@lru_cache(maxsize=16)
def _draws(many: int, resamples: int) -> Floats:
    random = np.random.default_rng(0)
    return random.multinomial(many, np.full(many, 1 / many), size=resamples).astype(float)


def _bundled(parts: Floats) -> Floats:
    """At most MOST_DRAWN rows: beyond that, bundles of samples put together at random vary as samples do."""
    if len(parts) <= MOST_DRAWN:
        return parts
    order = np.random.default_rng(1).permutation(len(parts))
    flat = parts.reshape(len(parts), -1)[order]
    starts = np.linspace(0, len(parts), MOST_DRAWN, endpoint=False).astype(int)
    return np.asarray(np.add.reduceat(flat, starts).reshape(MOST_DRAWN, *parts.shape[1:]))
