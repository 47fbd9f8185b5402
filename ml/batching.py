"""Which samples go through the model together: so many at once, or as many as a budget of tokens holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch

from ml import packing, parallel
from ml.config import MmDpo, Reward, Score
from ml.data import Sample
from ml.errors import TooLong
from ml.folder import RunFolder, write_jsonl

Item = TypeVar("Item")
Batch = list[Sample]

WINDOW = 512
"""Samples among which those of like length are sought: enough to find some, few enough to leave batches to chance."""

NAMED = 12
"""Samples that a note names before it only counts."""


def chunks(items: Sequence[Item], size: int) -> list[list[Item]]:
    """The items in their order, that many at a time."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def batches_of(
    samples: Sequence[Sample], config: Reward | MmDpo | Score, lengths: Mapping[str, int], seed: int | None = None
) -> list[Batch]:
    """Every sample once. With a budget, samples of like length share a batch, else neighbours do.

    `seed` shuffles samples, and the batches of each window where lengths have sorted them; None keeps their order.
    """
    chance = None if seed is None else torch.Generator().manual_seed(seed)
    order = list(samples) if chance is None else _shuffled(samples, chance)
    if not config.batch_tokens:
        return chunks(order, config.samples_per_batch)
    found: list[Batch] = []
    for window in chunks(order, WINDOW):
        groups = packing.by_tokens([lengths[sample.id] for sample in window], config.batch_tokens)
        batches = [[window[index] for index in group] for group in groups]
        found += batches if chance is None else _shuffled(batches, chance)
    return found


def fitting(
    folder: RunFolder, samples: Sequence[Sample], config: Reward | MmDpo | Score, lengths: Mapping[str, int]
) -> list[Sample]:
    """The samples that the budget holds. A note names the others, and too_long.jsonl lists them all.

    Raises TooLong where none is left.
    """
    over = [sample for sample in samples if lengths.get(sample.id, 0) > config.batch_tokens]
    if not config.batch_tokens or not over:
        return list(samples)
    named = ", ".join(f"{sample.id} ({lengths[sample.id]})" for sample in over[:NAMED])
    more = f" and {len(over) - NAMED} more" if len(over) > NAMED else ""
    fault = f"{len(over)} samples are longer than batch_tokens, {config.batch_tokens}: {named}{more}"
    if parallel.leads():
        write_jsonl(folder.path / "too_long.jsonl", ({"sample": each.id, "tokens": lengths[each.id]} for each in over))
    if len(over) == len(samples):
        raise TooLong(fault)
    folder.note(f"{fault}. They are left out; too_long.jsonl lists them all", "warning")
    return [sample for sample in samples if lengths[sample.id] <= config.batch_tokens]


def _shuffled(items: Sequence[Item], chance: torch.Generator) -> list[Item]:
    return [items[index] for index in torch.randperm(len(items), generator=chance).tolist()]
