"""Annotators whose habits are known: the lazy, the biased and the careless are found, and the honest left alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from app.quality import drift, leanings, people, progress, reliability
from app.quality.agreement import agreement
from app.quality.columns import build
from app.quality.leanings import Mean
from app.quality.people import Person
from benchmarks.simulated import CAST, CRITERIA, HONEST, simulate
from tests.app.quality.judged import found, judged


@cache
def cast_of_one_project() -> dict[str, Person]:
    made = simulate(CAST, samples=500, overlap=3, seed=4)
    columns = build(made.rows, CRITERIA)
    shared = agreement(columns)
    none = build([], CRITERIA)
    crowd = people.crowd(columns, shared, reliability.learn(shared), (made.responses, made.lengths), none)
    return {each.name: each for each in people.people(crowd, {user: habit.name for user, habit in made.people.items()})}


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("lazy", {"agreement", "pace", "straight"}),
        ("careless", {"agreement"}),
        ("leans left", {"place"}),
        ("likes length", {"length"}),
        ("severe", {"marks"}),
    ],
)
def test_a_habit_is_seen(name: str, kinds: set[str]) -> None:
    assert kinds <= {sign.kind for sign in cast_of_one_project()[name].signs}


def test_the_honest_are_left_alone() -> None:
    assert [each.name for each in cast_of_one_project().values() if each.name.startswith("honest") and each.signs] == []


def test_reliability_falls_with_noise() -> None:
    reliable = {name: each.reliability or 0.0 for name, each in cast_of_one_project().items()}
    keen, fair = (sum(reliable[f"honest {each}"] for each in few) / 4 for few in (range(4), range(4, 8)))
    assert keen > fair > reliable["careless"] + 0.1


def test_reliability_of_a_few_judgements_is_drawn_to_the_mean() -> None:
    made = simulate(HONEST, samples=60, overlap=3, seed=1)
    one = made.rows[0]
    turned = one._replace(annotation=10_000, user=99, ranking=list(reversed(one.ranking)))
    learnt = reliability.learn(agreement(build([*made.rows, turned], CRITERIA))).accuracy
    others = [value for user, value in learnt.items() if user != 99]
    assert 0.3 < learnt[99] < min(others)


def test_nobody_is_judged_by_a_handful_of_annotations() -> None:
    made = simulate(CAST, samples=20, overlap=3, seed=4)
    columns = build(made.rows, CRITERIA)
    shared = agreement(columns)
    crowd = people.crowd(
        columns, shared, reliability.learn(shared), (made.responses, made.lengths), build([], CRITERIA)
    )
    persons = people.people(crowd, {user: habit.name for user, habit in made.people.items()})
    assert all(not person.signs for person in persons if person.done < people.FEWEST)


def test_place_and_length_by_hand() -> None:
    # Shown as 2, 1, 3; ranked 2 > 1 > 3: the earlier wins all three pairs. Lengths 10, 20, 30: the longer wins one.
    row = judged(1, 1, ranks={2: 1, 1: 2, 3: 3})._replace(order=[2, 1, 3])
    columns = build([row], [])
    assert leanings.by_place(columns).tolist() == [1.0]
    assert leanings.by_length(columns, np.array([1, 2, 3]), np.array([10, 20, 30])).tolist() == [pytest.approx(1 / 3)]
    assert leanings.winners(columns) == [
        (1, 1, pytest.approx(1 / 3)),
        (1, 0, pytest.approx(1 / 3)),
        (1, 0, pytest.approx(1 / 3)),
    ]


def test_marks_are_compared_with_others_of_the_same_responses() -> None:
    users, apart = leanings.severity(found([judged(1, 1, 2, 3), judged(2, 1, 4, 4), judged(3, 1, 4, 4)]))
    assert dict(zip(users.tolist(), apart.tolist(), strict=True)) == {1: -1.5, 2: 0.75, 3: 0.75}


def test_three_alike_values_are_no_certainty() -> None:
    assert leanings.mean(np.array([1.0, 1.0, 1.0]), 0.5).z < people.SURE
    assert leanings.mean(np.array([np.nan])) == Mean(None, 0.0, 0.0, 0)


def test_a_lasting_change_is_found_where_it_happened() -> None:
    random = np.random.default_rng(5)
    values = np.r_[random.normal(80, 15, 60), random.normal(50, 15, 60)]
    (change,) = drift.series(np.arange(120.0), values).changes
    assert 52 <= change.place <= 68
    assert change.before > change.after
    assert drift.series(np.arange(120.0), random.normal(80, 15, 120)).changes == []
    assert drift.series(np.arange(5.0), np.arange(5.0)).changes == []


def test_the_forecast_goes_on_at_the_pace_of_the_last_days() -> None:
    day = progress.dt.date(2026, 11, 2)
    found = progress.forecast(
        [(day, 10), (day + progress.dt.timedelta(days=2), 20)], 40, day + progress.dt.timedelta(days=2)
    )
    assert [each.done for each in found.days] == [10, 0, 20]
    assert (found.pace, found.finish) == (10.0, day + progress.dt.timedelta(days=6))
    assert found.early is not None and found.early <= found.finish  # type: ignore[operator]
    assert progress.forecast([], 40, day).days == []
    assert progress.forecast([(day, 10)], 40, day + progress.dt.timedelta(days=60)).finish is None
