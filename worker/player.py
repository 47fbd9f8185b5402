"""`python -m ml serve` as a process of its own: questions go in by its pipe, lines come out as they are told."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from functools import partial
from typing import IO, Any

import orjson
import structlog

from app.core import storage
from app.core.html import ROOT
from app.core.settings import settings
from worker import process

log = structlog.get_logger()
Line = dict[str, Any]
GATHER = 0.12
"""Seconds in which lines are gathered once one has come: a transaction a word would be many."""


def command() -> list[str]:
    told = settings()
    return [
        sys.executable,
        "-m",
        "ml",
        "serve",
        "--keep",
        str(told.playground_models),
        "--device",
        told.playground_device,
    ]


class Player:
    """Started at once; what it prints besides its lines goes to `log_path`."""

    def __init__(self) -> None:
        self.log_path = storage.root() / "playground" / "log.txt"
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("wb") as output:
            self._process = subprocess.Popen(
                command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=ROOT,
                env=process.environment(),
                start_new_session=True,
                preexec_fn=partial(process.before_command, float("inf")),
            )
        self._lines: queue.SimpleQueue[Line] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()
        log.info("playground server started", pid=self._process.pid)

    def _read(self, told: IO[bytes]) -> None:
        for raw in told:
            # PostgreSQL's JSON holds no NUL.
            self._lines.put(orjson.loads(raw.replace(b"\\u0000", b"")))

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, line: Line) -> None:
        """Raises OSError where the process has ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps(line) + b"\n")
        self._process.stdin.flush()

    def lines(self, within: float) -> list[Line]:
        """What it tells: empty where nothing came within so many seconds."""
        try:
            found = [self._lines.get(timeout=within)]
        except queue.Empty:
            return []
        until = time.monotonic() + GATHER
        while (left := until - time.monotonic()) > 0:
            try:
                found.append(self._lines.get(timeout=left))
            except queue.Empty:
                break
        return found

    def failure(self) -> str:
        """Why it ended, by the last line that it printed or the signal that ended it."""
        return process.failure_of(self._process.wait(), process.log_tail(self.log_path)) or "Failed: It ended."

    def end(self) -> None:
        """The process and all that it holds in memory. Twice is harmless."""
        if self.alive:
            process.stop(self._process)
            log.info("playground server ended", pid=self._process.pid)
