"""Child processes that never outlive us: own process group, killed by the kernel if we die first."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
UNPRIVILEGED = "nobody"


def _die_with_parent(sign: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None)  # loaded before the fork: afterwards nothing may allocate
    return lambda: libc.prctl(PR_SET_PDEATHSIG, sign)


def unprivileged_ids() -> dict[str, int | list[int]]:
    """Arguments for Popen that leave root behind, which PostgreSQL demands; none where we are not root."""
    if os.geteuid() != 0:
        return {}
    person = pwd.getpwnam(UNPRIVILEGED)
    return {"user": person.pw_uid, "group": person.pw_gid, "extra_groups": []}


def start(
    command: Sequence[str | Path],
    *,
    output: int | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    unprivileged: bool = False,
    at_parents_death: int = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a command as the leader of a new session; the kernel signals it when the thread that started us ends."""
    ids = unprivileged_ids() if unprivileged else {}
    return subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        env=dict(env) if env is not None else None,
        cwd=cwd,
        start_new_session=True,
        # A change of user clears the wish; CPython calls preexec_fn after it has changed the ids.
        preexec_fn=_die_with_parent(at_parents_death),
        **ids,  # type: ignore[arg-type]
    )


def stop(child: subprocess.Popen[bytes], sign: int = signal.SIGTERM, patience: float = 8.0, whole_group: bool = False) -> None:
    """Ask the child to end, wait `patience` seconds, then end its whole group, grandchildren included."""
    if child.poll() is None:
        _signal(child, sign, whole_group)
        deadline = time.monotonic() + patience
        while child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    _signal(child, signal.SIGKILL, whole_group=True)
    child.wait()


def _signal(child: subprocess.Popen[bytes], sign: int, whole_group: bool) -> None:
    try:
        os.killpg(child.pid, sign) if whole_group else os.kill(child.pid, sign)
    except ProcessLookupError:
        pass
