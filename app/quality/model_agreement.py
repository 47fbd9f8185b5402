"""How far a reward model agrees with people: of the pairs that a person ordered, the share that it orders alike.

Each annotation's ranking gives one order of pairs, each criterion's scores another; pairs that the person left equal
are not asked about. A half is chance. Intervals resample samples, since the pairs of one sample are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from app.quality import formulas
from app.quality.columns import Columns, Floats, Ints, Mask

RANKING = "ranking"


class Share(NamedTuple):
    """value: None where no pair is behind it."""

    value: float | None
    low: float | None
    high: float | None
    pairs: int


class Votes(NamedTuple):
    """[samples, 2]: pairs that model and person order alike, and all that the person ordered; by what they say."""

    samples: Ints
    by: dict[str, Floats]


def votes(columns: Columns, responses: Sequence[int], rewards: Sequence[float]) -> Votes:
    """responses: rising ids of the assessed ones, with their rewards."""
    columns = columns.counted()
    samples, place = np.unique(columns.sample, return_inverse=True)
    reward, known = _rewards(columns.responses, np.asarray(responses), np.asarray(rewards, dtype=float))
    # A rank is good when it is low, a score when it is high; 0 stands for none given.
    given = {RANKING: -columns.ranks.astype(int)}
    given |= {key: columns.scores[:, :, number].astype(int) for number, key in enumerate(columns.criteria)}
    return Votes(samples, {key: _counted(what, reward, known, place, len(samples)) for key, what in given.items()})


def _rewards(asked: Ints, responses: Ints, rewards: Floats) -> tuple[Floats, Mask]:
    """[rows, K]: each response's reward, and whether it has one."""
    if not len(responses):
        return np.zeros(asked.shape), np.zeros(asked.shape, dtype=bool)
    at = np.minimum(np.searchsorted(responses, asked), len(responses) - 1)
    return rewards[at], (responses[at] == asked) & (asked > 0)


def _counted(given: Ints, reward: Floats, known: Mask, place: Ints, many: int) -> Floats:
    alike, ordered = np.zeros(len(given)), np.zeros(len(given))
    for one, other in combinations(range(given.shape[1]), 2):
        both = known[:, one] & known[:, other] & (given[:, one] != 0) & (given[:, other] != 0)
        person = np.sign(given[:, one] - given[:, other])
        model = np.sign(reward[:, one] - reward[:, other])
        asked = both & (person != 0)
        ordered += asked
        alike += asked * ((person == model) + 0.5 * (model == 0))
    sums = [np.bincount(place, weights=each, minlength=many) for each in (alike, ordered)]
    return np.stack(sums, axis=1)


def share(of: Floats, resamples: int) -> Share:
    """of: [samples, 2] as in Votes."""
    of = of[of[:, 1] > 0]
    pairs = int(of[:, 1].sum())
    if not pairs:
        return Share(None, None, None, 0)
    low, high = formulas.interval(of, _ratio, resamples) or (None, None)
    return Share(float(of[:, 0].sum() / pairs), low, high, pairs)


def _ratio(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = sums[:, 0] / sums[:, 1]
    return found


def shares(found: Votes, only: Mask | None, resamples: int) -> dict[str, Share]:
    """By what people say (the ranking first, then each criterion), over these samples or all."""
    return {key: share(each if only is None else each[only], resamples) for key, each in found.by.items()}
