"""python -m ml as a researcher types it: exit codes, last lines, and what a signal does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ml.__main__ import need_quantiser
from ml.errors import NoQuantiser
from tests.ml import cast

ROOT = Path(__file__).resolve().parents[2]


QLORA = {"base": "x/y", "adapter": "qlora"}


def ml(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ml", *arguments]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "BASE_MODEL"))}
    return subprocess.run(
        command, cwd=ROOT, env=env | {"OMP_NUM_THREADS": "1"} | environ, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    ("recipe", "config", "inputs", "last"),
    [
        ("reward", {"learning_rate": -1.0}, ["dataset"], "ConfigError: learning_rate: -1.0 is not between"),
        ("reward", {"base": "/nowhere"}, ["dataset"], "BaseModelNotFound: the path '/nowhere' does not exist"),
        ("reward", QLORA | {"shard": True}, ["dataset"], "ConfigError: shard: weights of four bits"),
        ("reward", {}, ["dataset"], "BaseModelNotFound: no base model is named"),
        ("mm_dpo", {"base": "x/y"}, [], "MissingInput: inputs/dataset"),
        ("score", {}, ["dataset"], "MissingInput: inputs/reward"),
        ("evaluate", {}, ["dataset"], "MissingInput: inputs/policy"),
        ("expand", {}, ["dataset"], "NoExpander: set OPENAI_BASE_URL"),
    ],
)
def test_a_run_that_cannot_begin_exits_2_with_a_named_sentence_and_without_torch(
    tmp_path: Path, data: Path, recipe: str, config: dict[str, Any], inputs: list[str], last: str
) -> None:
    folder = cast.run_folder(tmp_path / "run", recipe, dict.fromkeys(inputs, data), **config)
    answer = ml(recipe, str(folder), PYTHONPROFILEIMPORTTIME="1")
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1].startswith(last)
    assert not [line for line in answer.stderr.splitlines() if line.endswith("| torch")]
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "inputs"]


def test_four_bits_without_their_library_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.__main__.find_spec", lambda name: None)
    with pytest.raises(NoQuantiser, match="needs bitsandbytes"):
        need_quantiser(shard=False)


def test_a_word_that_is_no_recipe_is_refused_with_what_to_say() -> None:
    answer = ml("train", "/tmp")
    assert answer.returncode == 2
    assert "python -m ml" in answer.stderr


def test_a_bad_sample_found_on_the_way_exits_2_with_file_and_line(tmp_path: Path, base: Path) -> None:
    data = cast.dataset(tmp_path / "data")
    with (data / "samples.jsonl").open("a") as file:
        file.write("{}\n")
    folder = cast.run_folder(tmp_path / "run", "reward", {"dataset": data}, base=str(base), critiques="human")
    answer = ml("reward", str(folder))
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1].startswith("BadSample: samples.jsonl line 9: ")


def test_a_run_asked_to_stop_saves_a_checkpoint_exits_143_and_goes_on(tmp_path: Path, data: Path, base: Path) -> None:
    config = {"base": str(base), "objective": "dpo", "epochs": 200, "accumulate": 1, "learning_rate": 1e-3}
    folder = cast.run_folder(tmp_path / "run", "mm_dpo", {"dataset": data}, max_steps=600, **config)
    command = [sys.executable, "-m", "ml", "mm_dpo", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, start_new_session=True) as run:
        while not (steps := steps_of(folder)) and run.poll() is None:
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGTERM)
        assert run.wait(30) == 143
    saved = cast.lines(folder / "metrics.jsonl", "checkpoint")[-1]
    assert saved["step"] == steps_of(folder)[-1] >= steps[-1]
    assert (folder / saved["path"] / "weights.safetensors").exists()
    changed = json.loads((folder / "config.json").read_text()) | {"sample_every": 0}
    (folder / "config.json").write_text(json.dumps(changed))
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}) as run:
        while steps_of(folder)[-1] <= saved["step"] and run.poll() is None:
            time.sleep(0.05)
        run.terminate()
        assert run.wait(30) == 143
    numbers = steps_of(folder)
    assert numbers == list(range(1, numbers[-1] + 1))


def steps_of(folder: Path) -> list[int]:
    path = folder / "metrics.jsonl"
    if not path.exists():
        return []
    whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    rows = [json.loads(line) for line in whole]
    return [row["step"] for row in rows if row["kind"] == "metric" and row["split"] == "train"]


def test_the_tiny_model_is_built_from_texts_and_used_at_once(tmp_path: Path, data: Path) -> None:
    answer = ml("tiny", str(tmp_path / "tiny"), "--texts", str(data / "samples.jsonl"), "--seed", "3")
    assert answer.returncode == 0
    config = {"base": str(tmp_path / "tiny"), "objective": "dpo", "max_steps": 1, "accumulate": 1, "sample_tokens": 4}
    folder = cast.run_folder(tmp_path / "run", "mm_dpo", {"dataset": data}, **config)
    assert ml("mm_dpo", str(folder)).returncode == 0
    assert json.loads((folder / "result.json").read_text())["steps"] == 1
