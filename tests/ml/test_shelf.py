"""Picture features kept on disk: found again by content, never more than the bound, and the same numbers either way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from ml.models import VisionLanguage
from ml.shelf import Shelf
from tests.ml.test_engine import DPO, curve
from tests.ml.test_recipes import go

CPU = torch.device("cpu")
PART = torch.ones(256)  # a KiB


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 4000)
    for number, name in enumerate("abc"):
        shelf.put(name, PART * number)
        os.utime(tmp_path / f"{name}.safetensors", (number, number))
    assert shelf.get("a", CPU).equal(PART * 0)  # used now: younger than b and c
    shelf.put("d", PART * 3)
    assert shelf.get("b", CPU) is None
    assert [shelf.get(name, CPU)[0] for name in "acd"] == [0, 2, 3]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4000


def test_a_torn_file_counts_as_absent_and_another_process_may_have_removed_one(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 10_000)
    shelf.put("a", [PART, PART + 1])
    (tmp_path / "a.safetensors").write_bytes(b"torn")
    assert shelf.get("a", CPU) is None
    shelf.put("a", [PART, PART + 1])
    (tmp_path / "a.safetensors").unlink()
    assert shelf.get("a", CPU) is None


def test_a_second_run_sees_no_picture_anew_and_learns_the_same(
    tmp_path: Path, data: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    see = VisionLanguage.see
    monkeypatch.setattr(VisionLanguage, "see", lambda model, prefix: seen.append(prefix) or see(model, prefix))
    config = DPO | {"max_steps": 2, "keep_features": 10}
    names: dict[str, dict[str, Any]] = {"first": {}, "second": {}, "smaller": {"max_pixels": 2048}}
    curves, counts = [], []
    for name, more in (names | {"without": {"keep_features": 0}}).items():
        seen.clear()
        curves.append(curve(go("mm_dpo", tmp_path / name, {"dataset": data}, base=str(base), **config | more)))
        counts.append(len(seen))
    assert counts == [8, 0, 8, 6]  # smaller pictures are others; the last run reads its reference, and trains on four
    assert curves[0] == curves[1] == curves[3]
