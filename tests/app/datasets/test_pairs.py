"""Pairs worked by hand."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.datasets.pairs import Pair, pairs_of, ranks_of


def ranking(*groups: list[str], **more: Any) -> dict[str, Any]:
    return {"ranking": list(groups), **more}


def test_four_untied_responses_make_six_pairs() -> None:
    found = pairs_of(ranking(["31"], ["33"], ["32"], ["34"]), 7)
    assert found == [
        Pair("r31", "r33"),
        Pair("r31", "r32"),
        Pair("r31", "r34"),
        Pair("r33", "r32"),
        Pair("r33", "r34"),
        Pair("r32", "r34"),
    ]


def test_responses_of_equal_rank_make_no_pair() -> None:
    assert pairs_of(ranking(["1"], ["2", "3"]), 7) == [Pair("r1", "r2"), Pair("r1", "r3")]
    assert pairs_of(ranking(["1", "2", "3"], tie=True), 7) == []


def test_a_positive_sample_beats_every_response_of_its_tied_group() -> None:
    found = pairs_of(ranking(["1", "2"], tie=True, positive="It is a cat."), 7)
    assert found == [Pair("a7+", "r1"), Pair("a7+", "r2")]


def test_a_negative_sample_loses_to_every_response_of_its_tied_group() -> None:
    found = pairs_of(ranking(["1", "2"], tie=True, negative={"base": "1", "text": "It is a dog."}), 7)
    assert found == [Pair("r1", "a7-"), Pair("r2", "a7-")]


def test_who_cannot_judge_makes_no_pairs() -> None:
    assert pairs_of(ranking(["1"], ["2"], cannot_judge={"kind": "media_missing"}), 7) == []


def test_ranks_of_several_annotations_are_those_of_their_mean() -> None:
    # Places of 1: 1 and 2, of 2: 2 and 1, of 3: 3 and 3.
    both = {7: ranking(["1"], ["2"], ["3"]), 8: ranking(["2"], ["1"], ["3"])}
    assert ranks_of(both) == {"r1": 1, "r2": 1, "r3": 2}


def test_a_tie_of_all_does_not_outweigh_a_ranking() -> None:
    content = {7: ranking(["1"], ["2"], ["3"]), 8: ranking(["1", "2", "3"], tie=True, positive="Right.")}
    assert ranks_of(content) == {"a8+": 1, "r1": 2, "r2": 3, "r3": 4}


def test_a_negative_sample_ranks_last() -> None:
    content = {7: ranking(["1", "2"], tie=True, negative={"base": "1", "text": "Wrong."})}
    assert ranks_of(content) == {"r1": 1, "r2": 1, "a7-": 2}


weak_orders = st.lists(st.integers(0, 3), min_size=1, max_size=5).map(
    lambda places: [[str(i) for i, place in enumerate(places) if place == rank] for rank in sorted(set(places))]
)


@given(weak_orders)
def test_pairs_are_exactly_those_of_unlike_rank(groups: list[list[str]]) -> None:
    content = ranking(*groups)
    ranks = ranks_of({7: content})
    expected = {(a, b) for a in ranks for b in ranks if ranks[a] < ranks[b]}
    assert {tuple(pair) for pair in pairs_of(content, 7)} == expected
