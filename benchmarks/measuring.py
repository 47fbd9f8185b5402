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


def measured(work: Callable[[], object], asked: dict[str, Any]) -> dict[str, float]:
    """Run it once: its operations if `asked` says count, else CPU and wall seconds and the process's peak memory.

    `grown_mib` is what the peak adds to what was there before: libraries and weights. On CUDA memory is the device's.
    """
    if asked["count"]:
        return {"flops": flops_of(work)}
    on_cuda = asked["device"] == "cuda"
    before = _device_mib() if on_cuda else _resident_mib()
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    peak = peak_mib(asked["device"])
    found = {"cpu_seconds": time.process_time() - cpu, "wall_seconds": time.perf_counter() - wall}
    found |= {"peak_mib": peak, "grown_mib": peak - before}
    return found | ({"matrix_rate": matrix_rate()} if on_cuda else {})


def peak_mib(device: str) -> float:
    """The most that tensors held on a GPU, or this process altogether."""
    return _device_mib(peak=True) if device == "cuda" else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def _device_mib(peak: bool = False) -> float:
    """Memory that tensors hold on the device, once all work given to it is done."""
    import torch

    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()) / 2**20


def matrix_rate(device: str = "cuda", precision: str = "bf16", size: int = 8192, repeats: int = 20) -> float:
    """Floating-point operations a second that the device reaches on one large product."""
    import torch

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    one = torch.randn(size, size, device=device, dtype=dtype)
    settle = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    one @ one
    settle()
    began = time.perf_counter()
    for _ in range(repeats):
        one @ one
    settle()
    return repeats * 2 * size**3 / (time.perf_counter() - began)


def ratios(peer: dict[str, Any], ours: dict[str, Any]) -> dict[str, float]:
    names = ("cpu_seconds", "wall_seconds", "peak_mib", "grown_mib", "flops")
    return {name: peer[name] / ours[name] for name in names if name in ours}


def on_device(found: list[dict[str, Any]]) -> str:
    """What both sides make of the device: operations a second as a share of its measured matrix rate."""
    lines = ["| image tokens | K | side | seconds a sample | share of the matrix rate |", "|---|---|---|---|---|"]
    for one in found:
        for name in ("ours", "trl"):
            side = one[name]
            seconds = side["wall_seconds"] / one["samples"]
            share = side["flops"] / seconds / side["matrix_rate"]
            lines.append(f"| {one['tokens']} | {one['responses']} | {name} | {seconds:.3f} | {share:.0%} |")
    return "\n".join(lines)


def flops_of(work: Callable[[], object]) -> float:
    """Floating-point operations of matrix products, as torch counts them (but not in the CPU's attention)."""
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


def device_name(device: str) -> str:
    """What the GPU calls itself; of processors `machine` tells."""
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else device


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
