"""A short supervised stage: a model of random weights learns to see and to speak before it can prefer anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

from ml import losses
from ml.adapters import train_fully, trainable
from ml.config import MmDpo
from ml.data import Response, Sample
from ml.models import VisionLanguage
from ml.policy import Policy


def teach(
    model: VisionLanguage,
    examples: Sequence[tuple[Sample, Response]],
    *,
    steps: int,
    batch: int,
    rate: float = 1e-3,
    seed: int = 0,
    watch: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Maximise the likelihood of each sample's response, every weight unfrozen, the vision encoder's too.

    Changes the model in place. `watch` is told each step and its mean loss a token.
    """
    train_fully(model, freeze_vision=False)
    policy = Policy(model, MmDpo(max_pixels=16_777_216))
    weights = list(trainable(model).values())
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.01, betas=(0.9, 0.98))
    draw = torch.Generator().manual_seed(seed)
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * step / steps))
        chosen = [examples[i] for i in torch.randint(len(examples), (batch,), generator=draw).tolist()]
        told = policy.tell([replace(sample, responses=(response,)) for sample, response in chosen])
        loss = losses.critique_loss(told.sums, told.counts)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        watch(step + 1, float(loss.detach()))
    model.eval()
    model.net.requires_grad_(False)
