"""Several annotations of one sample become one order by the rule that was chosen."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.annotations.schemas import DraftContent
from app.datasets.pairs import Pair
from app.datasets.voting import RULES, Choice, Outcome, Voter, decide

AB, BA = Pair("r1", "r2"), Pair("r2", "r1")
EVEN = np.full(3, 1 / 3)
# Rows are the truth, columns what is said: second better, tie, first better.
GOOD = np.log(np.array([[0.90, 0.05, 0.05], [0.05, 0.90, 0.05], [0.05, 0.05, 0.90]]))
GUESSING = np.log(np.full((3, 3), 1 / 3))


def voter(author: str, *groups: list[str], evidence: Any = None, **changes: Any) -> Voter:
    return Voter(author, DraftContent(ranking=[list(group) for group in groups], **changes), 1.0, evidence)


def first(author: str, evidence: Any = None) -> Voter:
    return voter(author, ["1"], ["2"], evidence=evidence)


def second(author: str, evidence: Any = None) -> Voter:
    return voter(author, ["2"], ["1"], evidence=evidence)


def tied(author: str) -> Voter:
    return voter(author, ["1", "2"], tie=True, positive="Right.")


def decided(voters: list[Voter], rule: str, **changes: Any) -> Outcome:
    return decide(voters, Choice(rule, **changes), EVEN)


@pytest.mark.parametrize("rule", ["accepted", "adjudicated"])
def test_more_for_than_against_keeps_a_pair_with_its_votes(rule: str) -> None:
    (vote,) = decided([first("a1"), first("a2"), second("a3")], rule).kept
    assert (vote.pair, vote.votes_for, vote.against, vote.tied) == (AB, 2, 1, 0)
    assert vote.confidence == pytest.approx(2 / 3, abs=1e-4)


def test_an_even_vote_drops_the_pair_and_says_why() -> None:
    found = decided([first("a1"), second("a2")], "accepted")
    assert found == Outcome([], Counter(pairs_without_majority=1))


def test_a_tie_does_not_oppose_where_accepted_annotations_decide_but_hinders_a_majority() -> None:
    voters = [first("a1"), voter("a2", ["1", "2"]), voter("a3", ["1", "2"])]
    assert [vote.pair for vote in decided(voters, "accepted").kept] == [AB]
    assert decided(voters, "majority", minimum=1).fallen == Counter(pairs_without_majority=1)


def test_a_majority_needs_its_minimum() -> None:
    assert decided([first("a1")], "majority", minimum=2).fallen == Counter(pairs_with_too_few_votes=1)
    assert len(decided([first("a1"), first("a2")], "majority", minimum=2).kept) == 1


def test_one_reliable_person_outweighs_two_who_guess() -> None:
    voters = [second("a1", GOOD), first("a2", GUESSING), first("a3", GUESSING)]
    (vote,) = decided(voters, "weighted", confidence=0.8).kept
    assert (vote.pair, vote.votes_for, vote.against) == (BA, 1, 2)
    assert vote.confidence == pytest.approx(0.9, abs=1e-3)
    assert decided(voters, "weighted", confidence=0.95).fallen == Counter(pairs_not_sure_enough=1)


def test_two_reliable_people_are_surer_than_one() -> None:
    one = decided([first("a1", GOOD)], "weighted").kept[0].confidence
    two = decided([first("a1", GOOD), first("a2", GOOD)], "weighted").kept[0].confidence
    assert one < two


def test_what_breaks_a_tie_has_its_authors_vote_alone() -> None:
    found = decided([first("a1"), tied("a2")], "accepted")
    votes = {vote.pair: (vote.votes_for, vote.against, vote.tied) for vote in found.kept}
    assert votes == {AB: (1, 0, 1), Pair("a2+", "r1"): (1, 0, 0), Pair("a2+", "r2"): (1, 0, 0)}


weak_orders = st.lists(st.integers(0, 3), min_size=4, max_size=4).map(
    lambda places: [[str(i) for i, place in enumerate(places) if place == rank] for rank in sorted(set(places))]
)


@given(st.lists(weak_orders, min_size=1, max_size=4), st.sampled_from(sorted(RULES)))
def test_no_rule_keeps_a_pair_both_ways_or_loses_one_unsaid(orders: list[list[list[str]]], rule: str) -> None:
    voters = [voter(f"a{id}", *groups, evidence=GOOD) for id, groups in enumerate(orders)]
    found = decided(voters, rule)
    kept = [vote.pair for vote in found.kept]
    assert not {(b, a) for a, b in kept} & {(a, b) for a, b in kept}
    apart = {
        frozenset((a, b))
        for each in voters
        for a, rank in each.content.ranks.items()
        for b, other in each.content.ranks.items()
        if rank != other
    }
    assert len(kept) + found.fallen.total() == len(apart)
    assert all(0 < vote.confidence <= 1 and vote.votes_for >= 0 for vote in found.kept)
