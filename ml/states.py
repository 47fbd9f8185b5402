"""What a training remembers as named tensors, which need no pickle: weights, the optimiser's moments, chance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.tensor import DTensor

from ml import sharding

WEIGHTS, MOMENTS, CHANCE = "weights.safetensors", "optimizer.safetensors", "random.safetensors"


def share_of(rank: int) -> str:
    """The folder of a process's share inside a checkpoint."""
    return f"share-{rank}"


def write(folder: Path, weights: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """Three files. Of weights and moments that processes share out, this one's own share."""
    save_file(sharding.shares(weights), folder / WEIGHTS)
    save_file(sharding.shares(flat(optimizer.state_dict()["state"])), folder / MOMENTS)
    save_file(random_state(device), folder / CHANCE)


def read(folder: Path, weights: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """`write` undone, to the bit. Raises OSError, KeyError, RuntimeError or SafetensorError."""
    sharding.put_shares(weights, load_file(folder / WEIGHTS))
    groups = optimizer.state_dict()["param_groups"]
    order = [weight for group in optimizer.param_groups for weight in group["params"]]
    state = nested(load_file(folder / MOMENTS))
    whole = {index: {name: like(order[index], each) for name, each in one.items()} for index, one in state.items()}
    optimizer.load_state_dict({"state": whole, "param_groups": groups})
    set_random_state(load_file(folder / CHANCE), device)


def like(weight: Tensor, saved: Tensor) -> Tensor:
    """A saved moment as the optimiser holds it: of a shared weight, as a share."""
    if not isinstance(weight, DTensor) or saved.dim() == 0:
        return saved
    where: dict[str, Any] = {"device_mesh": weight.device_mesh, "placements": weight.placements}
    found: Tensor = DTensor.from_local(saved.to(weight.device), **where, shape=weight.shape, stride=weight.stride())
    return found


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
