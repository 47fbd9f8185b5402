"""A run folder that its reader can trust at any moment."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from ml.config import ConfigError
from ml.errors import MissingInput
from ml.folder import RunFolder, read_lines, write_folder
from tests.ml.cast import lines


def test_a_number_that_is_not_finite_is_written_as_null_and_noted(tmp_path: Path) -> None:
    RunFolder(tmp_path).metric(3, "train", {"loss": math.nan, "lr": 0.5})
    assert lines(tmp_path / "metrics.jsonl", "metric")[0]["values"] == {"loss": None, "lr": 0.5}
    assert "loss" in lines(tmp_path / "metrics.jsonl", "note", level="warning")[0]["text"]


def test_a_reader_leaves_out_the_line_that_is_still_being_written(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "note"}\n{"kind": "met')
    assert [row["kind"] for row in read_lines(path)] == ["note"]


def test_after_a_kill_in_mid_line_the_next_line_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "note"}\n{"kind": "met')
    RunFolder(tmp_path).progress("train", 1, 2)
    assert [row["kind"] for row in read_lines(path)] == ["note", "progress"]


def test_a_checkpoint_whose_writer_fails_is_absent(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save_checkpoint(1, lambda path: (path / "a").touch(), keep=2)

    def fail(path: Path) -> None:
        (path / "half").touch()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        folder.save_checkpoint(2, fail, keep=2)
    found = folder.latest_checkpoint()
    assert found is not None
    assert found[0] == 1
    assert [row["step"] for row in lines(tmp_path / "metrics.jsonl", "checkpoint")] == [1]


def test_only_the_last_checkpoints_are_kept(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for step in (5, 10, 100):
        folder.save_checkpoint(step, lambda path: (path / "a").touch(), keep=2)
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == ["step-00000010", "step-00000100"]


def test_an_output_folder_is_replaced_whole(tmp_path: Path) -> None:
    write_folder(tmp_path / "out", lambda path: (path / "old").touch())
    write_folder(tmp_path / "out", lambda path: (path / "new").touch())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"recipe": "score"}', "\udcff"])
def test_a_config_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError):
        RunFolder(tmp_path).config("reward")


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="inputs/dataset"):
        RunFolder(tmp_path).input("dataset")


def test_results_are_json_that_every_reader_takes(tmp_path: Path) -> None:
    RunFolder(tmp_path).result({"accuracy": math.inf, "each": [math.nan, 1.0]})
    assert json.loads((tmp_path / "result.json").read_text()) == {"accuracy": None, "each": [None, 1.0]}
