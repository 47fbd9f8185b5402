"""Several processes on one training: started by torchrun or `accelerate launch`, alone without them.

Each process takes its share of a step's batches. A loss is divided by the counts of the whole step, so summing the
processes' gradients gives exactly what one process with all the batches computes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from itertools import count

import torch
import torch.distributed as dist
from torch import nn

PATIENCE = timedelta(hours=6)
"""How long a process waits for the others: they may be evaluating."""
BUCKET = 2**25
"""Numbers that are summed over processes at once (128 MiB in fp32)."""


_meetings = count()


def start(device: str) -> None:
    """Meet the other processes, if the environment names any. Each takes the GPU of its local rank."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or dist.is_initialized():
        return
    cuda = device in ("auto", "cuda") and torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    store, rank, world_size = next(dist.rendezvous("env://", timeout=PATIENCE))  # type: ignore[attr-defined,no-untyped-call]
    # Who meets a second time in one process must not find the addresses of the first: they are answered no more.
    store = dist.PrefixStore(f"meeting {next(_meetings)}", store)  # type: ignore[attr-defined]
    dist.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE, store=store, rank=rank, world_size=world_size)


def end() -> None:
    """Leave the others, once everybody is done."""
    if world() > 1:
        dist.barrier()
        dist.destroy_process_group()


def meet() -> None:
    """Wait until every process is here."""
    if world() > 1:
        dist.barrier()


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is; 0 leads: it alone writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def leads() -> bool:
    """Before `start` the environment tells."""
    return rank() == 0 if dist.is_initialized() else int(os.environ.get("RANK", "0")) == 0


def anyone(flag: bool, device: torch.device) -> bool:
    """Whether the flag is up in any process."""
    if world() == 1:
        return flag
    raised = torch.tensor(float(flag), device=device)
    dist.all_reduce(raised, op=dist.ReduceOp.MAX)
    return bool(raised.item())


def gathered(values: object) -> list[object]:
    """What each process has, by rank."""
    if world() == 1:
        return [values]
    found: list[object] = [None] * world()
    dist.all_gather_object(found, values)
    return found


def sum_gradients(weights: Iterable[nn.Parameter]) -> None:
    """Add the processes' gradients up, many weights in one message; one that a process lacks counts as 0."""
    if world() == 1:
        return
    bucket: list[nn.Parameter] = []
    for weight in weights:
        bucket.append(weight)
        if sum(each.numel() for each in bucket) >= BUCKET:
            _sum(bucket)
            bucket = []
    if bucket:
        _sum(bucket)


def _sum(weights: list[nn.Parameter]) -> None:
    gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in weights]
    flat = torch.cat([each.flatten().float() for each in gradients])
    dist.all_reduce(flat)
    parts = torch.split(flat, [each.numel() for each in weights])
    for weight, part in zip(weights, parts, strict=True):
        weight.grad = part.view_as(weight).to(weight.dtype)
