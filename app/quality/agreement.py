"""How far people who judged the same samples agree: scores by Krippendorff's α, rankings by τ_b, W, pairs and κ.

Every figure is a statistic of sums over samples: computed once a sample, it serves the whole project, each part of it
and the bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.core.language import N_
from app.quality import formulas
from app.quality.columns import UNRANKED, Columns, Floats, Ints, Mask, Pairings, Small, outcomes, pairings
from app.quality.formulas import LEVELS, RESAMPLES, Statistic

RANKINGS = ("tau", "w", "pairs", "kappa")
"""Measures of the rankings; every criterion's key is a measure of its scores."""
NOBODY_TWICE = N_("nothing was judged by two people")
ALL_EQUAL = N_("all answers are equal: without variation there is no agreement to measure")
ALL_TIED = N_("wherever two people ranked the same sample, one of them tied all responses")
ALL_TIED_BY_ALL = N_("wherever two people ranked the same sample, both tied all responses")


class Figure(NamedTuple):
    """A figure with what stands behind it; `value` is None where it is undefined, and `why` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    units: int = 0
    """Responses scored twice (α), pairs of people (τ_b), samples (W), pairs of responses (agreement, κ)."""
    samples: int = 0
    people: int = 0
    why: str = ""


@dataclass(frozen=True)
class Measure:
    """What a statistic needs of each sample. parts: [samples, …]; units: [samples], how many stand behind each."""

    parts: Floats
    units: Ints
    statistic: Statistic
    why: str
    """Why it is undefined where it is, although two people judged."""


@dataclass(frozen=True)
class Agreement:
    """All measures of a project's judgements, ready to be summed over any of its samples."""

    samples: Ints
    """Ids of the samples that two or more people judged, rising: the rows of every measure's parts."""
    columns: Columns
    """Only annotations of these samples, that count."""
    pairings: Pairings
    measures: dict[str, Measure]

    def figure(self, measure: str, only: Mask | None = None, resamples: int = RESAMPLES) -> Figure:
        """The measure over these samples (all by default), with its 95 % interval."""
        found = self.measures[measure]
        chosen = found.units > 0 if only is None else (found.units > 0) & only
        if not chosen.any():
            return Figure(None, why=NOBODY_TWICE)
        parts = found.parts[chosen]
        value = found.statistic(parts.sum(axis=0)[None])[0]
        behind = np.isin(self.columns.sample, self.samples[chosen])
        people = len(np.unique(self.columns.user[behind]))
        figure = Figure(None, None, None, int(found.units[chosen].sum()), int(chosen.sum()), people, found.why)
        if np.isnan(value):
            return figure
        bounds = formulas.interval(parts, found.statistic, resamples) or (None, None)
        return figure._replace(value=float(value), low=bounds[0], high=bounds[1], why="")


def agreement(columns: Columns) -> Agreement:
    """All measures of what counts."""
    columns = columns.counted()
    samples, place, many = np.unique(columns.sample, return_inverse=True, return_counts=True)
    twice = many > 1
    columns = columns.where(twice[place])
    samples, place = np.unique(columns.sample, return_inverse=True)
    pairs = pairings(columns)
    measures = {key: _alpha(columns, place, number) for number, key in enumerate(columns.criteria)}
    return Agreement(samples, columns, pairs, {**measures, **_rankings(columns, place, len(samples), pairs)})


def _alpha(columns: Columns, place: Ints, criterion: int) -> Measure:
    """Krippendorff's α, ordinal: units are the responses of samples, coders are people."""
    width, samples = columns.responses.shape[1], int(place.max(initial=-1)) + 1
    marks = columns.scores[:, :, criterion]
    given = marks > 0
    cell = (place[:, None] * width + np.arange(width))[given] * LEVELS + marks[given] - 1
    counts = np.bincount(cell, minlength=samples * width * LEVELS).reshape(-1, LEVELS)
    units = np.flatnonzero(counts.sum(axis=1) > 1)
    parts = formulas.coincidences(counts[units].astype(float), units // width, samples)
    return Measure(parts, np.bincount(units // width, minlength=samples), formulas.alphas, ALL_EQUAL)


def _summed(parts: Floats, owner: Ints, many: int) -> Floats:
    """[entries, n] → [many, n]: entries of one owner added up."""
    columns = [np.bincount(owner, weights=part, minlength=many) for part in parts.T]
    return np.stack(columns, axis=1) if columns else np.zeros((many, 0))


def _rankings(columns: Columns, place: Ints, samples: int, pairs: Pairings) -> dict[str, Measure]:
    ways = outcomes(columns.ranks)
    owner = place[pairs.one]
    both = compared(ways[pairs.one], ways[pairs.other])
    ranked = both.total > 0
    tau, defined = np.nan_to_num(both.tau), ~np.isnan(both.tau)
    tau_parts = _summed(np.stack([tau, defined.astype(float)], axis=1), owner, samples)
    same = _summed(np.stack([both.same, both.total], axis=1), owner, samples)
    votes = _votes(ways, place, samples)
    voted = votes.sum(axis=1) > 1
    kappa_owner = np.flatnonzero(voted) // max(ways.shape[1], 1)
    kappa = _summed(_either_way(formulas.fleiss_parts(votes[voted])), kappa_owner, samples)
    counts = np.bincount(kappa_owner, minlength=samples)
    return {
        "tau": Measure(tau_parts, np.bincount(owner[ranked], minlength=samples), formulas.means, ALL_TIED),
        "w": _concordance(columns, place, samples),
        "pairs": Measure(same, same[:, 1].astype(np.int64), formulas.means, NOBODY_TWICE),
        "kappa": Measure(kappa, counts, formulas.fleiss, ALL_EQUAL),
    }


class Compared(NamedTuple):
    """Two people's rankings of one sample, entry by entry. tau: NaN where undefined; same, total: of pairs."""

    tau: Floats
    same: Floats
    total: Floats


def compared(one: Small, other: Small) -> Compared:
    """[entries, pairs of responses] outcomes of each side → Kendall's τ_b, and how many outcomes are the same."""
    valid = (one != UNRANKED) & (other != UNRANKED)
    a, b = np.where(valid, one, 0).astype(np.int32), np.where(valid, other, 0).astype(np.int32)
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1).astype(float))
    with np.errstate(divide="ignore", invalid="ignore"):
        tau = np.where(scale > 0, (a * b).sum(axis=1) / scale, np.nan)
    same = (valid & (one == other)).sum(axis=1).astype(float)
    return Compared(tau, same, valid.sum(axis=1).astype(float))


def _votes(ways: Small, place: Ints, samples: int) -> Floats:
    """[rows, pairs] → [samples · pairs, 3]: how many people preferred the second, tied them, preferred the first."""
    width = ways.shape[1]
    valid = ways != UNRANKED
    cell = (place[:, None] * width + np.arange(width))[valid] * 3 + ways[valid] + 1
    return np.bincount(cell, minlength=samples * width * 3).reshape(-1, 3).astype(float)


def _either_way(parts: Floats) -> Floats:
    """Which response is called the first means nothing, so chance is that of both ways of calling them."""
    half = (parts[:, 2] + parts[:, 4]) / 2
    return np.stack([parts[:, 0], parts[:, 1], half, parts[:, 3], half], axis=1)


def _concordance(columns: Columns, place: Ints, samples: int) -> Measure:
    """Kendall's W of each sample that two people ranked whole, averaged."""
    items = (columns.responses > 0).sum(axis=1)
    whole = ((columns.ranks > 0).sum(axis=1) == items) & (items > 1)
    below, equal = _places(columns.ranks)
    mean_ranks = np.where(columns.ranks > 0, below + (equal + 1) / 2, 0)[whole]
    ties = np.where(columns.ranks > 0, equal**2 - 1, 0).sum(axis=1)[whole]  # Σ over items of t² − 1 is Σ t³ − t
    owner = place[whole]
    raters = np.bincount(owner, minlength=samples)
    size = np.zeros(samples, dtype=np.int64)
    size[owner] = items[whole]
    value = formulas.kendall_w(
        _summed(mean_ranks, owner, samples),
        np.bincount(owner, weights=ties, minlength=samples).astype(float),
        raters,
        size,
    )
    several = raters > 1
    defined = several & ~np.isnan(value)
    parts = np.stack([np.where(defined, value, 0), defined.astype(float)], axis=1)
    return Measure(parts, several.astype(np.int64), formulas.means, ALL_TIED_BY_ALL)


def _places(ranks: Small) -> tuple[Ints, Ints]:
    """[rows, K] → how many responses stand before each, and how many share its rank (itself among them)."""
    others = np.where(ranks > 0, ranks, 127)[:, None, :]
    own = ranks[:, :, None]
    return (others < own).sum(axis=2), (others == own).sum(axis=2)


def between(found: Agreement, measure: str) -> dict[tuple[int, int], Figure]:
    """Every two people who judged something both, by ids in order; of κ it is Cohen's. Measures: all but W."""
    columns, pairs = found.columns, found.pairings
    if not len(pairs.one):
        return {}
    low = np.minimum(columns.user[pairs.one], columns.user[pairs.other])
    high = np.maximum(columns.user[pairs.one], columns.user[pairs.other])
    users = np.unique(columns.user)
    both = np.searchsorted(users, low) * len(users) + np.searchsorted(users, high)  # one number sorts quicker than two
    couples, couple = np.unique(both, return_inverse=True)
    values, units, why = _couples(found, measure, couple, len(couples))
    samples = np.bincount(couple, minlength=len(couples))
    ones, others = users[couples // len(users)].tolist(), users[couples % len(users)].tolist()
    return {
        people: _couple_figure(values[place], int(units[place]), int(samples[place]), why)
        for place, people in enumerate(zip(ones, others, strict=True))
    }


def _couple_figure(value: float, units: int, samples: int, why: str) -> Figure:
    if np.isnan(value):
        return Figure(None, units=units, samples=samples, people=2, why=why)
    return Figure(float(value), units=units, samples=samples, people=2)


def _couples(found: Agreement, measure: str, couple: Ints, many: int) -> tuple[Floats, Floats, str]:
    """The value of each couple, its units, and why it is undefined where it is."""
    columns, pairs = found.columns, found.pairings
    if measure in columns.criteria:
        marks = columns.scores[:, :, columns.criteria.index(measure)]
        tables = _crossed(marks[pairs.one] - 1, marks[pairs.other] - 1, couple, many, LEVELS)
        tables = tables + tables.transpose(0, 2, 1)
        return formulas.alphas(tables), tables.sum(axis=(1, 2)) / 2, ALL_EQUAL
    ways = outcomes(columns.ranks)
    if measure == "kappa":
        tables = _crossed(ways[pairs.one] + 1, ways[pairs.other] + 1, couple, many, 3)
        return formulas.cohen(tables + tables[:, ::-1, ::-1]), tables.sum(axis=(1, 2)), ALL_EQUAL
    both = compared(ways[pairs.one], ways[pairs.other])
    if measure == "pairs":
        sums = _summed(np.stack([both.same, both.total], axis=1), couple, many)
        return formulas.means(sums), sums[:, 1], NOBODY_TWICE
    defined = ~np.isnan(both.tau)
    sums = _summed(np.stack([np.nan_to_num(both.tau), defined.astype(float)], axis=1), couple, many)
    return formulas.means(sums), np.bincount(couple, minlength=many).astype(float), ALL_TIED


def _crossed(one: Small, other: Small, couple: Ints, many: int, size: int) -> Floats:
    """[entries, n] values of two people → [many, size, size] counts; values outside 0 to size − 1 are missing."""
    valid = (one >= 0) & (other >= 0) & (one < size) & (other < size)
    owner = np.broadcast_to(couple[:, None], one.shape)[valid]
    cell = (owner * size + one[valid]) * size + other[valid]
    return np.bincount(cell, minlength=many * size * size).reshape(many, size, size).astype(float)
