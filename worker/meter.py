"""What a run's processes use, counted over all of them: time since the start, processor time, memory.

Limits are watched here rather than set on the process. RLIMIT_AS and RLIMIT_DATA count addresses, of which CUDA
reserves many times what it uses, and each process alone; a watched run is asked to stop first and saves a checkpoint.
RLIMIT_CPU stands behind it for a worker that cannot look (`process.start`).
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

import psutil

from app.runs.limits import Used


class Meter:
    """Looks at a process, its children and its group. before: what earlier trainers' processes used."""

    def __init__(self, pid: int, before: Used) -> None:
        self.pid, self.before = pid, before
        self.began = time.monotonic()
        self.cpu_seconds = 0.0

    def look(self) -> Used:
        """Processor time of children that were not waited for is lost with them, so the largest sum counts."""
        family = members(self.pid)
        self.cpu_seconds = max(self.cpu_seconds, sum(map(_cpu_seconds, family)))
        return Used(
            self.before.seconds + time.monotonic() - self.began,
            self.before.cpu_seconds + self.cpu_seconds,
            sum(map(_memory, family)),
        )


def members(pid: int) -> list[psutil.Process]:
    """The process, its descendants whatever session they moved to, and whoever is left of its group."""
    found: dict[int, psutil.Process] = {}
    with suppress(psutil.Error):
        leader = psutil.Process(pid)
        found = {each.pid: each for each in [leader, *leader.children(recursive=True)]}
    for other in psutil.pids():
        with suppress(OSError, psutil.Error):
            if other not in found and os.getpgid(other) == pid:
                found[other] = psutil.Process(other)
    return list(found.values())


def _cpu_seconds(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        told = process.cpu_times()
        return float(told.user + told.system + told.children_user + told.children_system)
    return 0.0


def _memory(process: psutil.Process) -> int:
    """What is the process's own: pages of files (a base model's weights, libraries) can be taken from it any time."""
    with suppress(psutil.Error):
        told = process.memory_info()
        return int(told.rss - told.shared)
    return 0
