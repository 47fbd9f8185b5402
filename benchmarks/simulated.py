"""A project with annotators whose habits are known, in memory: what the quality pages are tried on.

A response has a true quality; a person sees it with noise of their own, leans to places on the screen or to length, is
severe, or does not look at all. Nothing of app.quality is used to make it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from app.quality.columns import Row

CRITERIA = ("helpfulness", "faithfulness", "ethics")
LETTERS_A_WORD = 90


class Habit(NamedTuple):
    """How somebody judges. noise, place, length: in marks of five; idle: share of annotations made without looking."""

    name: str
    noise: float = 0.7
    place: float = 0.0
    """What each place further left is worth."""
    length: float = 0.0
    """What a standard deviation of length is worth."""
    shift: float = 0.0
    idle: float = 0.0
    seconds: float = 95.0
    tired: float = 0.0
    """Noise of the last two fifths of the work, where it is not 0."""


HONEST = [Habit(f"honest {number}", noise=0.5 + 0.05 * number) for number in range(8)]
CAST = [
    *HONEST,
    Habit("lazy", idle=0.8, seconds=14),
    Habit("careless", noise=2.6),
    Habit("leans left", place=0.45),
    Habit("likes length", length=0.9),
    Habit("severe", shift=-1.0),
    Habit("tiring", noise=0.5, tired=2.6),
]


class Simulated(NamedTuple):
    """rows, and what the quality pages also read: response ids, rising, and their lengths."""

    rows: list[Row]
    people: dict[int, Habit]
    responses: np.ndarray  # type: ignore[type-arg]
    lengths: np.ndarray  # type: ignore[type-arg]
    truth: dict[int, float]
    """Response → its true quality."""


def simulate(people: list[Habit], samples: int, overlap: int, seed: int = 0, replies: int = 4) -> Simulated:
    """Every sample judged by `overlap` people drawn at random."""
    random = np.random.default_rng(seed)
    truth = random.uniform(1, 5, size=(samples, replies))
    # A longer response is a little better, as in life: who likes length for itself must stand out all the same.
    length = random.normal(size=(samples, replies)) + 0.25 * (truth - 3)
    ids = np.arange(1, samples * replies + 1).reshape(samples, replies)
    judges = np.stack([random.permutation(len(people))[:overlap] for _ in range(samples)])
    share = np.zeros(len(people))
    expected = samples * overlap / len(people)
    rows = []
    for sample in range(samples):
        for judge in judges[sample]:
            share[judge] += 1
            habit = people[judge]
            tired = habit.tired if habit.tired and share[judge] > 0.6 * expected else habit.noise
            rows.append(
                _judged(
                    random,
                    habit._replace(noise=tired),
                    int(judge) + 1,
                    sample,
                    truth[sample],
                    length[sample],
                    ids[sample],
                )
            )
    rows = [row._replace(annotation=number) for number, row in enumerate(rows, 1)]
    letters = np.round(LETTERS_A_WORD * np.exp(0.5 * length)).astype(np.int64).ravel()
    return Simulated(
        rows,
        dict(enumerate(people, 1)),
        ids.ravel(),
        letters,
        dict(zip(ids.ravel().tolist(), truth.ravel().tolist(), strict=True)),
    )


def _judged(
    random: np.random.Generator,
    habit: Habit,
    user: int,
    sample: int,
    truth: np.ndarray,  # type: ignore[type-arg]
    length: np.ndarray,  # type: ignore[type-arg]
    ids: np.ndarray,  # type: ignore[type-arg]
) -> Row:
    order = random.permutation(len(ids))
    place = np.argsort(order)
    if random.random() < habit.idle:
        marks = np.full((len(ids), len(CRITERIA)), 4)
        ranking = [[str(ids[each])] for each in random.permutation(len(ids))]
    else:
        seen = truth + random.normal(0, habit.noise, size=len(ids)) - habit.place * place + habit.length * length
        marks = np.clip(np.round(seen[:, None] + habit.shift + random.normal(0, 0.3, (len(ids), len(CRITERIA)))), 1, 5)
        ranking = list(_ranked(seen, ids))
    return Row(
        annotation=0,
        user=user,
        sample=sample + 1,
        seconds=float(habit.seconds * np.exp(random.normal(0, 0.4))),
        at=1_790_000_000.0 + sample * 900 + user,
        scores={str(id): dict(zip(CRITERIA, map(int, each), strict=True)) for id, each in zip(ids, marks, strict=True)},
        ranking=ranking,
        order=[str(ids[each]) for each in order],
    )


def _ranked(seen: np.ndarray, ids: np.ndarray) -> Iterator[list[str]]:  # type: ignore[type-arg]
    """Best first; what is less than a third of a mark apart is tied."""
    group: list[int] = []
    for each in np.argsort(-seen):
        if group and seen[group[0]] - seen[each] > 1 / 3:
            yield [str(ids[one]) for one in group]
            group = []
        group.append(int(each))
    yield [str(ids[one]) for one in group]
