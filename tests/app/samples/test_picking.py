"""Picking samples: evenly over clusters, in a ratio of types, and the same whatever order they come in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.samples.picking import (
    ALL,
    GROUPS,
    TYPES,
    Candidate,
    Rule,
    Stratum,
    fingerprint,
    limiting,
    pick,
    quotas,
    targets,
)

NONE = {"safety": 0, "video": 0}


def counts_of(candidates: Sequence[Candidate]) -> Counter[Stratum]:
    return Counter(Stratum(each.group, each.cluster) for each in candidates)


def many(**sizes: int) -> list[Candidate]:
    """`long_a=3`: three long ones in cluster a."""
    found = [(*name.split("_"), place) for name, size in sizes.items() for place in range(size)]
    return [Candidate(f"k{id}", id, group, cluster) for id, (group, cluster, _place) in enumerate(found)]


def test_types_come_in_their_ratio() -> None:
    counts = counts_of(many(long_a=100, short_a=100, mcq_a=100, long_b=100, short_b=100, mcq_b=100))
    assert targets(counts, Rule(per_cluster=50, apart=NONE)) == {
        "long": 40,
        "short": 50,
        "mcq": 10,
        "safety": 0,
        "video": 0,
    }


def test_a_cluster_with_little_gives_all_and_the_others_more() -> None:
    counts = counts_of(many(short_a=2, short_b=100, short_c=100))
    rule = Rule(per_cluster=10, weights={"short": 1})
    assert quotas(counts, rule) == {("short", "a"): 2, ("short", "b"): 14, ("short", "c"): 14}


def test_the_type_that_runs_short_holds_the_others_to_its_ratio() -> None:
    counts = counts_of(many(long_a=1000, short_a=1000, mcq_a=7))
    rule = Rule(per_cluster=200, apart=NONE)
    assert (targets(counts, rule)["mcq"], limiting(counts, rule)) == (7, "mcq")
    assert targets(counts, rule) == {"long": 28, "short": 35, "mcq": 7, "safety": 0, "video": 0}
    loose = Rule(per_cluster=200, apart=NONE, hold=False)
    assert targets(counts, loose) == {"long": 80, "short": 100, "mcq": 7, "safety": 0, "video": 0}


def test_safety_and_video_stand_apart() -> None:
    counts = counts_of(many(short_a=10, safety_a=30, video_b=20))
    rule = Rule(per_cluster=4, weights={"short": 1}, apart={"safety": 5, "video": ALL})
    assert targets(counts, rule) == {"long": 0, "short": 4, "mcq": 0, "safety": 5, "video": 20}


def test_the_papers_numbers_come_out_of_its_rule() -> None:
    """100 clusters of which each could give more: 24,000 images as 4 : 5 : 1."""
    counts = Counter({Stratum(group, str(c)): 5000 for group in TYPES for c in range(100)})
    found = targets(counts, Rule(per_cluster=240, apart=NONE))
    assert [found[group] for group in TYPES] == [9600, 12000, 2400]


strata = st.dictionaries(st.tuples(st.sampled_from(GROUPS), st.sampled_from("abcde")), st.integers(0, 30))
rules = st.builds(
    Rule,
    per_cluster=st.integers(0, 40),
    weights=st.fixed_dictionaries({group: st.integers(0, 9) for group in TYPES}),
    apart=st.fixed_dictionaries({"safety": st.integers(-1, 40), "video": st.integers(-1, 40)}),
    hold=st.booleans(),
    seed=st.integers(0, 9),
)


@given(strata, rules)
def test_no_stratum_gives_more_than_it_has_and_the_targets_are_met(
    sizes: dict[tuple[str, str], int], rule: Rule
) -> None:
    counts = Counter({Stratum(*key): size for key, size in sizes.items()})
    quota = quotas(counts, rule)
    assert all(0 < quota[each] <= counts[each] for each in quota)
    got: Counter[str] = Counter()
    for each, size in quota.items():
        got[each.group] += size
    assert {group: got[group] for group in GROUPS} == targets(counts, rule)


@given(strata, rules)
def test_clusters_give_alike_as_far_as_they_can(sizes: dict[tuple[str, str], int], rule: Rule) -> None:
    counts = Counter({Stratum(*key): size for key, size in sizes.items()})
    quota = quotas(counts, rule)
    for one in counts:
        for other in counts:
            if one.group == other.group and quota.get(one, 0) < counts[one]:
                assert quota.get(other, 0) <= quota.get(one, 0) + 1, "who could give more gives no less than one below"


@given(strata, rules, st.randoms())
def test_the_pick_is_the_same_in_whatever_order_samples_come(
    sizes: dict[tuple[str, str], int], rule: Rule, order: object
) -> None:
    candidates = many(**{f"{group}_{cluster}": size for (group, cluster), size in sizes.items()})
    shuffled = list(candidates)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    counts = counts_of(candidates)
    first = pick(candidates, counts, rule)
    assert first == pick(shuffled, counts, rule)
    assert len(first) == len(set(first)) == sum(quotas(counts, rule).values())


def test_another_seed_picks_others_and_another_installation_the_same() -> None:
    candidates = many(short_a=200)
    counts = counts_of(candidates)
    rule = Rule(per_cluster=20, weights={"short": 1})
    here = pick(candidates, counts, rule)
    elsewhere = [Candidate(each.key, each.id + 1000, each.group, each.cluster) for each in candidates]
    assert [each - 1000 for each in pick(elsewhere, counts, rule)] == here
    assert pick(candidates, counts, Rule(per_cluster=20, weights={"short": 1}, seed=1)) != here


def test_every_sample_is_as_likely() -> None:
    candidates = many(short_a=40)
    counts = counts_of(candidates)
    seen: Counter[int] = Counter()
    for seed in range(1000):
        seen.update(pick(candidates, counts, Rule(per_cluster=10, weights={"short": 1}, seed=seed)))
    assert max(abs(seen[each.id] - 250) for each in candidates) < 5 * (1000 * 0.25 * 0.75) ** 0.5


@pytest.mark.parametrize("keys", [["a", "b"], ["b", "a"]])
def test_the_fingerprint_does_not_know_the_order(keys: list[str]) -> None:
    assert fingerprint(keys) == fingerprint(["a", "b"]) != fingerprint(["a"])
