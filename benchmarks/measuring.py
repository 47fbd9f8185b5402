"""What benchmarks have in common: sides that take turns in processes of their own, the machine, one JSON line."""

from __future__ import annotations

import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Meter:
    """CPU and wall seconds since it was started, and the process's peak memory."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def read(self) -> dict[str, float]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        return {
            "cpu_seconds": time.process_time() - self.cpu,
            "wall_seconds": time.perf_counter() - self.wall,
            "peak_mib": peak,
        }


def flops_of(work: Callable[[], object]) -> float:
    """Floating-point operations of matrix products, as torch counts them (a CPU's masked attention it does not)."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        work()
    return float(counter.get_total_flops())


def side(module: str, name: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Run one side in a process of its own: `python -m MODULE --side NAME ASKED`. Its last line is what it found."""
    command = [sys.executable, "-m", module, "--side", name, json.dumps(asked)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=3600)
    if answer.returncode:
        sys.exit(f"{name} failed:\n{answer.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(answer.stdout.strip().splitlines()[-1])
    return found


def medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each number over repeated runs; of anything else the first."""
    return {
        name: statistics.median(run[name] for run in runs) if isinstance(value, int | float) else value
        for name, value in runs[0].items()
    }


def machine(*packages: str) -> dict[str, Any]:
    from importlib.metadata import version

    cpu = next((line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine())
    return {"cpu": cpu, "python": platform.python_version(), **{name: version(name) for name in packages}}


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def note(out: Path, line: dict[str, Any]) -> None:
    """Append one JSON line."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
