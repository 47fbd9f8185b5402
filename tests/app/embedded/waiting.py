"""Waiting for other processes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any


def eventually(what: Callable[[], Any], seconds: float = 60) -> Any:
    """What `what()` gives once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
