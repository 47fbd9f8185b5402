"""Which samples are held out: whole samples, pictures never shared between the two, the same ones every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

TRAIN, HELD_OUT = "train", "held_out"


class Group(NamedTuple):
    """Samples that must stay together. `draw` is in [0, 1): below the held-out share means held out."""

    samples: list[int]
    draw: float


def split(blobs: Mapping[int, Iterable[str]], paired: set[int], share: float, seed: int) -> dict[int, str]:
    """Sample id → "train" or "held_out".

    blobs: each sample's pictures by SHA-256; samples that share one go the same way. paired: the samples that make
    pairs; each split gets at least one of them where there are two to give and the share is not 0. A sample's lot
    hangs on the seed and the ids alone, so a dataset frozen later holds out what an earlier one did.
    """
    groups = [Group(samples, _draw(seed, samples[0])) for samples in connected(blobs)]
    held_out = {place for place, group in enumerate(groups) if group.draw < share}
    with_pairs = [place for place, group in enumerate(groups) if paired & set(group.samples)]
    with_pairs.sort(key=lambda place: groups[place].draw)
    if share > 0 and len(with_pairs) > 1:
        held_out.add(with_pairs[0])
        held_out.discard(with_pairs[-1])
    elif with_pairs:
        held_out.discard(with_pairs[-1])  # training is impossible without a pair, evaluation only poorer
    sides = [HELD_OUT if place in held_out else TRAIN for place in range(len(groups))]
    return {sample: side for group, side in zip(groups, sides, strict=True) for sample in group.samples}


def _draw(seed: int, sample_id: int) -> float:
    return int.from_bytes(hashlib.sha256(f"{seed}:{sample_id}".encode()).digest()[:6]) / 2**48


def connected(blobs: Mapping[int, Iterable[str]]) -> list[list[int]]:
    """Samples that share a picture, directly or by way of others, each list and the whole in order of id."""
    parent = {sample: sample for sample in blobs}

    def root(sample: int) -> int:
        while parent[sample] != sample:
            parent[sample] = parent[parent[sample]]
            sample = parent[sample]
        return sample

    first_with: dict[str, int] = {}
    for sample in sorted(blobs):
        for sha256 in blobs[sample]:
            one, other = sorted((root(sample), root(first_with.setdefault(sha256, sample))))
            parent[other] = one
    groups: dict[int, list[int]] = {}
    for sample in sorted(blobs):
        groups.setdefault(root(sample), []).append(sample)
    return [groups[key] for key in sorted(groups)]
