"""Agreement: published worked examples, the libraries, and figures that are undefined."""

from __future__ import annotations

from itertools import combinations

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import friedmanchisquare, kendalltau

from app.quality import agreement, formulas
from app.quality.columns import Row, build, joined
from tests.app.quality.judged import HELPFUL, found, judged

# Four observers, twelve units, values missing: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability", part C.
OBSERVERS: list[list[int | None]] = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
# Fourteen psychiatrists, ten patients, five categories: the example of Fleiss' κ in his own tables, κ = 0.210.
FLEISS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def test_alpha_of_the_worked_example_is_0_815() -> None:
    figure = found([judged(user, 1, *scores) for user, scores in enumerate(OBSERVERS)]).figure("helpfulness")
    assert figure.value == pytest.approx(0.815, abs=0.0005)
    assert (figure.units, figure.people) == (11, 4)  # the twelfth unit was judged by one observer alone


def test_fleiss_kappa_of_the_worked_example_is_0_210() -> None:
    parts = formulas.fleiss_parts(np.array(FLEISS, dtype=float))
    assert formulas.fleiss(parts.sum(axis=0)[None])[0] == pytest.approx(0.210, abs=0.0005)


def test_cohens_kappa_of_a_worked_example_is_0_4() -> None:
    # Fifty proposals, two readers: both yes 20, both no 15, apart 5 and 10; agreement 0.7, by chance 0.5.
    assert formulas.cohen(np.array([[[20.0, 5], [10, 15]]]))[0] == pytest.approx(0.4)


def test_two_people_who_always_agree_have_alpha_one() -> None:
    both = [judged(user, sample, 1, 3, 5) for user in (1, 2) for sample in (1, 2)]
    assert found(both).figure("helpfulness").value == 1.0


def test_alpha_is_undefined_where_all_answers_are_equal_and_says_so() -> None:
    figure = found([judged(user, 1, 4, 4) for user in (1, 2)]).figure("helpfulness")
    assert (figure.value, figure.why, figure.units) == (None, agreement.ALL_EQUAL, 2)


@pytest.mark.parametrize("measure", ["helpfulness", *agreement.RANKINGS])
def test_every_figure_is_undefined_where_nothing_was_judged_twice_and_says_so(measure: str) -> None:
    ranks = {1: 1, 2: 2}
    figure = found([judged(1, 1, 4, 2, ranks=ranks), judged(2, 2, 4, 2, ranks=ranks)]).figure(measure)
    assert (figure.value, figure.why, figure.units) == (None, agreement.NOBODY_TWICE, 0)


tables = st.lists(st.lists(st.one_of(st.none(), st.integers(1, 5)), min_size=4, max_size=4), min_size=2, max_size=5)


@settings(max_examples=60, deadline=None)
@given(tables)
def test_alpha_equals_the_reference_implementation(rows: list[list[int | None]]) -> None:
    figure = found([judged(user, 1, *row) for user, row in enumerate(rows)]).figure("helpfulness", resamples=0)
    assume(figure.value is not None)
    data = [[np.nan if score is None else score for score in row] for row in rows]
    expected = krippendorff.alpha(data, value_domain=[1, 2, 3, 4, 5], level_of_measurement="ordinal")
    assert figure.value == pytest.approx(expected, abs=1e-9)


ratings = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=9)


@settings(max_examples=60, deadline=None)
@given(ratings)
def test_kappa_and_nominal_alpha_of_two_people_are_bound_as_theory_says(pairs: list[tuple[int, int]]) -> None:
    # Of two raters Fleiss' κ is Scott's π, and α = π + (1 − π) / 2N: one formula of ours against the library's other.
    assume(len({value for pair in pairs for value in pair}) > 1)
    counts = np.array([[pair.count(value) for value in range(3)] for pair in pairs], dtype=float)
    kappa = formulas.fleiss(formulas.fleiss_parts(counts).sum(axis=0)[None])[0]
    alpha = krippendorff.alpha(np.array(pairs).T, level_of_measurement="nominal", value_domain=[0, 1, 2])
    assert alpha == pytest.approx(kappa + (1 - kappa) / (2 * len(pairs)))


rankings = st.lists(st.lists(st.integers(1, 4), min_size=4, max_size=4), min_size=2, max_size=5)


@settings(max_examples=60, deadline=None)
@given(rankings)
def test_the_rank_figures_equal_scipys(rows: list[list[int]]) -> None:
    people = [judged(user, 1, ranks=dict(enumerate(row, 1))) for user, row in enumerate(rows)]
    figures = found(people)
    taus = [kendalltau(one, other, variant="b").statistic for one, other in combinations(rows, 2)]
    taus = [tau for tau in taus if not np.isnan(tau)]
    tau = figures.figure("tau", resamples=0).value
    assert (tau is None and not taus) or tau == pytest.approx(np.mean(taus), abs=1e-12)
    concordance = figures.figure("w", resamples=0).value
    if any(len(set(row)) > 1 for row in rows) and len(rows) > 2:
        # Friedman's χ² is m (k − 1) W, with the same correction for ties.
        chi = friedmanchisquare(*np.array(rows).T).statistic
        assert concordance == pytest.approx(chi / (len(rows) * 3), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(rankings)
def test_cohens_kappa_equals_scikit_learns(rows: list[list[int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    people = [judged(user, 1, ranks=dict(enumerate(row, 1))) for user, row in enumerate(rows[:2], 1)]
    cell = agreement.between(found(people), "kappa")[1, 2]
    signs = [[int(np.sign(row[b] - row[a])) for a in range(4) for b in range(4) if a != b] for row in rows[:2]]
    assume(any(signs[0]) or any(signs[1]))
    expected = metrics.cohen_kappa_score(*signs)  # both ways of calling each pair: what "either way" means
    assert cell.value == pytest.approx(expected, abs=1e-12)


def test_agreement_on_pairs_counts_outcomes_and_a_tie_is_one() -> None:
    # Of six pairs: 1 > 2 both, 1 > 3 both, 2 against 3 tied by one only, three pairs with 4 both.
    one, other = {1: 1, 2: 2, 3: 3, 4: 4}, {1: 1, 2: 2, 3: 2, 4: 3}
    figure = found([judged(1, 1, ranks=one), judged(2, 1, ranks=other)]).figure("pairs")
    assert (figure.value, figure.units) == (pytest.approx(5 / 6), 6)


def test_the_mean_tau_counts_every_two_people_of_a_sample_and_leaves_ties_of_all_out() -> None:
    straight, turned, tied = {1: 1, 2: 2}, {1: 2, 2: 1}, {1: 1, 2: 1}
    rows = [judged(1, 1, ranks=straight), judged(2, 1, ranks=straight), judged(3, 1, ranks=turned)]
    figure = found([*rows, judged(1, 2, ranks=straight), judged(2, 2, ranks=tied)]).figure("tau")
    assert figure.value == pytest.approx((1 - 1 - 1) / 3)
    assert (figure.units, figure.samples, figure.people) == (4, 2, 3)


def test_tau_is_undefined_where_everybody_tied_all() -> None:
    figure = found([judged(user, 1, ranks={1: 1, 2: 1}) for user in (1, 2)]).figure("tau")
    assert (figure.value, figure.why) == (None, agreement.ALL_TIED)


def test_two_people_are_compared_over_what_both_have_judged() -> None:
    straight, turned = {1: 1, 2: 2}, {1: 2, 2: 1}
    rows = [judged(1, 1, ranks=straight), judged(2, 1, ranks=straight), judged(3, 2, ranks=turned)]
    cells = agreement.between(found([*rows, judged(1, 2, ranks=straight)]), "tau")
    assert {pair: figure.value for pair, figure in cells.items()} == {(1, 2): 1.0, (1, 3): -1.0}


def test_alpha_of_two_people_is_that_of_their_shared_samples_alone() -> None:
    rows = [judged(user, 1, *scores) for user, scores in enumerate(OBSERVERS)]
    cells = agreement.between(found(rows), "helpfulness")
    assert cells[1, 2].value == found(rows[1:3]).figure("helpfulness").value


def noisy(samples: int) -> list[Row]:
    random = np.random.default_rng(samples)
    truth = random.integers(1, 6, size=(samples, 4))
    noise = [np.clip(truth + random.integers(-1, 2, size=truth.shape), 1, 5) for _ in range(3)]
    return [judged(user, sample, *map(int, noise[user][sample])) for user in range(3) for sample in range(samples)]


def test_the_interval_holds_the_figure_and_narrows_with_more_samples() -> None:
    few, many = (found(noisy(samples)).figure("helpfulness") for samples in (10, 700))
    for each in (few, many):
        assert each.low is not None and each.high is not None and each.value is not None
        assert each.low < each.value < each.high
    assert many.high - many.low < few.high - few.low  # type: ignore[operator]


def test_the_interval_is_the_same_each_time() -> None:
    assert found(noisy(8)).figure("helpfulness") == found(noisy(8)).figure("helpfulness")


def test_one_sample_alone_has_no_interval() -> None:
    figure = found([judged(1, 1, 1, 3), judged(2, 1, 2, 3)]).figure("helpfulness")
    assert figure.value is not None and figure.low is None


def test_a_part_of_the_project_is_computed_from_its_samples_alone() -> None:
    rows = noisy(30)
    whole = found(rows)
    part = whole.figure("helpfulness", np.isin(whole.samples, np.arange(10)))
    alone = found([row for row in rows if row.sample < 10]).figure("helpfulness")
    assert part._replace(low=None, high=None) == alone._replace(low=None, high=None)


def test_what_does_not_count_is_not_compared() -> None:
    rows = [judged(1, 1, 1, 3), judged(2, 1, 2, 3), judged(3, 1, 5, 1, counts=False)]
    assert found(rows).figure("helpfulness") == found(rows[:2]).figure("helpfulness")


def test_rows_added_to_columns_give_what_all_rows_give() -> None:
    rows = noisy(6)
    later = [judged(1, 2, 5, 5, 5, 5), judged(9, 7, 1, 2)]
    both = joined(build(rows, HELPFUL), build(later, HELPFUL))
    assert both is not None
    replaced = {row.annotation: row for row in [*rows, *later]}
    whole = build(list(replaced.values()), HELPFUL)
    for name in ("annotation", "user", "sample", "responses", "ranks", "scores", "shown"):
        assert (getattr(both, name) == getattr(whole, name)).all(), name


def test_a_sample_that_got_other_responses_is_not_joined() -> None:
    assert joined(build([judged(1, 1, 4, 2)], HELPFUL), build([judged(2, 1, 4, 2, 5)], HELPFUL)) is None
