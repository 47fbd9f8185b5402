"""The win rate that remains when both sides are of one length (after arXiv 2404.04475, without its task terms)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

STEPS = 50
RIDGE = 1e-3
"""Keeps the fit finite where length alone tells who wins."""


def length_controlled(wins: Sequence[float], lengths: Sequence[tuple[int, int]]) -> float:
    """σ(a) of the logistic fit P(win) = σ(a + b · tanh(Δ / s)).

    wins: 1 won, 0.5 tied, 0 lost. lengths: of the policy's and the base's output. Δ their difference, s its deviation.
    """
    delta = torch.tensor([own - other for own, other in lengths], dtype=torch.float64)
    spread = float(delta.std(unbiased=False)) or 1.0
    inputs = torch.stack([torch.ones_like(delta), torch.tanh(delta / spread)], dim=1)
    target = torch.tensor(wins, dtype=torch.float64)
    weights = torch.zeros(2, dtype=torch.float64)
    for _ in range(STEPS):  # Newton's method on the log-likelihood
        chance = torch.sigmoid(inputs @ weights)
        slope = inputs.T @ (target - chance) - RIDGE * weights
        bend = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + RIDGE * torch.eye(2, dtype=torch.float64)
        weights = weights + torch.linalg.solve(bend, slope).clamp(-2, 2)
    return 1 / (1 + math.exp(-float(weights[0])))
