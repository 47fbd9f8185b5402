"""What a training does when: the batches of every step, and the learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ml import parallel
from ml.batching import Batch, batches_of, chunks
from ml.config import MmDpo, Reward
from ml.data import Sample

Plan = list[list[Batch]]
"""Batches of every optimiser step."""


def plan_of(samples: Sequence[Sample], config: Reward | MmDpo, lengths: Mapping[str, int] | None = None) -> Plan:
    """Every step in order: a fixed function of the samples, their lengths, the seed and the number of processes."""
    steps: Plan = []
    for epoch in range(config.epochs):
        batches = batches_of(samples, config, lengths or {}, config.seed * 1_000_003 + epoch)
        steps += chunks(batches, config.accumulate * parallel.world())
    return steps[: config.max_steps or None]


def rate_at(step: int, total: int, config: Reward | MmDpo) -> float:
    """The share of the peak learning rate at a step counted from 0."""
    warm = math.ceil(config.warmup * total)
    if step < warm:
        return (step + 1) / warm
    along = (step - warm) / max(1, total - warm)
    shapes = {"cosine": 0.5 * (1 + math.cos(math.pi * along)), "linear": 1 - along, "constant": 1.0}
    return shapes[config.schedule]
