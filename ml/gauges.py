"""How hard a step worked: what the run page shows as gauges beside the curves."""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from typing import NamedTuple

import torch


class Load(NamedTuple):
    """What one batch held. places: tokens with padding; 0 where that is not known."""

    samples: int
    tokens: int
    places: int


def read(loads: Sequence[Load], seconds: float) -> dict[str, float]:
    """tokens_per_second and samples_per_second of the step on all processes; memory_gib, the most that this one ever
    held; padding_share of the places, 0 to 1.
    """
    tokens, places = (sum(getattr(load, name) for load in loads) for name in ("tokens", "places"))
    found = {"tokens_per_second": tokens / seconds, "samples_per_second": sum(load.samples for load in loads) / seconds}
    found["memory_gib"] = most_memory() / 2**30
    return {**found, "padding_share": 1 - tokens / places} if places else found


def most_memory() -> int:
    """Bytes: of the GPU where there is one, else of the process."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
