"""What a worker reads of a run's files, and that stopping a run leaves nobody behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from worker import launch, process

PARENT = """
import pathlib, signal, subprocess, sys, time
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", stubborn])
pathlib.Path(sys.argv[1], "child").write_text(str(child.pid))
time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody has collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def patiently(true: object, seconds: float = 20.0) -> None:
    """Wait until `true()` holds."""
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def test_a_half_written_line_is_left_for_the_next_look(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    reader = process.MetricLines(path)
    assert reader.read() == []
    path.write_bytes(b'{"kind":"note","text":"one"}\n{"kind":"no')
    assert [line.payload["text"] for line in reader.read()] == ["one"]
    assert reader.read() == []
    with path.open("ab") as file:
        file.write('te","text":"zwölf"}\n'.encode())
    (second,) = reader.read()
    assert (second.offset, second.payload["text"]) == (29, "zwölf")


def test_a_line_that_is_no_json_is_passed_by(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"kind":"no\n[1]\n{"kind":"note","text":"a\\u0000b"}\n')
    assert [line.payload["text"] for line in process.MetricLines(path).read()] == ["ab"]


def test_reading_goes_on_at_an_offset(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"kind":"note","n":1}\n{"kind":"note","n":2}\n')
    first, second = process.MetricLines(path).read()
    assert process.MetricLines(path, second.offset).read() == [second]
    assert first.offset == 0


def test_a_line_longer_than_a_block_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "BLOCK", 16)
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind":"note","text":"' + "x" * 100 + '"}\n{"kind":"note","text":"y"}\n')
    reader = process.MetricLines(path)
    assert [len(line.payload["text"]) for line in reader.read() + reader.read()] == [100, 1]


def test_the_tail_of_a_log_begins_with_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("first line\nsecond line\nthird line\n")
    assert process.log_tail(path, 20) == "third line\n"
    assert process.log_tail(path) == "first line\nsecond line\nthird line\n"


@pytest.mark.parametrize(
    ("status", "tail", "said"),
    [
        (0, "fine", None),
        (2, "Traceback\nNoPairs: pairs.jsonl has no pair\n\n", "NoPairs: pairs.jsonl has no pair"),
        (-9, "", "Killed: The process was ended by SIGKILL. The machine may have run out of memory."),
        (1, "", "Failed: The process ended with status 1 and printed nothing. The disk may have been full. (log.txt)"),
    ],
)
def test_a_failure_has_a_name(status: int, tail: str, said: str | None) -> None:
    assert process.failure_of(status, tail) == said


def test_stopping_a_run_ends_its_grandchildren_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "command", lambda recipe, folder, many: [sys.executable, "-c", PARENT, str(folder)])
    running = process.start("reward", tmp_path)
    patiently(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text())
    child = int((tmp_path / "child").read_text())
    assert is_alive(child)
    began = time.monotonic()
    assert process.stop(running, grace=5.0) == -signal.SIGTERM
    patiently(lambda: not is_alive(child), 5.0)
    assert time.monotonic() - began < 10


def test_a_process_that_does_not_listen_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = (
        "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "pathlib.Path(sys.argv[1], 'ready').touch(); time.sleep(600)"
    )
    monkeypatch.setattr(launch, "command", lambda recipe, folder, many: [sys.executable, "-c", deaf, str(folder)])
    running = process.start("reward", tmp_path)
    patiently((tmp_path / "ready").exists)
    assert process.stop(running, grace=0.5) == -signal.SIGKILL


def test_a_trainer_knows_no_secret_of_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    assert not {"DATABASE_URL", "SECRET_KEY", "BROKER_URL"} & set(process.environment())
    assert process.environment()["PATH"] == os.environ["PATH"]
