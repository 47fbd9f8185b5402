"""Picking: which of very many samples are worth judging. Pure: the same samples and rule give the same pick, in
whatever order they come.

After MM-RLHF (arXiv 2502.10391), §2: images are re-sampled to long : short : mcq = 4 : 5 : 1, evenly over the clusters
of look-alikes; video and safety stand apart and keep their types as they are. The largest number of any one type that
a cluster may give is as small as it can be, so that no cluster crowds out the others.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import floor
from typing import NamedTuple

TYPES = ("long", "short", "mcq")
APART = ("safety", "video")
GROUPS = (*TYPES, *APART)
ALL = -1
"""As many of a group as there are."""


class Candidate(NamedTuple):
    """A sample as far as picking goes. `key` is its content's hash, so that another installation picks the same."""

    key: str
    id: int
    group: str
    cluster: str


class Stratum(NamedTuple):
    """Samples of one group (a type of images, or safety or video) in one cluster."""

    group: str
    cluster: str


@dataclass(frozen=True)
class Rule:
    """per_cluster: images that a cluster gives on average. weights: of the types. apart: safety and video, how many.

    hold: whether the types keep their ratio where one runs short; else each gives what it has.
    """

    per_cluster: int = 240
    weights: Mapping[str, int] = field(default_factory=lambda: {"long": 4, "short": 5, "mcq": 1})
    apart: Mapping[str, int] = field(default_factory=lambda: {"safety": ALL, "video": ALL})
    hold: bool = True
    seed: int = 0


def group_of(domain: str, question_type: str) -> str:
    return domain if domain in APART else question_type


def quotas(counts: Mapping[Stratum, int], rule: Rule) -> dict[Stratum, int]:
    """How many each stratum gives, of what `counts` says that it has; never more, and strata that give none are left
    out.
    """
    found: dict[Stratum, int] = {}
    for group, target in targets(counts, rule).items():
        there = {each.cluster: many for each, many in counts.items() if each.group == group and many > 0}
        for cluster, many in _spread(target, there, f"{rule.seed}:{group}").items():
            found[Stratum(group, cluster)] = many
    return found


def targets(counts: Mapping[Stratum, int], rule: Rule) -> dict[str, int]:
    """How many of each group are picked. A type of which there is none is left out of the ratio."""
    there = totals(counts)
    clusters = {each.cluster for each, many in counts.items() if each.group in TYPES and many > 0}
    wanted = rule.per_cluster * len(clusters)
    found = {group: there[group] if rule.apart.get(group, ALL) == ALL else rule.apart[group] for group in APART}
    weights = {group: rule.weights.get(group, 0) for group in TYPES if there[group]}
    everything = sum(weights.values())
    if everything:
        if rule.hold:
            wanted = min([wanted, *(there[group] * everything // each for group, each in weights.items() if each)])
        found |= _shares(wanted, weights)
    return {group: min(found.get(group, 0), there[group]) for group in GROUPS}


def totals(counts: Mapping[Stratum, int]) -> Counter[str]:
    """Samples of each group."""
    found: Counter[str] = Counter()
    for each, many in counts.items():
        found[each.group] += many
    return found


def limiting(counts: Mapping[Stratum, int], rule: Rule) -> str:
    """The type of which there are too few for what was asked; empty where there are enough of all."""
    clusters = {each.cluster for each, many in counts.items() if each.group in TYPES and many > 0}
    there = totals(counts)
    weights = {group: rule.weights.get(group, 0) for group in TYPES if rule.weights.get(group, 0) and there[group]}
    everything = sum(weights.values())
    short = {group: there[group] / each for group, each in weights.items()}
    least = min(short, key=lambda group: short[group], default="")
    return least if least and short[least] * everything < rule.per_cluster * len(clusters) else ""


def _shares(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """`total` in parts by weight, whole ones: the largest remainders are rounded up, the first of equals."""
    everything = sum(weights.values())
    exact = {group: total * each / everything for group, each in weights.items()}
    found = {group: floor(each) for group, each in exact.items()}
    left = total - sum(found.values())
    for group in sorted(exact, key=lambda group: found[group] - exact[group])[:left]:
        found[group] += 1
    return found


def _spread(target: int, there: Mapping[str, int], salt: str) -> dict[str, int]:
    """`target` over clusters so that the most that any gives is least; who gives one more is drawn."""
    level, rest = _level(target, sorted(there.values()))
    drawn = sorted((cluster for cluster in there if there[cluster] > level), key=lambda each: _drawn(salt, each))[:rest]
    more = set(drawn)
    found = {cluster: min(many, level) + (cluster in more) for cluster, many in there.items()}
    return {cluster: many for cluster, many in found.items() if many}


def _level(target: int, sizes: list[int]) -> tuple[int, int]:
    """The highest level to which all can give, and how many are left to give one more."""
    level, left = 0, target
    for place, size in enumerate(sizes):
        givers = len(sizes) - place
        if left < (size - level) * givers:
            return level + left // givers, left % givers
        left -= (size - level) * givers
        level = size
    return level, 0


def pick(candidates: Iterable[Candidate], counts: Mapping[Stratum, int], rule: Rule) -> list[int]:
    """Ids of the picked samples, ascending. `counts` are those of the candidates: they are looked at once."""
    quota = quotas(counts, rule)
    heaps: dict[Stratum, list[tuple[int, int]]] = {}
    for each in candidates:
        stratum = Stratum(each.group, each.cluster)
        if many := quota.get(stratum, 0):
            # The smallest draws win: a heap of their negatives keeps the largest of them on top.
            entry, heap = (-_drawn(str(rule.seed), each.key), each.id), heaps.setdefault(stratum, [])
            heapq.heappush(heap, entry) if len(heap) < many else heapq.heappushpop(heap, entry)
    return sorted(number for heap in heaps.values() for _draw, number in heap)


def _drawn(salt: str, key: str) -> int:
    """A number that looks random and is the same everywhere, 128 bits."""
    return int.from_bytes(hashlib.sha256(f"{salt}:{key}".encode()).digest()[:16])


def fingerprint(keys: Iterable[str]) -> str:
    """One hash over the picked samples' content, in whatever order they come."""
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()
