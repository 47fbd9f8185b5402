"""Who can be relied on, and what people come to together: Dawid and Skene's model of the outcomes of pairs.

A. P. Dawid and A. M. Skene, Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm (1979).
Which response of a pair is called the first means nothing, so an error and its mirror image are one parameter. People
with few judgements are drawn towards everybody's mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.quality.agreement import Agreement
from app.quality.columns import UNRANKED, Floats, Ints, Small, outcomes

ROUNDS = 40
NEAR = 1e-4
PULL = 12.0
"""Judged pairs that everybody's mean weighs as."""
MOST_ROWS = 20_000
"""Annotations that reliabilities are learnt from; more of them do not change the second digit."""


@dataclass(frozen=True)
class Reliability:
    """confusion: [people, true, said], outcomes in the order second better, tie, first better; prior: [3]."""

    people: Ints
    """User ids, rising."""
    confusion: Floats
    prior: Floats
    judged: Ints
    """Outcomes of each person that somebody else judged too."""

    @property
    def accuracy(self) -> dict[int, float]:
        """User → the chance that what they say of a pair is what the model takes for true."""
        right = (np.diagonal(self.confusion, axis1=1, axis2=2) * self.prior).sum(axis=1)
        return {int(user): float(each) for user, each in zip(self.people, right, strict=True)}

    def evidence(self, user: int, best: bool = False) -> Floats:
        """[true, said] log-likelihoods of one person; of somebody unknown the mean. best: of the most reliable."""
        if best and len(self.people):
            return np.asarray(
                np.log(self.confusion[np.diagonal(self.confusion, axis1=1, axis2=2).sum(axis=1).argmax()])
            )
        place = int(np.searchsorted(self.people, user))
        known = place < len(self.people) and self.people[place] == user
        return np.asarray(np.log(self.confusion[place] if known else self.mean))

    @property
    def mean(self) -> Floats:
        return np.asarray(self.confusion.mean(axis=0)) if len(self.people) else START


START = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])


def learn(found: Agreement) -> Reliability:
    """Everybody's reliability from the samples that several people ranked."""
    columns = found.columns
    if len(columns) > MOST_ROWS:
        drawn = np.random.default_rng(2).permutation(len(found.samples))[
            : MOST_ROWS * len(found.samples) // len(columns)
        ]
        columns = columns.where(np.isin(columns.sample, found.samples[drawn]))
    people, user = np.unique(columns.user, return_inverse=True)
    if not len(people):
        return Reliability(people, np.zeros((0, 3, 3)), np.full(3, 1 / 3), people)
    starts = np.flatnonzero(np.r_[True, columns.sample[1:] != columns.sample[:-1]])
    owner = np.cumsum(np.r_[False, columns.sample[1:] != columns.sample[:-1]])
    said = outcomes(columns.ranks)
    truth = _by_votes(said, starts)
    confusion, prior = np.zeros((len(people), 3, 3)), np.full(3, 1 / 3)
    for _ in range(ROUNDS):
        before = confusion
        confusion, prior = _errors(truth, said, owner, user, len(people))
        if np.abs(confusion - before).max() < NEAR:
            break
        truth = _truths(said, user, starts, confusion, prior)
    judged = np.bincount(user, weights=(said != UNRANKED).sum(axis=1), minlength=len(people)).astype(np.int64)
    return Reliability(people, confusion, prior, judged)


def _by_votes(said: Small, starts: Ints) -> Floats:
    """[samples, pairs, 3]: shares of the votes, a little smoothed."""
    votes = np.add.reduceat((said[:, :, None] == np.array([-1, 0, 1])).astype(float), starts, axis=0) + 0.1
    return np.asarray(votes / votes.sum(axis=2, keepdims=True))


def _errors(truth: Floats, said: Small, owner: Ints, user: Ints, people: int) -> tuple[Floats, Floats]:
    """The M step: confusion of each person, and how frequent each outcome is."""
    counts = np.zeros((people, 3, 3))
    for way in (-1, 0, 1):
        given = np.where((said == way)[:, :, None], truth[owner], 0).sum(axis=1)
        for true in range(3):
            counts[:, true, way + 1] = np.bincount(user, weights=given[:, true], minlength=people)
    counts = (counts + counts[:, ::-1, ::-1]) / 2 + 1e-6
    pooled = counts.sum(axis=0)
    prior = pooled.sum(axis=1) / pooled.sum()
    mean = pooled / pooled.sum(axis=1, keepdims=True)
    counts += PULL * prior[:, None] * mean
    return counts / counts.sum(axis=2, keepdims=True), prior


def _truths(said: Small, user: Ints, starts: Ints, confusion: Floats, prior: Floats) -> Floats:
    """The E step: [samples, pairs, 3], the chance of each outcome given what people said."""
    likely = np.log(confusion).transpose(0, 2, 1)  # [people, said, true]
    known = (said != UNRANKED)[:, :, None]
    heard = np.where(known, likely[user[:, None], np.where(said == UNRANKED, 0, said) + 1], 0)
    return posterior(np.add.reduceat(heard, starts, axis=0) + np.log(prior))


def posterior(logs: Floats) -> Floats:
    """[…, 3] unnormalised logarithms → probabilities."""
    found = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(found / found.sum(axis=-1, keepdims=True))
