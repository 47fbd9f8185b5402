"""Do the quality pages find the lazy, the biased and the careless, and do they leave the honest alone?

Simulated projects with fourteen annotators whose habits are known. Run by name:

    .venv/bin/python -m benchmarks.annotators
"""

from __future__ import annotations

import argparse
from collections import Counter
from statistics import mean

import numpy as np

from app.datasets.voting import Choice, decide, voter
from app.quality import people, reliability
from app.quality.agreement import agreement
from app.quality.columns import build
from app.quality.people import Crowd
from app.quality.reliability import Reliability
from benchmarks.simulated import CAST, CRITERIA, Simulated, simulate

WANTED = {
    "lazy": {"pace", "straight", "agreement"},
    "careless": {"agreement"},
    "leans left": {"place"},
    "likes length": {"length"},
    "severe": {"marks"},
    "tiring": {"change"},
}
"""Habit → signs of which at least one must stand."""
ALL = {"agreement", "change", "pace", "straight", "place", "length", "marks"}


def crowd_of(made: Simulated) -> Crowd:
    columns = build(made.rows, CRITERIA)
    found = agreement(columns)
    return people.crowd(columns, found, reliability.learn(found), (made.responses, made.lengths), build([], CRITERIA))


def signs_of(crowd: Crowd, made: Simulated) -> dict[str, set[str]]:
    """Habit's name → the kinds of signs that stand beside it."""
    persons = people.people(crowd, {user: habit.name for user, habit in made.people.items()})
    return {person.name: {sign.kind for sign in person.signs} for person in persons}


def true_share(made: Simulated, learnt: Reliability, choice: Choice) -> tuple[int, float]:
    """How many pairs a rule keeps, and the share of them that is right."""
    by_sample: dict[int, list[tuple[str, dict[str, object], int]]] = {}
    for row in made.rows:
        by_sample.setdefault(row.sample, []).append((f"a{row.annotation}", {"ranking": row.ranking}, row.user))
    weighs = learnt if choice.rule == "weighted" else None
    right = kept = 0
    for ballots in by_sample.values():
        voters = [each for ballot in ballots if (each := voter(*ballot, False, weighs))]
        for vote in decide(voters, choice, learnt.prior).kept:
            better, worse = (made.truth[int(key[1:])] for key in vote.pair)
            kept, right = kept + 1, right + (better > worse)
    return kept, right / max(kept, 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--projects", type=int, default=20)
    parser.add_argument("--samples", type=int, default=600)
    parser.add_argument("--overlap", type=int, default=3)
    args = parser.parse_args()
    hits, signs, reliable = Counter[str](), Counter[str](), dict[str, list[float]]()
    rules = {
        "accepted only": Choice("accepted"),
        "majority, 2 votes": Choice("majority", minimum=2),
        "weighted, 75 %": Choice("weighted", confidence=0.75),
        "weighted, 90 %": Choice("weighted", confidence=0.9),
    }
    kept: dict[str, list[tuple[int, float]]] = {name: [] for name in rules}
    for seed in range(args.projects):
        made = simulate(CAST, args.samples, args.overlap, seed)
        crowd = crowd_of(made)
        accuracy = crowd.reliability.accuracy
        for user, habit in made.people.items():
            reliable.setdefault(habit.name, []).append(accuracy[user])
        for name, kinds in signs_of(crowd, made).items():
            signs.update(f"{name}: {kind}" for kind in kinds)
            hits[name] += bool(kinds & WANTED.get(name, ALL))
        for name, choice in rules.items():
            kept[name].append(true_share(made, crowd.reliability, choice))
    print(f"{args.projects} projects of {args.samples} samples, {args.overlap} people a sample of {len(CAST)}\n")
    print(f"{'who':14} {'reliability':>11} {'found in':>9}  signs (in how many projects)")
    for name in [habit.name for habit in CAST]:
        told = ", ".join(
            f"{key.split(': ')[1]} {many}" for key, many in sorted(signs.items()) if key.startswith(f"{name}:")
        )
        print(f"{name:14} {np.mean(reliable[name]):11.3f} {hits[name]:>6}/{args.projects}  {told or 'none'}")
    print(f"\n{'rule':20} {'pairs':>8} {'right':>7}")
    for name, found in kept.items():
        print(f"{name:20} {mean(many for many, _ in found):8.0f} {mean(share for _, share in found):7.1%}")


if __name__ == "__main__":
    main()
