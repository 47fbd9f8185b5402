"""The miniature experiment in its short form: one seed, small sizes, on pictures and questions that others made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.easy_vqa import SHORT, Experiment

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A base, a reward model on expanded reasons, its scores, and a policy aligned by them; about four minutes."""
    torch.set_num_threads(1)
    place: Path = tmp_path_factory.mktemp("easy-vqa")
    experiment = Experiment(place, SHORT, seed=0)
    base = experiment.truth(experiment.make_base())
    rewards = experiment.reward("expanded")
    experiment.score()
    return {"base": base, "reward": rewards, "policy": experiment.align("mm_dpo")}


def test_with_given_critiques_held_out_pairs_are_ordered_rightly(found: dict[str, Any]) -> None:
    assert found["reward"]["given"]["acc"] >= 0.9


def test_with_its_own_critiques_the_order_is_above_chance(found: dict[str, Any]) -> None:
    assert found["reward"]["own"]["acc"] >= 0.75


def test_aligning_raises_the_share_of_true_responses_that_are_preferred(found: dict[str, Any]) -> None:
    assert found["policy"]["pairs"] > found["base"]["pairs"]


def test_no_picture_is_on_both_sides_of_the_split(tmp_path: Path) -> None:
    dataset = Experiment(tmp_path, SHORT, seed=1).dataset
    pictures = {
        split: {medium.path.name for sample in dataset.of(split) for medium in sample.media}
        for split in ("train", "held_out")
    }
    assert pictures["train"]
    assert pictures["held_out"]
    assert not pictures["train"] & pictures["held_out"]
