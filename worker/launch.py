"""How a recipe is started: alone, or in several processes by torchrun; and what torchrun says when one fails."""

from __future__ import annotations

import re
import sys
from pathlib import Path

SEVERAL = ("cluster", "reward", "mm_dpo")
"""Recipes that share their work out between processes."""

TORCHRUN_FAILED = 1
"""What torchrun itself exits with, whatever its processes do."""

_FAILED = re.compile(r"failed \(exitcode: (-?\d+)\)")
_OWN = re.compile(r"^[EWI]\d{4} [\d:.]+ .*torch/distributed/")
"""What a line of torchrun's own log looks like."""


def command(recipe: str, folder: Path, processes: int = 1) -> list[str]:
    if processes == 1:
        return [sys.executable, "-m", "ml", recipe, str(folder)]
    torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [sys.executable, "-m", *torchrun, "-m", "ml", recipe, str(folder)]


def unwrapped(status: int, tail: str) -> tuple[int, str]:
    """The exit status of the process that failed, and what was printed before torchrun reported that it had."""
    lines = tail.splitlines()
    reports = [number for number, line in enumerate(lines) if _FAILED.search(line) and _OWN.match(line)]
    if status != TORCHRUN_FAILED or not reports:
        return status, tail
    found = _FAILED.search(lines[reports[-1]])
    kept = [line for line in lines[: reports[-1]] if not _OWN.match(line)]
    return int(found[1]) if found else status, "\n".join(kept)
