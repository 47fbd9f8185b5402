"""Several processes on one training, by torchrun or accelerate: what they compute and leave, and how they go on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch import Tensor

from tests.ml import cast
from tests.ml.test_command import ROOT
from tests.ml.test_engine import DPO, curve
from tests.ml.test_recipes import go, result

CONFIG = DPO | {
    "samples_per_batch": 1,
    "epochs": 1,
    "adapter": "full",
    "gradient_checkpointing": True,
    "train_limit": 5,
}
"""Five samples of those are trained on: the second step has a batch for one of two processes only."""


def torchrun(*program: str) -> None:
    """Two processes over gloo, by the command that a researcher types."""
    launched("torch.distributed.run", "--standalone", "--nproc-per-node", "2", *program)


def accelerate(*program: str) -> None:
    """The same two processes by `accelerate launch`."""
    how = ("--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no")
    launched("accelerate.commands.launch", *how, "--dynamo_backend", "no", "--main_process_port", "0", *program)


def launched(*command: str) -> None:
    threads = {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=os.environ | threads, check=True)


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "output" / "checkpoint" / "model.safetensors")


@pytest.mark.parametrize(("processes", "status"), [("2", 7), ("1", 9)])
def test_one_of_several_ends_with_its_own_status_whatever_the_interpreters_end_would_do(
    processes: str, status: int
) -> None:
    """The 9 comes from what Python does last of all; alone, a process ends as Python does."""
    program = (
        "import atexit, os; atexit.register(os._exit, 9)\nfrom ml.launched import depart; print('said'); depart(7)"
    )
    environ = os.environ | {"WORLD_SIZE": processes}
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert ended.returncode == status
    if status == 7:
        assert ended.stdout == "said\n"


def test_several_that_have_met_and_are_refused_say_why_and_exit_2(tmp_path: Path, data: Path, base: Path) -> None:
    more = {"objective": "mm_dpo", "margins": "reward", "base": str(base)}
    folder = cast.run_folder(tmp_path / "run", "mm_dpo", {"dataset": data}, **CONFIG | more)
    command = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "ml", "mm_dpo", str(folder))
    environ = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert ended.returncode == 1  # the launcher's own
    assert "NoScores: inputs/scores/margins.jsonl is not there" in ended.stderr
    assert re.search(r"exitcode +: 2 ", ended.stderr)


@pytest.mark.timeout(900)
def test_two_processes_are_one_with_twice_the_accumulation_and_go_on_from_shares(
    tmp_path: Path, data: Path, base: Path
) -> None:
    common = CONFIG | {"base": str(base)}
    alone = go("mm_dpo", tmp_path / "alone", {"dataset": data}, **common | {"accumulate": 4})
    whole, shared = (tmp_path / name for name in ("whole", "shared"))
    for folder in (whole, shared):
        more: dict[str, Any] = {"accumulate": 2, "checkpoint_every": 1, "shard": folder == shared}
        cast.run_folder(folder, "mm_dpo", {"dataset": data}, **common | more)
    torchrun("-m", "tests.ml.several", str(whole), str(shared))
    for both in (whole, shared):
        assert_alike(both, alone, load_file(base / "model.safetensors"))

    state = shared / "checkpoints" / "step-00000001"
    assert {each.name for each in state.iterdir()} == {"share-0", "share-1", "trainer.json"}
    sizes = [(state / f"share-{rank}" / "optimizer.safetensors").stat().st_size for rank in (0, 1)]
    one = (whole / "checkpoints" / "step-00000001" / "optimizer.safetensors").stat().st_size
    assert max(sizes) < 0.75 * one  # vision and projector stay whole

    before = weights(shared)
    shutil.rmtree(shared / "checkpoints" / "step-00000002")
    shutil.rmtree(shared / "output")
    accelerate("-m", "ml", "mm_dpo", str(shared))
    assert list(curve(shared)) == [1, 2]  # the second step was done twice, with bit-equal figures
    assert len(cast.lines(shared / "metrics.jsonl", "metric", split="train")) == 3
    after = weights(shared)
    assert all(each.equal(after[name]) for name, each in before.items())


def assert_alike(both: Path, alone: Path, before: dict[str, Tensor]) -> None:
    one, two = curve(alone), curve(both)
    assert list(two) == list(one) == [1, 2]
    for step, values in one.items():
        assert two[step] == pytest.approx(values, rel=1e-5)
    assert result(both)["reward_margin"] == pytest.approx(result(alone)["reward_margin"], abs=1e-5)
    left = weights(both)
    for name, each in weights(alone).items():  # AdamW makes steps of gradients that are all but nothing, too
        assert float((left[name] - each).norm()) <= 1e-2 * float((each - before[name]).norm()), name
