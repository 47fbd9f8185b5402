"""Processes that torchrun starts end with it: each has a session of its own, which no signal to its group reaches."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
MARK = "TORCHELASTIC_RUN_ID"


def die_with_launcher() -> None:
    """On Linux; elsewhere, and alone, nothing is to be done."""
    if MARK not in os.environ:
        return
    launcher = os.getppid()
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != launcher:  # it ended before we asked
            os._exit(1)
