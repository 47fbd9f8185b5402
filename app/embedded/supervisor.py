"""One process in the foreground that starts programs, shows what they say, restarts what dies, and ends them all.

It has one thread: the kernel ends children when the thread that started them is gone (`linux.dies_with_parent`).
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from app.embedded import linux
from app.embedded.refusals import ServiceFailed
from app.embedded.speech import Speech

MOST_DEATHS = 5
WITHIN = 60.0
SLOWEST_RESTART = 15.0


@dataclass(frozen=True)
class Program:
    """A command that should always run.

    stop: the signal that asks it to end; patience: seconds that it gets to do so; is_service: others need it, so it
    ends after them; is_missed: the house cannot do without it, however often it dies; before: what to do before each
    start.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path = Path("/")
    uid: int | None = None
    stop: signal.Signals = signal.SIGTERM
    patience: float = 10.0
    is_service: bool = False
    is_missed: bool = True
    files: tuple[int, ...] = ()
    before: Callable[[], None] = lambda: None


@dataclass
class Child:
    """A program and its process, if it has one just now."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)
    due: float = 0.0
    unfinished: bytes = b""
    last_words: deque[str] = field(default_factory=lambda: deque(maxlen=5))


class Stopped(Exception):
    """Someone asked for the end while we waited for something."""


class Supervisor:
    """Use as a context: whatever ends the block, no child and no grandchild is left."""

    def __init__(self, speech: Speech | None = None) -> None:
        self.speech = speech or Speech()
        self.children: dict[str, Child] = {}
        self.asked = 0
        self._selector = selectors.DefaultSelector()
        self._handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> Supervisor:
        linux.adopt_orphans()
        self._bell, self._ringer = socket.socketpair()
        for end in (self._bell, self._ringer):
            end.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._wakeup = signal.set_wakeup_fd(self._ringer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, self._on_signal)
        self._handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)  # only to ring the bell
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._selector.close()
        self._bell.close()
        self._ringer.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1

    def start(self, program: Program) -> None:
        self.children[program.name] = child = Child(program)
        self._launch(child)

    def until(self, ready: Callable[[], bool], name: str, seconds: float = 60.0) -> None:
        """Wait until `ready()`. Raises ServiceFailed when the program ends or time runs out, Stopped when asked to."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.asked:
                raise Stopped
            child = self.children[name]
            if child.process is None or time.monotonic() > deadline:
                what = "ended while starting" if child.process is None else f"did not answer within {seconds:.0f} s"
                raise ServiceFailed(f"{name} {what}. {_quoted(child)}", name)
            self._turn(0.05, restart=False, is_expected=True)

    def perform(self, program: Program) -> None:
        """Run a program to its end. Raises ServiceFailed when it fails, Stopped when asked to end."""
        self.start(program)
        child = self.children[program.name]
        while child.process is not None:
            if self.asked:
                raise Stopped
            self._turn(0.2, restart=False, is_expected=True)
        del self.children[program.name]
        if child.deaths:
            raise ServiceFailed(f"{program.name} failed. {_quoted(child)}", program.name)

    def watch(self) -> None:
        """Show and restart until asked to stop. Raises ServiceFailed when one that is missed dies again and again."""
        while not self.asked and not self.speech.is_over:
            self._turn(0.5)

    def stop(self) -> None:
        """End the programs, then the services that they need; what is late is killed with all it started."""
        self._stop([child for child in self.children.values() if not child.program.is_service])
        self._stop(list(self.children.values()))

    def _stop(self, children: Iterable[Child]) -> None:
        waiting = [child for child in children if child.process is not None]
        for child in waiting:
            linux.send(child.process.pid, child.program.stop)  # type: ignore[union-attr]
        asked, began = self.asked, time.monotonic()
        while any(child.process for child in waiting):
            self._turn(0.1, restart=False, is_expected=True)
            for child in waiting:
                late = time.monotonic() - began > child.program.patience
                if child.process is not None and (late or self.asked > asked + 1):
                    _kill_group(child.process.pid)
        self._end_orphans()

    def _turn(self, seconds: float, restart: bool = True, is_expected: bool = False) -> None:
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                with suppress(BlockingIOError):
                    self._bell.recv(4096)
            else:
                self._listen(key.data)
        self._reap(is_expected)
        for child in list(self.children.values()) if restart else []:
            if child.process is None and time.monotonic() >= child.due:
                self._launch(child)

    def _launch(self, child: Child) -> None:
        program = child.program
        program.before()
        child.process = subprocess.Popen(
            program.command,
            env=dict(program.environment),
            cwd=program.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=program.files,
            preexec_fn=linux.dies_with_parent(program.stop),
            **linux.as_user(program.uid),  # type: ignore[call-overload]
        )
        os.set_blocking(child.process.stdout.fileno(), False)  # type: ignore[union-attr]
        self._selector.register(child.process.stdout, selectors.EVENT_READ, child)  # type: ignore[arg-type]

    def _listen(self, child: Child) -> None:
        if child.process is None or child.process.stdout is None:
            return
        block = child.process.stdout.read(65536)
        if block is None:
            return
        if not block:  # it closed its output, and may live on
            self._selector.unregister(child.process.stdout)
            child.process.stdout.close()
            child.process.stdout = None
        *lines, child.unfinished = (child.unfinished + block).split(b"\n")
        if not block and child.unfinished:
            lines, child.unfinished = [child.unfinished], b""
        for line in lines:
            if not (text := line.decode(errors="replace").rstrip()):
                continue
            child.last_words.append(text)
            self.speech.say(child.program.name, text)

    def _reap(self, is_expected: bool) -> None:
        """Collect whoever ended: our children, and orphans that came to us."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in list(self.children.values()):
                if child.process is not None and child.process.pid == pid:
                    self._bury(child, os.waitstatus_to_exitcode(status), is_expected)

    def _bury(self, child: Child, code: int, is_expected: bool) -> None:
        assert child.process is not None
        child.process.returncode = code
        while child.process.stdout is not None and child.process.stdout in _readable(child.process.stdout):
            self._listen(child)
        if child.process.stdout is not None:  # a grandchild holds it open
            self._selector.unregister(child.process.stdout)
            child.process.stdout.close()
        _kill_group(child.process.pid)
        child.process = None
        if not (is_expected and code == 0):
            child.deaths.append(time.monotonic())
        if not is_expected:
            self._end_orphans()
            self._schedule(child, code)

    def _schedule(self, child: Child, code: int) -> None:
        now, name = time.monotonic(), child.program.name
        child.deaths = [moment for moment in child.deaths if now - moment < WITHIN]
        if len(child.deaths) > MOST_DEATHS and child.program.is_missed:
            raise ServiceFailed(f"{name} ended {len(child.deaths)} times within {WITHIN:.0f} s. {_quoted(child)}", name)
        pause = min(0.25 * 2 ** len(child.deaths), SLOWEST_RESTART)
        child.due = now + pause
        self.speech.say(
            name, f"ended with code {code} (ends of late: {len(child.deaths)}); starts again in {pause:.1f} s"
        )

    def _end_orphans(self) -> None:
        """Kill what ended programs left behind, in whatever session it is."""
        known = {child.process.pid for child in self.children.values() if child.process}
        for orphan in filter(linux.is_alive, set(linux.children_of(os.getpid())) - known):
            linux.end([orphan, *linux.descendants_of(orphan)], signal.SIGKILL)


def _readable(file: object) -> list[object]:
    with selectors.DefaultSelector() as look:
        look.register(file, selectors.EVENT_READ)  # type: ignore[arg-type]
        return [key.fileobj for key, _ in look.select(0)]


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _quoted(child: Child) -> str:
    return f"Its last words: {' / '.join(child.last_words)}" if child.last_words else "It said nothing."
