"""Losses against sums worked by hand and against plain references in float64."""

from __future__ import annotations

import math

import pytest
import torch

from ml import losses


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_the_scoring_loss_of_two_pairs_is_the_sum_worked_by_hand() -> None:
    chosen, rejected = torch.tensor([1.0, 0.0], dtype=torch.float64), torch.tensor([0.0, 2.0], dtype=torch.float64)
    found = losses.scoring_loss(chosen, rejected)
    # −log σ(1) = 0.313262, −log σ(−2) = 2.126928
    assert found.tolist() == pytest.approx([0.3132616875, 2.1269280110], abs=1e-9)


def test_a_margin_asks_for_that_much_more_distance() -> None:
    one, other = torch.tensor([3.0]), torch.tensor([1.0])
    assert losses.scoring_loss(one, other, 2.0).item() == pytest.approx(math.log(2), abs=1e-6)


def test_centring_and_ties_are_squares_worked_by_hand() -> None:
    one, other = torch.tensor([1.0, -2.0]), torch.tensor([3.0, 2.0])
    assert losses.centring_loss(one, other).tolist() == [16.0, 0.0]
    assert losses.tie_loss(one, other).tolist() == [4.0, 16.0]


def test_the_critique_loss_leaves_out_responses_without_a_critique() -> None:
    sums, counts = torch.tensor([-6.0, -1.0, -5.0]), torch.tensor([3, 1, 0])
    assert losses.critique_loss(sums, counts, "mean").item() == pytest.approx((2 + 1) / 2)
    assert losses.critique_loss(sums, counts, "sum").item() == pytest.approx((6 + 1) / 2)


def test_the_critique_loss_of_no_critique_is_zero_and_can_still_be_differentiated() -> None:
    sums = torch.tensor([-6.0], requires_grad=True)
    loss = losses.critique_loss(sums, torch.tensor([0]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0.0
    assert sums.grad is not None
    assert sums.grad.item() == 0.0


def test_a_negative_margin_gives_beta_ori() -> None:
    margins = torch.tensor([-1e-6, -0.5, -3.0, -1e4], dtype=torch.float64)
    assert losses.beta_of(margins, 0.1, 0.5, 0.5).tolist() == [0.1] * 4


def test_beta_grows_with_the_margin_as_the_formula_says_and_never_past_its_bound() -> None:
    margins = torch.tensor([0.0, 1.0, 2.0, 1e4], dtype=torch.float64)
    found = losses.beta_of(margins, 0.1, 0.5, 0.5).tolist()
    assert found[0] == 0.1
    assert found[1] == pytest.approx(0.1 * (1 + 0.5 * (1 - math.exp(-0.5))), abs=1e-12)
    assert found[2] == pytest.approx(0.1 * (1 + 0.5 * (1 - math.exp(-1.0))), abs=1e-12)
    assert found[3] == pytest.approx(0.15, abs=1e-12)


def test_without_w_beta_is_plain_dpos_whatever_the_margin() -> None:
    margins = torch.tensor([-1e6, 0.0, 1e6])
    assert losses.beta_of(margins, 0.1, 0.0, 0.5).tolist() == pytest.approx([0.1] * 3)


def test_dpo_of_one_pair_is_the_sum_worked_by_hand() -> None:
    policy = torch.tensor([-10.0, -12.0], dtype=torch.float64)
    reference = torch.tensor([-11.0, -11.5], dtype=torch.float64)
    one, other = torch.tensor([0]), torch.tensor([1])
    found = losses.dpo_loss(policy, reference, one, other, torch.tensor([0.2], dtype=torch.float64), 0.1)
    # log-ratios 1.0 and −0.5; −log σ(0.2 · 1.5) = 0.554355
    assert found.losses.item() == pytest.approx(-math.log(sigmoid(0.3)), abs=1e-12)
    assert found.losses.item() == pytest.approx(0.5543552444685271, abs=1e-9)
    assert found.chosen_rewards.item() == pytest.approx(0.1)
    assert found.rejected_rewards.item() == pytest.approx(-0.05)


def test_dpo_over_shared_responses_equals_dpo_pair_by_pair() -> None:
    draw = torch.Generator().manual_seed(0)
    policy, reference = (torch.randn(5, generator=draw, dtype=torch.float64) * 20 for _ in range(2))
    pairs = [(a, b) for a in range(5) for b in range(5) if a != b]
    betas = torch.rand(len(pairs), generator=draw, dtype=torch.float64) + 0.05
    one, other = (torch.tensor(each) for each in zip(*pairs, strict=True))
    found = losses.dpo_loss(policy, reference, one, other, betas, 0.1).losses
    for place, (best, worst) in enumerate(pairs):
        logit = float(betas[place] * ((policy[best] - reference[best]) - (policy[worst] - reference[worst])))
        by_hand = max(-logit, 0.0) + math.log1p(math.exp(-abs(logit)))
        assert found[place].item() == pytest.approx(by_hand, abs=1e-12)


def test_the_implicit_baseline_has_one_beta_a_batch_and_no_gradient_through_it() -> None:
    logits = torch.tensor([10.0, 30.0], dtype=torch.float64, requires_grad=True)
    found = losses.implicit_beta(logits, 0.1, 0.5, 0.5)
    by_hand = 0.1 * (1 + 0.5 * (1 - math.exp(-0.5 * 2.0)))
    assert found.tolist() == pytest.approx([by_hand, by_hand], abs=1e-12)
    assert not found.requires_grad


def test_the_supervised_loss_is_the_chosen_responses_mean_a_token() -> None:
    found = losses.sft_loss(torch.tensor([-8.0, -3.0]), torch.tensor([4, 3]), torch.tensor([0, 0, 1]))
    assert found.tolist() == [2.0, 2.0, 1.0]
