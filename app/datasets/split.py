"""Which samples are held out: whole samples, never pairs, and never two samples of one picture on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple


class Item(NamedTuple):
    """A sample's key and the hashes of its pictures."""

    key: str
    pictures: frozenset[str]


def held_out(items: Sequence[Item], share: float, seed: int) -> set[str]:
    """The keys of about `share` of the samples, drawn by hash: the same items, share and seed give the same keys.

    At least one sample is on each side where the pictures allow it.
    """
    groups = sorted(_groups(items), key=lambda group: _draw(seed, min(group)))
    wanted, chosen = share * len(items), set[str]()
    for group in groups[:-1] if share > 0 else []:
        if chosen and len(chosen) + len(group) / 2 > wanted:
            break
        chosen |= group
    return chosen


def _groups(items: Sequence[Item]) -> list[set[str]]:
    """Samples that share a picture, directly or through others, stand in one group (union–find over pictures)."""
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        while parent.setdefault(node, node) != node:
            parent[node] = node = parent[parent[node]]
        return node

    for item in items:
        for picture in item.pictures:
            parent[root(f"picture {picture}")] = root(item.key)
    groups: dict[str, set[str]] = {}
    for item in items:
        groups.setdefault(root(item.key), set()).add(item.key)
    return list(groups.values())


def _draw(seed: int, key: str) -> str:
    return hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()
