"""Agreement: worked examples, the reference implementations, and figures that are undefined."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from app.quality import agreement
from app.quality.agreement import Judgement, alpha_of, tau_b, tau_of


def judged(user: int, sample: int, *scores: int | None, ranks: dict[str, int] | None = None) -> Judgement:
    """One person's helpfulness scores of the responses 0, 1, …; None for a response that was not scored."""
    marks = {str(place): {"helpfulness": score} for place, score in enumerate(scores) if score is not None}
    return Judgement(user * 1000 + sample, user, sample, marks, ranks or {})


# Four observers, twelve units, values missing: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability", part C.
OBSERVERS: list[list[int | None]] = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def test_alpha_of_the_worked_example_is_0_815() -> None:
    figure = alpha_of([judged(user, 1, *scores) for user, scores in enumerate(OBSERVERS)], "helpfulness")
    assert figure.value == pytest.approx(0.815, abs=0.0005)
    assert (figure.units, figure.people) == (11, 4)  # the twelfth unit was judged by one observer alone


def test_two_people_who_always_agree_have_alpha_one() -> None:
    both = [judged(user, sample, 1, 3, 5) for user in (1, 2) for sample in (1, 2)]
    assert alpha_of(both, "helpfulness").value == 1.0


def test_alpha_is_undefined_where_all_answers_are_equal_and_says_so() -> None:
    figure = alpha_of([judged(user, 1, 4, 4) for user in (1, 2)], "helpfulness")
    assert figure.value is None
    assert figure.why == agreement.ALL_EQUAL
    assert figure.units == 2


def test_alpha_is_undefined_where_nothing_was_judged_twice_and_says_so() -> None:
    figure = alpha_of([judged(1, 1, 4, 2), judged(2, 2, 4, 2)], "helpfulness")
    assert (figure.value, figure.why, figure.units) == (None, agreement.NOBODY_TWICE, 0)


tables = st.lists(st.lists(st.one_of(st.none(), st.integers(1, 5)), min_size=4, max_size=4), min_size=2, max_size=5)


@settings(max_examples=60, deadline=None)
@given(tables)
def test_alpha_equals_the_reference_implementation(rows: list[list[int | None]]) -> None:
    figure = alpha_of([judged(user, 1, *row) for user, row in enumerate(rows)], "helpfulness", 0)
    assume(figure.value is not None)
    data = [[np.nan if score is None else score for score in row] for row in rows]
    expected = krippendorff.alpha(data, value_domain=[1, 2, 3, 4, 5], level_of_measurement="ordinal")
    assert figure.value == pytest.approx(expected, abs=1e-9)


def test_the_interval_holds_the_figure_and_narrows_with_more_samples() -> None:
    random = np.random.default_rng(1)

    def figure(samples: int) -> agreement.Figure:
        truth = random.integers(1, 6, size=(samples, 4))
        noise = [np.clip(truth + random.integers(-1, 2, size=truth.shape), 1, 5) for _ in range(3)]
        rows = [judged(user, sample, *map(int, noise[user][sample])) for user in range(3) for sample in range(samples)]
        return alpha_of(rows, "helpfulness")

    few, many = figure(10), figure(200)
    for each in (few, many):
        assert each.low is not None
        assert each.high is not None
        assert each.value is not None
        assert each.low < each.value < each.high
    assert many.high - many.low < few.high - few.low  # type: ignore[operator]


def test_the_interval_is_the_same_each_time() -> None:
    rows = [judged(user, sample, (user + sample) % 5 + 1, sample % 5 + 1) for user in (1, 2) for sample in range(8)]
    assert alpha_of(rows, "helpfulness") == alpha_of(rows, "helpfulness")


def test_one_sample_alone_has_no_interval() -> None:
    figure = alpha_of([judged(1, 1, 1, 3), judged(2, 1, 2, 3)], "helpfulness")
    assert figure.value is not None
    assert figure.low is None


def test_tau_b_by_hand() -> None:
    # A > B > C against A > C > B: two pairs in order, one turned round.
    assert tau_b({"A": 1, "B": 2, "C": 3}, {"A": 1, "B": 3, "C": 2}) == pytest.approx(1 / 3)
    # A tie in one of two: 2 concordant of sqrt(3 · 2).
    assert tau_b({"A": 1, "B": 2, "C": 3}, {"A": 1, "B": 2, "C": 2}) == pytest.approx(2 / 6**0.5)
    assert tau_b({"A": 1, "B": 2}, {"A": 1, "B": 1}) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=2, max_size=6))
def test_tau_b_equals_scipys(pairs: list[tuple[int, int]]) -> None:
    one, other = ({str(place): pair[side] for place, pair in enumerate(pairs)} for side in (0, 1))
    expected = kendalltau([pair[0] for pair in pairs], [pair[1] for pair in pairs], variant="b").statistic
    found = tau_b(one, other)
    assert (found is None and np.isnan(expected)) or found == pytest.approx(expected, abs=1e-12)


def test_the_mean_tau_counts_every_two_people_of_a_sample_and_leaves_ties_of_all_out() -> None:
    straight, turned, tied = {"A": 1, "B": 2}, {"A": 2, "B": 1}, {"A": 1, "B": 1}
    rows = [judged(1, 1, ranks=straight), judged(2, 1, ranks=straight), judged(3, 1, ranks=turned)]
    figure = tau_of([*rows, judged(1, 2, ranks=straight), judged(2, 2, ranks=tied)])
    assert figure.value == pytest.approx((1 - 1 - 1) / 3)
    assert (figure.units, figure.samples, figure.people) == (4, 2, 3)


def test_tau_is_undefined_where_everybody_tied_all() -> None:
    figure = tau_of([judged(user, 1, ranks={"A": 1, "B": 1}) for user in (1, 2)])
    assert (figure.value, figure.why) == (None, agreement.ALL_TIED)


def test_two_people_are_compared_over_what_both_have_judged() -> None:
    straight, turned = {"A": 1, "B": 2}, {"A": 2, "B": 1}
    rows = [judged(1, 1, ranks=straight), judged(2, 1, ranks=straight), judged(3, 2, ranks=turned)]
    found = agreement.between([*rows, judged(1, 2, ranks=straight)], "ranks")
    assert {pair: figure.value for pair, figure in found.items()} == {(1, 2): 1.0, (1, 3): -1.0}
