"""Intervals of shares, against scipy and against what they mean."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from app.runs.intervals import clustered, counted, wilson


@pytest.mark.parametrize(("right", "many"), [(0, 5), (3, 5), (5, 5), (60, 100), (999, 1000)])
def test_of_independent_draws_it_is_wilsons(right: int, many: int) -> None:
    expected = binomtest(right, many).proportion_ci(0.95, "wilson")
    assert wilson(right / many, many) == pytest.approx((expected.low, expected.high))


def test_pairs_that_agree_within_their_sample_are_worth_no_more_than_the_samples() -> None:
    alike = clustered([[True] * 6, [False] * 6] * 10)
    assert alike is not None
    assert (alike.value, alike.of) == (0.5, 120)
    assert alike.high - alike.low == pytest.approx(counted(0.5, 120, 20).high - counted(0.5, 120, 20).low, rel=0.03)


def test_pairs_that_know_nothing_of_their_sample_are_worth_themselves() -> None:
    mixed = clustered([[True, False, True, False]] * 20)
    assert mixed is not None
    assert (mixed.low, mixed.high) == wilson(0.5, 80)


def test_where_all_are_right_there_is_still_doubt_by_the_number_of_samples() -> None:
    sure = clustered([[True] * 6] * 4)
    assert sure is not None
    assert sure.high == 1.0
    assert sure.low == pytest.approx(wilson(1.0, 4)[0])


def test_of_nothing_there_is_no_share() -> None:
    assert clustered([]) is None
    assert clustered([[], []]) is None
