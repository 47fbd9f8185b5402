"""Processes that torchrun starts: they end with it, and without the interpreter's own end."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
MARK = "TORCHELASTIC_RUN_ID"


def die_with_launcher() -> None:
    """Each has a session of its own, which no signal to its group reaches. On Linux; elsewhere, and alone, nothing."""
    if MARK not in os.environ:
        return
    launcher = os.getppid()
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != launcher:  # it ended before we asked
            os._exit(1)


def depart(status: int) -> NoReturn:
    """End this process with its status; one of several at once, for all that it leaves is written by then.

    Gloo's threads outlive their group, which what torch keeps of sharded weights still refers to, and run beside the
    end of the interpreter. Once, on a busy machine, a process whose work was done ended in "terminate called without
    an active exception"; it was not seen a second time, and that end is where it most likely came from.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
