"""A language model of which each process holds a share: PyTorch's FSDP2 (`fully_shard`), on GPUs or over gloo.

A layer's weights are gathered when it runs and let go behind it; gradients and the optimiser's moments exist in shares
only. The vision encoder and its projector stay whole in every process: processes may see unlike numbers of pictures,
so nothing of theirs can be gathered in step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from ml import parallel

T = TypeVar("T")


class Whole(nn.Module):
    """The language model with its output embeddings. While it runs a piece of work, their weights are at hand."""

    def __init__(self, decoder: nn.Module, top: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder
        self.top = top

    def forward(self, work: Callable[[], Any]) -> Any:
        return work()


def shard(decoder: nn.Module, top: nn.Module, device: torch.device) -> Whole:
    """Leave each process its share of the weights: layer by layer, and embeddings (tied or not) with the norm.

    Gradients are summed over processes, not averaged: losses are divided by the counts of the whole step already.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard  # takes a second and a half, for runs that shard alone

    mesh = init_device_mesh(device.type, (parallel.world(),))
    whole = Whole(decoder, top)
    for part in [*layers_of(decoder), whole]:
        sharded: FSDPModule = fully_shard(part, mesh=mesh, reshard_after_forward=True)
        sharded.set_gradient_divide_factor(1.0)
        sharded.set_force_sum_reduction_for_comms(True)
    return whole


def layers_of(decoder: nn.Module) -> list[nn.Module]:
    """The layers of a language model: its longest list of modules."""
    found: list[nn.Module] = []
    for each in decoder.modules():
        if isinstance(each, nn.ModuleList) and len(each) > len(found):
            found = list(each)
    return found


def at_hand(whole: Whole | None, work: Callable[[], T]) -> T:
    """Do the work with the language model's weights at hand: every process at once, where they are shared out."""
    found: T = work() if whole is None else whole(work)
    return found


def is_share(weight: Tensor) -> bool:
    return isinstance(weight, DTensor)


def own(weight: Tensor) -> Tensor:
    """What this process holds of a weight, gradient or moment: a share, or all of it."""
    return weight.to_local() if isinstance(weight, DTensor) else weight


def gathered(weight: Tensor) -> Tensor:
    """The whole of it. Of a share, every process has to ask at once."""
    found: Tensor = weight.full_tensor() if isinstance(weight, DTensor) else weight
    return found.detach()


def put(weight: Tensor, value: Tensor) -> None:
    """Set a weight from the whole value, of which a process takes its share."""
    with torch.no_grad():
        if isinstance(weight, DTensor):
            value = value.to(weight.device)
            weight.copy_(distribute_tensor(value, weight.device_mesh, weight.placements, src_data_rank=None))
        else:
            weight.copy_(value)


def shares(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What this process holds of each, ready to be written."""
    return {name: own(each).detach().contiguous() for name, each in named.items()}


def put_shares(named: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, each in named.items():
            own(each).copy_(saved[name])


def clip(weights: Iterable[nn.Parameter], longest: float) -> Tensor:
    """Shorten the gradient to that norm, if it is longer. Returns the norm before, over all processes' shares."""
    every = [each for each in weights if each.grad is not None]
    if not any(is_share(each) for each in every):
        return nn.utils.clip_grad_norm_(every, longest)
    gradients = [each.grad for each in every if each.grad is not None]
    mine = _squares([each.to_local() for each in gradients if isinstance(each, DTensor)], every[0].device)
    dist.all_reduce(mine)
    norm = (mine + _squares([each for each in gradients if not is_share(each)], every[0].device)).sqrt()
    scale = (longest / (norm + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        own(gradient).mul_(scale)
    return norm


def _squares(parts: list[Tensor], device: torch.device) -> Tensor:
    total = torch.zeros((), device=device)
    for part in parts:
        total = total + part.float().square().sum()
    return total
