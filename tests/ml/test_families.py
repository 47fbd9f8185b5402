"""The recipes know no family by name: others go the same way as the tiny Qwen2-VL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ml import adapters, heads
from ml.config import MmDpo, Reward
from ml.data import read_dataset
from ml.models import VisionLanguage, load
from ml.policy import Policy
from ml.reward_model import RewardModel
from tests.ml.families import FAMILIES


@pytest.fixture(params=FAMILIES, ids=lambda family: family.__name__)
def other(request: pytest.FixtureRequest, tmp_path: Path, data: Path) -> VisionLanguage:
    torch.manual_seed(0)
    request.param(tmp_path / "base", data)
    return load(str(tmp_path / "base"), Reward(device="cpu"))


def test_another_family_tells_responds_and_judges(other: VisionLanguage, data: Path) -> None:
    samples = list(read_dataset(data).samples.values())[:5]  # the fifth is a video of three frames
    policy = Policy(other, MmDpo())
    with torch.no_grad():
        together, alone = policy.tell(samples), policy.tell(samples[4:])
    key = (samples[4].id, samples[4].responses[0].id)
    assert together.sums[together.index[key]].item() == pytest.approx(alone.sums[alone.index[key]].item(), abs=1e-3)
    assert len(policy.respond(samples, 4)) == 5
    token_by_token = other.encoder.decode(list(policy.answer(samples[0], 4)))
    assert token_by_token == policy.respond(samples[:1], 4)[0]
    judge = RewardModel(other, heads.score_head(other, 0.0), Reward(max_critique_tokens=4), critical=True)
    rewards, critiques = judge.rewards([samples[:2], samples[4:]], None)
    assert len(rewards) == len(critiques) == 12


def test_another_family_learns_by_lora_and_in_full(other: VisionLanguage, data: Path) -> None:
    sample = next(iter(read_dataset(data).samples.values()))
    adapters.train_fully(other, freeze_vision=True)
    frozen = {name for name, each in other.net.named_parameters() if not each.requires_grad}
    assert frozen
    assert all("vision" in name or "visual" in name for name in frozen)
    Policy(other, MmDpo()).tell([sample]).sums.sum().backward()  # type: ignore[no-untyped-call]
    assert any(each.grad is not None and each.grad.abs().sum() > 0 for each in other.net.get_decoder().parameters())
    other.net.requires_grad_(False)
    adapters.add_lora(other, 2, 4.0, 0.0, "all")
    assert all("lora" in name and "vis" not in name for name in adapters.trainable(other))


def test_another_family_sees_the_picture(other: VisionLanguage, data: Path) -> None:
    samples = list(read_dataset(data).samples.values())[:2]
    told = []
    for media in (samples[0].media, samples[1].media):
        policy = Policy(other, MmDpo())
        told.append(policy.tell([replace(samples[0], media=media)]).sums.tolist())
    assert told[0] != told[1]
