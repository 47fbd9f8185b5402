"""Promises of the training engine: exact accumulation, several processes, killing and resuming, keeping the best."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from ml import losses, safety
from ml.errors import NoScores
from ml.length_control import length_controlled
from ml.progress import Curves
from tests.ml import cast
from tests.ml.test_command import ROOT, steps_of
from tests.ml.test_recipes import QUICK, REWARD, go

ELSEWHERE = """
import sys
sys.path.append(sys.argv[1])
from importlib.util import find_spec
assert find_spec("ml") is None and find_spec("app") is None
import torch
from peft import PeftModel
from transformers import AutoModelForImageTextToText as Auto, AutoTokenizer
under = PeftModel.from_pretrained(Auto.from_pretrained(sys.argv[3]), sys.argv[2] + "/checkpoint").eval()
whole = Auto.from_pretrained(sys.argv[2] + "/merged").eval()
ids = AutoTokenizer.from_pretrained(sys.argv[2] + "/merged")("What is it?", return_tensors="pt").input_ids
with torch.no_grad():
    assert torch.allclose(under(input_ids=ids).logits, whole(input_ids=ids).logits, atol=1e-4)
"""
"""Run by a Python that has transformers and peft, and neither our packages nor the repository on its path."""
DPO = QUICK | {"objective": "dpo", "sample_tokens": 2}


def curve(folder: Path) -> dict[int, tuple[float, float]]:
    """Loss and gradient norm by step; a step that was done twice must have been the same twice."""
    found: dict[int, tuple[float, float]] = {}
    for line in cast.lines(folder / "metrics.jsonl", "metric", split="train"):
        both = line["values"]["loss"], line["values"]["grad_norm"]
        assert found.setdefault(line["step"], both) == both
    return found


def test_ipo_hinge_and_smoothed_losses_are_sums_worked_by_hand() -> None:
    h, beta = torch.tensor([2.0, -3.0]), torch.tensor([0.5, 0.25])
    assert losses.shaped(h, beta, "ipo").tolist() == [1.0, 25.0]  # (2 − 1)², (−3 − 2)²
    assert losses.shaped(h, beta, "hinge").tolist() == [0.0, 1.75]
    smooth = [0.9 * math.log1p(math.exp(-1.0)) + 0.1 * math.log1p(math.exp(1.0))]
    assert losses.shaped(h[:1], beta[:1], "sigmoid", 0.1).tolist() == pytest.approx(smooth)


def elsewhere(output: Path, base: Path) -> None:
    """Load what a run left as somebody without this repository would."""
    bare = [sys.executable, "-I", "-S", "-c", ELSEWHERE, sysconfig.get_path("purelib"), str(output), str(base)]
    subprocess.run(bare, cwd=output, check=True)


@pytest.mark.parametrize("recipe", ["reward", "mm_dpo"])
def test_two_small_batches_accumulated_are_one_large_batch(tmp_path: Path, data: Path, base: Path, recipe: str) -> None:
    config = {"reward": REWARD | {"tie_weight": 0.5, "evaluate_with": "given"}, "mm_dpo": DPO}[recipe]
    sizes = {"large": (4, 1), "small": (1, 4)}
    found = {}
    for name, (size, times) in sizes.items():
        more = config | {"samples_per_batch": size, "accumulate": times, "max_steps": 2}
        found[name] = curve(go(recipe, tmp_path / name, {"dataset": data}, base=str(base), **more))
    for step, values in found["large"].items():
        assert found["small"][step] == pytest.approx(values, rel=1e-4)


@pytest.mark.timeout(900)
def test_a_run_killed_at_a_random_step_goes_on_with_bit_equal_losses(tmp_path: Path, data: Path, base: Path) -> None:
    own = {"reward": REWARD | {"head_dropout": 0.1, "evaluate_with": "given"}, "mm_dpo": DPO}
    recipe = random.choice([*own])
    config = own[recipe] | {"lora_dropout": 0.2, "checkpoint_every": 2}
    unbroken = go(recipe, tmp_path / "unbroken", {"dataset": data}, base=str(base), **config)
    broken = cast.run_folder(tmp_path / "broken", recipe, {"dataset": data}, base=str(base), **config)
    command = [sys.executable, "-m", "ml", recipe, str(broken)]
    first = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"})
    fatal = random.randint(1, 5)  # of six steps
    while first.poll() is None and steps_of(broken)[-1:] < [fatal]:
        time.sleep(0.01)
    time.sleep(random.random() / 10)  # and somewhere within the next
    first.send_signal(signal.SIGKILL)
    first.wait(60)
    assert subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=800).returncode == 0
    assert curve(broken) == curve(unbroken), f"{recipe} killed after step {fatal}"


def test_the_vision_encoder_may_learn_at_a_rate_of_its_own(tmp_path: Path, data: Path, base: Path) -> None:
    config = DPO | {"adapter": "full", "freeze_vision": False, "learning_rate": 0.0, "vision_learning_rate": 1e-3}
    folder = go("mm_dpo", tmp_path / "run", {"dataset": data}, base=str(base), **config | {"max_steps": 1})
    before, after = (load_file(each / "model.safetensors") for each in (base, folder / "output" / "checkpoint"))
    moved = [name for name, each in before.items() if not each.equal(after[name])]
    assert moved and all(name.startswith("visual.") for name in moved)


def test_margins_may_come_from_peoples_own_scores(tmp_path: Path, data: Path, base: Path) -> None:
    config = DPO | {"objective": "mm_dpo", "margins": "human", "max_steps": 1}
    folder = go("mm_dpo", tmp_path / "run", {"dataset": data}, base=str(base), **config)
    values = cast.lines(folder / "metrics.jsonl", "metric", split="train")[0]["values"]
    assert values["beta_min"] == pytest.approx(0.1 * (1 + 0.5 * (1 - math.exp(-0.5))), rel=1e-4)  # one step apart
    assert values["beta_max"] == pytest.approx(0.1 * (1 + 0.5 * (1 - math.exp(-1.0))), rel=1e-4)  # two
    rows = [json.loads(line) | {"scores": {}} for line in (data / "samples.jsonl").read_text().splitlines()]
    bare = cast.dataset(tmp_path / "bare")
    for row in rows:
        row["responses"] = [each | {"scores": {}} for each in row["responses"]]
    cast.write(bare / "samples.jsonl", rows)
    with pytest.raises(NoScores, match="human scores"):
        go("mm_dpo", tmp_path / "refused", {"dataset": bare}, base=str(base), **config)


def test_a_second_run_reads_its_reference_and_ends_the_same(tmp_path: Path, data: Path, base: Path) -> None:
    folders = [
        go("mm_dpo", tmp_path / name, {"dataset": data}, base=str(base), **DPO | {"max_steps": 1}) for name in "ab"
    ]
    counts = [len(cast.lines(each / "metrics.jsonl", "progress", phase="reference")) for each in folders]
    assert counts == [4, 0]
    assert (folders[0] / "reference.jsonl").read_text() == (folders[1] / "reference.jsonl").read_text()


def test_a_run_leaves_a_card_and_a_merged_model_that_loads_elsewhere(tmp_path: Path, data: Path, base: Path) -> None:
    config = DPO | {"max_steps": 2, "merge": True, "learning_rate": 0.05}
    folder = go("mm_dpo", tmp_path / "run", {"dataset": data}, base=str(base), **config)
    card = (folder / "output" / "checkpoint" / "README.md").read_text()
    assert str(base) in card
    assert "| learning_rate | 0.05 |" in card
    elsewhere(folder / "output", base)
    merged = AutoModelForImageTextToText.from_pretrained(folder / "output" / "merged").state_dict()
    before = AutoModelForImageTextToText.from_pretrained(base).state_dict()
    assert merged.keys() == before.keys()
    assert any(not each.equal(before[name]) for name, each in merged.items())


def test_the_best_weights_are_kept_and_a_run_that_no_longer_learns_stops(
    tmp_path: Path, data: Path, base: Path
) -> None:
    config = DPO | {"epochs": 5, "learning_rate": 0.0, "evaluate_every": 1, "early_stop": 2, "keep_best": True}
    folder = go("mm_dpo", tmp_path / "run", {"dataset": data}, base=str(base), **config | {"ema": 0.5})
    assert sorted(curve(folder)) == [1, 2, 3]  # the first is the best, two are no better
    assert (folder / "best" / "weights.safetensors").exists()
    assert "loss_ema" in cast.lines(folder / "metrics.jsonl", "metric", split="train")[0]["values"]


def test_smoothed_curves_follow_their_past() -> None:
    curves = Curves()
    curves.smoothed({"loss": 1.0, "accuracy": 0.0}, 0.9)
    assert curves.smoothed({"loss": 2.0, "accuracy": 1.0}, 0.9) == pytest.approx({"loss_ema": 1.1, "accuracy_ema": 0.1})


def test_a_win_rate_that_only_length_explains_is_levelled() -> None:
    wins, lengths = [1.0] * 30 + [0.0] * 10, [(200, 100)] * 30 + [(100, 200)] * 10
    assert length_controlled(wins, lengths) < 0.65
    assert length_controlled([1.0, 1.0, 1.0, 0.0], [(5, 5)] * 4) == pytest.approx(0.75, abs=0.01)


def test_the_safety_table_counts_both_kinds_of_rows() -> None:
    jail: list[dict[str, Any]] = [{"task": "typographic", "attacked": True, "refused": False}]
    jail += [{"task": "typographic", "attacked": False, "refused": True}] * 3
    found = safety.table([*jail, {"task": "nsfw_text", "refused": False}, {"task": "risk", "identified": True}])
    assert found["rows"]["typographic ASR"] == {"share": 0.25, "count": 4}
    assert found["unsafety"] == pytest.approx((0.25 + 1.0) / 2)
    assert found["safety"] == pytest.approx((0.75 + 1.0) / 2)
