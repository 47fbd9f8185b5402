"""Intervals of shares, against scipy and against what they mean."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest, ttest_rel

from app.runs.intervals import clustered, counted, gain, wilson


@pytest.mark.parametrize(("right", "many"), [(0, 5), (3, 5), (5, 5), (60, 100), (999, 1000)])
def test_of_independent_draws_it_is_wilsons(right: int, many: int) -> None:
    expected = binomtest(right, many).proportion_ci(0.95, "wilson")
    assert wilson(right / many, many) == pytest.approx((expected.low, expected.high))


def marks(*groups: list[bool]) -> dict[str, list[int]]:
    return {f"s{number}": [sum(group), len(group)] for number, group in enumerate(groups)}


def test_pairs_that_agree_within_their_sample_are_worth_no_more_than_the_samples() -> None:
    alike = clustered(marks(*[[True] * 6, [False] * 6] * 10))
    assert alike is not None
    assert (alike.value, alike.of) == (0.5, 120)
    assert alike.high - alike.low == pytest.approx(counted(0.5, 120, 20).high - counted(0.5, 120, 20).low, rel=0.03)


def test_pairs_that_know_nothing_of_their_sample_are_worth_themselves() -> None:
    mixed = clustered(marks(*[[True, False, True, False]] * 20))
    assert mixed is not None
    assert (mixed.low, mixed.high) == wilson(0.5, 80)


def test_where_all_are_right_there_is_still_doubt_by_the_number_of_samples() -> None:
    sure = clustered(marks(*[[True] * 6] * 4))
    assert sure is not None
    assert sure.high == 1.0
    assert sure.low == pytest.approx(wilson(1.0, 4)[0])


def test_of_nothing_there_is_no_share() -> None:
    assert clustered({}) is None
    assert clustered(marks([], [])) is None


def test_a_gain_is_over_what_both_counted_and_is_that_of_paired_t_where_samples_are_of_one_size() -> None:
    before = {"s1": [1, 4], "s2": [2, 4], "s3": [3, 4], "s4": [0, 4], "only": [4, 4]}
    after = {"s1": [3, 4], "s2": [2, 4], "s3": [4, 4], "s4": [1, 4], "other": [0, 4]}
    found = gain(before, after)
    assert found is not None
    expected = ttest_rel([3, 2, 4, 1], [1, 2, 3, 0]).confidence_interval(0.95)
    assert (found.value, found.of) == (4 / 16, 16)
    assert (found.low, found.high) == pytest.approx((expected.low / 4, expected.high / 4))
    assert gain(before, {"s1": [1, 4]}) is None
