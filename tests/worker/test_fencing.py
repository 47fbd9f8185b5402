"""Two writers of one run: the earlier one, frozen and taken for dead, wakes up and writes nothing."""

from __future__ import annotations

import fcntl
import signal
import sys
from pathlib import Path

import pytest

from app.runs.refusals import ClaimLost
from ml import fence
from ml.errors import Superseded
from ml.folder import RunFolder, append_lines, write_folder, write_jsonl
from tests.worker.test_process import patiently
from worker import launch, process

WRITES = """
import sys, time
from pathlib import Path
from ml.folder import RunFolder
folder = RunFolder(Path(sys.argv[1]))
for step in range(1, 100_000):
    folder.metric(step, "train", {"loss": 1 / step})
    time.sleep(0.005)
"""


def lines(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def test_a_frozen_process_that_wakes_up_after_a_takeover_adds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "command", lambda recipe, folder, many: [sys.executable, "-c", WRITES, str(folder)])
    process.fence_off(tmp_path, 1)
    running = process.start("reward", tmp_path, 1)
    patiently(lambda: lines(tmp_path) > 3)
    while True:  # frozen anywhere but in the middle of a write, which would hold the fence
        running.send_signal(signal.SIGSTOP)
        if is_free(tmp_path):
            break
        running.send_signal(signal.SIGCONT)
    process.fence_off(tmp_path, 2)
    before = (tmp_path / "metrics.jsonl").read_bytes()
    running.send_signal(signal.SIGCONT)
    assert running.wait(60) != 0
    assert (tmp_path / "metrics.jsonl").read_bytes() == before
    assert "Superseded" in (tmp_path / "log.txt").read_text()


def is_free(folder: Path) -> bool:
    with (folder / "fence").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_no_kind_of_write_passes_a_higher_fence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path)
    process.fence_off(tmp_path, 1)
    monkeypatch.setenv(fence.VARIABLE, f"1:{tmp_path.resolve()}")
    fill = lambda aside: (aside / "weights").write_text("mine")  # noqa: E731
    for step in (1, 2):
        folder.save_checkpoint(step, fill, keep=5)
    folder.result({"accuracy": 1.0})
    append_lines(tmp_path / "critiques.jsonl", [{"text": "kept"}])
    process.fence_off(tmp_path, 2)
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    for write in (
        lambda: folder.metric(1, "train", {"loss": 1.0}),
        lambda: folder.save_checkpoint(3, fill, keep=1),
        lambda: folder.save_checkpoint(2, fill, keep=1),  # it is there, and old ones would go
        lambda: folder.result({"accuracy": 0.0}),
        lambda: write_jsonl(tmp_path / "output" / "margins.jsonl", [{"margin": 1.0}]),
        lambda: append_lines(tmp_path / "critiques.jsonl", [{"text": "late"}]),
        lambda: write_folder(tmp_path / "output" / "checkpoint", fill),
    ):
        with pytest.raises(Superseded):
            write()
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before


def test_outside_the_folder_and_without_a_fence_nothing_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "by_hand.jsonl", [])
    monkeypatch.setenv(fence.VARIABLE, f"1:{tmp_path / 'run'}")
    write_jsonl(tmp_path / "cache.jsonl", [])
    assert (tmp_path / "cache.jsonl").exists()


def test_an_earlier_claim_cannot_lower_the_fence(tmp_path: Path) -> None:
    process.fence_off(tmp_path, 5)
    process.fence_off(tmp_path, 5)
    with pytest.raises(ClaimLost):
        process.fence_off(tmp_path, 4)
    assert (tmp_path / "fence").read_text() == "5"


def test_a_takeover_waits_for_a_write_and_gives_up_on_one_that_froze(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.fence_off(tmp_path, 1)
    monkeypatch.setenv(fence.VARIABLE, f"1:{tmp_path.resolve()}")
    monkeypatch.setattr(process, "FENCE_WITHIN", 0.1)
    with fence.held(tmp_path / "metrics.jsonl"), pytest.raises(ClaimLost):
        process.fence_off(tmp_path, 2)
    process.fence_off(tmp_path, 2)
