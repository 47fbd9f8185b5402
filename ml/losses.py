"""Pure functions of tensors. Equation numbers are those of arXiv 2502.10391.

Shapes: P pairs, T ties, R responses. Each response went through the model once; a pair is two indices into
what came out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


def critique_loss(sums: Tensor, counts: Tensor, reduction: str = "mean") -> Tensor:
    """Eq. (2): − Σ_t log π(c_t | c_<t, x, y), averaged over the responses that have a critique.

    sums (R): each critique's summed log-probabilities. counts (R): its tokens, 0 where there is none.
    "sum" is the equation as written; "mean" divides each by its tokens, so that a long critique does not
    drown the score. Returns a scalar, 0 where no response has a critique.
    """
    has = counts > 0
    if not bool(has.any()):
        return sums.sum() * 0.0
    each = -sums[has] if reduction == "sum" else -sums[has] / counts[has]
    return each.mean()


def scoring_loss(chosen: Tensor, rejected: Tensor, margin: Tensor | float = 0.0) -> Tensor:
    """Eq. (3): − log σ(r_w − r_l). Takes and returns (P). The released code subtracts a margin where one is given."""
    return -F.logsigmoid(chosen - rejected - margin)


def centring_loss(chosen: Tensor, rejected: Tensor) -> Tensor:
    """(r_w + r_l)², which keeps rewards around zero. Takes and returns (P).

    Not in the paper's equations; the released code adds it with weight 0.01.
    """
    return (chosen + rejected).square()


def tie_loss(one: Tensor, other: Tensor) -> Tensor:
    """(r_1 − r_2)² for responses of equal rank. Takes and returns (T). In the released code, not in the paper."""
    return (one - other).square()


def beta_of(margin: Tensor, beta: float, w: float, k: float) -> Tensor:
    """β(δ) = β_ori · (1 + w · (1 − e^(−kδ))) within [β_ori, (1 + w) · β_ori]. Takes and returns (P).

    The bounds are those of 1 − e^(−kδ) within [0, 1], so a negative margin gives β_ori exactly.
    """
    return beta * (1 + w * (-torch.expm1(-k * margin)).clamp(0, 1))


def implicit_beta(logits: Tensor, beta: float, w: float, k: float) -> Tensor:
    """A baseline, which the paper reports not to work: δ is the batch's own mean implicit reward margin.

    logits (P): differences of log-ratios. Returns (P), the same β for all, with no gradient through it.
    """
    return beta_of((beta * logits.detach()).mean().expand_as(logits), beta, w, k)


@dataclass(frozen=True)
class Preference:
    """What P pairs give."""

    losses: Tensor
    chosen_rewards: Tensor
    """β_ori · log-ratio: the reward that the policy itself implies. No gradient."""
    rejected_rewards: Tensor


def log_ratio_differences(policy: Tensor, reference: Tensor, chosen: Tensor, rejected: Tensor) -> Tensor:
    """[log π_θ/π_ref of the chosen] − [the same of the rejected]. policy, reference (R); indices (P). Returns (P)."""
    ratios = policy - reference
    return ratios[chosen] - ratios[rejected]


def dpo_loss(
    policy: Tensor,
    reference: Tensor,
    chosen: Tensor,
    rejected: Tensor,
    betas: Tensor,
    beta: float,
    shape: str = "sigmoid",
    smoothing: float = 0.0,
) -> Preference:
    """Eq. (4) with one β a pair: − log σ(β · [log-ratio of the chosen − log-ratio of the rejected]).

    policy, reference (R): summed log-probabilities of the responses. chosen, rejected (P): indices into them.
    betas (P). beta: β_ori, in which the implicit rewards are reported. shape and smoothing: see `shaped`.
    """
    logits = log_ratio_differences(policy, reference, chosen, rejected)
    rewards = (beta * (policy - reference)).detach()
    return Preference(shaped(logits, betas, shape, smoothing), rewards[chosen], rewards[rejected])


def shaped(logits: Tensor, betas: Tensor, shape: str, smoothing: float = 0.0) -> Tensor:
    """The loss of each pair from its log-ratio difference h. Takes and returns (P).

    sigmoid: − (1 − ε) log σ(βh) − ε log σ(−βh), eq. (4) at ε = 0; ε > 0 is conservative DPO, which holds that a
    share ε of the labels is wrong. ipo: (h − 1/(2β))², eq. 17 of arXiv 2310.12036. hinge: max(0, 1 − βh), SLiC.
    """
    if shape == "ipo":
        return (logits - 1 / (2 * betas)).square()
    if shape == "hinge":
        return F.relu(1 - betas * logits)
    scaled = betas * logits
    if not smoothing:
        return -F.logsigmoid(scaled)
    return -(1 - smoothing) * F.logsigmoid(scaled) - smoothing * F.logsigmoid(-scaled)


def sft_loss(sums: Tensor, counts: Tensor, chosen: Tensor) -> Tensor:
    """Supervised loss of each pair's chosen response, a mean over its tokens. sums, counts (R); returns (P)."""
    return -(sums / counts.clamp(min=1))[chosen]
