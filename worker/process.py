"""One ml command in a process group of its own: started, its lines handed on, stopped when asked, grandchildren too."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import math
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

import orjson
import psutil
import structlog

from app.core import storage
from app.core.html import ROOT
from app.core.language import N_, plain
from app.core.language import gettext as _
from app.core.settings import settings
from app.runs import failures
from app.runs.claims import TAIL, Line
from app.runs.refusals import ClaimLost
from worker import cards, launch
from worker.meter import members

log = structlog.get_logger()
GRACE = 8.0
"""Seconds between asking a process group to stop and ending it."""

CPU_SPARE = 60.0
"""Seconds of processor time beyond its limit at which the kernel ends a process that no worker has ended."""

BLOCK = 1 << 20
"""Bytes of metric lines that are read at once."""

SECRETS = ("DATABASE_URL", "BROKER_URL", "SECRET_KEY", "SMTP_URL", "OIDC_CLIENT_SECRET", "METRICS_TOKEN", "STORAGE_URL")
"""What a training process has no business to know."""

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


FENCE = "fence"
FENCE_WITHIN = 5.0
"""Seconds that an earlier process of the run gets to finish what it is writing."""


def fence_off(folder: Path, number: int) -> None:
    """From here on processes of earlier claims write nothing into the folder (`ml.fence`).

    Raises ClaimLost where a later claim was here, or an earlier process froze in the middle of a write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FENCE).open("a+") as file:
        _lock(file)
        file.seek(0)
        if int(file.read() or 0) > number:
            raise ClaimLost(_("A later worker has this run."), f"fence {number}")
        file.truncate(0)
        file.write(str(number))
        file.flush()
        os.fsync(file.fileno())


def _lock(file: IO[str]) -> None:
    deadline = time.monotonic() + FENCE_WITHIN
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ClaimLost(_("An earlier process of this run stopped in the middle of a write."), FENCE) from None
            time.sleep(0.05)


def start(
    recipe: str, folder: Path, number: int = 0, cpu_seconds: float = math.inf, processes: int = 1
) -> subprocess.Popen[bytes]:
    """`python -m ml RECIPE FOLDER`, its output added to log.txt.

    number: the claim's fence; 0 for none. cpu_seconds: processor time that is left to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fenced = {"RUN_FENCE": f"{number}:{folder.resolve()}"} if number else {}
    with (folder / "log.txt").open("ab") as output:
        return subprocess.Popen(
            launch.command(recipe, folder, processes),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=environment() | cards.environment(processes) | fenced,
            start_new_session=True,
            pass_fds=cards.locks(),
            preexec_fn=partial(before_command, cpu_seconds),
        )


def environment() -> dict[str, str]:
    """The worker's own, without what only the platform may know, and with the endpoint that the settings name."""
    found = {name: value for name, value in os.environ.items() if name not in SECRETS}
    endpoint = {
        "OPENAI_BASE_URL": settings().openai_base_url,
        "OPENAI_API_KEY": settings().openai_api_key.get_secret_value(),
        "OPENAI_MODEL": settings().openai_model,
    }
    found["STORAGE_ROOT"] = str(storage.root())
    return {**found, **{name: value for name, value in endpoint.items() if value}, "PYTHONUNBUFFERED": "1"}


def before_command(cpu_seconds: float) -> None:
    """In the child, before it becomes the command.

    A worker that is killed takes its trainer along; a second one would otherwise write beside it. Where the machine
    runs out of memory, the kernel ends the training first, not the worker, the web or the database.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if cpu_seconds < math.inf:
        most = int(max(0.0, cpu_seconds) + CPU_SPARE)
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def stop(process: subprocess.Popen[bytes], grace: float = GRACE, meanwhile: Callable[[], None] = lambda: None) -> int:
    """Ask the whole group to stop, end what is left after `grace` seconds, in other sessions too; the exit status."""
    family = members(process.pid)
    _signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while process.poll() is None and time.monotonic() < deadline:
        meanwhile()
        time.sleep(0.1)
    _signal_group(process, signal.SIGKILL)  # also when the leader has gone: its children may have not
    for each in family:
        with contextlib.suppress(psutil.Error):
            each.kill()  # nobody else's: psutil looks whether the number was given to another process since
    return process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


class MetricLines:
    """Reads metrics.jsonl by byte offset; a half-written line is left for the next look."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path, self.offset = path, offset

    def read(self) -> list[Line]:
        """The whole lines that have come since, at most a block of them."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self.offset)
            block = file.read(BLOCK)
            while block and b"\n" not in block and (more := file.read(BLOCK)):
                block += more
        whole = block[: block.rfind(b"\n") + 1]
        lines, place = [], self.offset
        for raw in whole.splitlines(keepends=True):
            lines += self._parsed(place, raw)
            place += len(raw)
        self.offset = place
        return lines

    def _parsed(self, offset: int, raw: bytes) -> list[Line]:
        # PostgreSQL's JSON holds no NUL.
        try:
            value = orjson.loads(raw.replace(b"\\u0000", b""))
        except orjson.JSONDecodeError:
            log.warning("a metric line is no JSON", file=str(self.path), byte=offset)
            return []
        return [Line(offset, value)] if isinstance(value, dict) else []


def log_tail(path: Path, size: int = TAIL) -> str:
    """The last `size` bytes of a log as text, from the beginning of a line."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - size))
        text = file.read().decode("utf-8", "replace").replace("\0", "")
    return text.split("\n", 1)[-1] if length > size else text


def failure_of(status: int, tail: str) -> str | None:
    """The named error of a process that did not end well: the last line it printed, or the signal that ended it."""
    if status == 0:
        return None
    if status < 0:
        name = signal.Signals(-status).name
        return failures.line("Killed", plain(KILLED if status == -signal.SIGKILL else SIGNALLED, name=name))
    if status == 128 + signal.SIGTERM:
        return failures.line("Stopped", plain("Something outside of the platform asked the process to stop."))
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    return lines[-1][:1000] if lines else failures.line("Failed", plain(SILENT, status=status), "log.txt")


SIGNALLED = N_("The process was ended by %(name)s.")
KILLED = N_("The process was ended by %(name)s. The machine may have run out of memory.")
SILENT = N_("The process ended with status %(status)s and printed nothing. The disk may have been full.")
