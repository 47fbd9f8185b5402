"""One process in the foreground that starts the others, shows their logs by name, and ends them all."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from app.embedded import children
from app.embedded.errors import PartFailed

MOST_RESTARTS = 5
WITHIN = 120.0
COLOURS = ["36", "33", "35", "32", "34", "31"]


@dataclass
class Part:
    """A command that should always run. `patience`: seconds that it gets to end by itself."""

    name: str
    command: Sequence[str | Path]
    patience: float = 8.0
    child: subprocess.Popen[bytes] | None = None
    died: list[float] = field(default_factory=list)
    due: float = 0.0


class Supervisor:
    """Parts are started in order and ended in the opposite order."""

    def __init__(self, parts: Sequence[Part], environment: Mapping[str, str], folder: Path) -> None:
        self.parts, self.environment, self.folder = list(parts), environment, folder
        self.asked_to_stop = threading.Event()
        self._printing = threading.Lock()

    def catch_signals(self) -> None:
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, self._on_signal)

    def _on_signal(self, sign: int, frame: FrameType | None) -> None:
        self.asked_to_stop.set()

    def start(self) -> None:
        for part in self.parts:
            self._start(part)

    def watch(self) -> None:
        """Restart what dies until asked to stop. Raises PartFailed when one dies again and again."""
        while not self.asked_to_stop.wait(0.2):
            for part in self.parts:
                if part.child is not None and part.child.poll() is not None:
                    self._bury(part)
                elif part.child is None and time.monotonic() >= part.due:
                    self._start(part)

    def stop(self) -> None:
        for part in self.parts:  # ask all at once, so that slow ones end side by side
            if part.child is not None and part.child.poll() is None:
                part.child.terminate()
        for part in reversed(self.parts):
            if part.child is not None:
                children.stop(part.child, patience=part.patience)
                part.child = None

    def say(self, name: str, line: str) -> None:
        with self._printing:
            if sys.stdout.isatty():
                colour = COLOURS[hash_of(name) % len(COLOURS)]
                print(f"\x1b[{colour}m{name:>9}\x1b[0m │ {line}", flush=True)
            else:
                print(f"{name:>9} | {line}", flush=True)

    def _start(self, part: Part) -> None:
        part.child = children.start(part.command, output=subprocess.PIPE, env=self.environment, cwd=self.folder)
        threading.Thread(target=self._pass_on, args=(part.name, part.child), daemon=True).start()

    def _pass_on(self, name: str, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        for line in child.stdout:
            self.say(name, line.decode(errors="replace").rstrip())

    def _bury(self, part: Part) -> None:
        assert part.child is not None
        code = part.child.returncode
        children.stop(part.child)  # what it left behind in its group goes too
        part.child = None
        now = time.monotonic()
        part.died = [moment for moment in part.died if now - moment < WITHIN] + [now]
        if len(part.died) > MOST_RESTARTS:
            raise PartFailed(f"{part.name} ended {len(part.died)} times within {WITHIN:.0f} s; its log above says why.", part.name)
        part.due = now + min(2.0 ** (len(part.died) - 1), 15.0) - 1.0
        self.say(part.name, f"ended with code {code}; starting it again ({len(part.died)} of {MOST_RESTARTS})")


def hash_of(name: str) -> int:
    """A small number that is the same in every run, unlike hash()."""
    return sum(name.encode())
