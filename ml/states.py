"""An optimiser's moments and the random state as named tensors, which need no pickle."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def flat(state: Mapping[int, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The optimiser's moments by `index.name`."""
    return {f"{index}.{name}": each for index, moments in state.items() for name, each in moments.items()}


def nested(named: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """`flat` undone."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, each in named.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = each
    return state


def random_state(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def set_random_state(states: Mapping[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
