"""What Linux offers to keep a family of processes together: parents, orphans, and what was left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def dies_with_parent(farewell: int) -> Callable[[], None]:
    """For Popen's `preexec_fn`: the child gets the signal when the *thread* that started it is gone.

    Only for programs without threads, and started by the main thread; the setting survives exec of an ordinary program.
    """
    parent = os.getpid()

    def ask() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, farewell)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask


def adopt_orphans() -> None:
    """From now on the orphans of this process's descendants become its children, so that it can find and end them."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)


def children_of(pid: int) -> list[int]:
    """The direct children of a process, started by any of its threads."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            found += map(int, (task / "children").read_text().split())
        except OSError:  # the thread or the process ended meanwhile
            continue
    return found


def descendants_of(pid: int) -> list[int]:
    """Children, their children and so on, parents first, whatever session they moved to."""
    found = []
    for child in children_of(pid):
        found += [child, *descendants_of(child)]
    return found


def carrying(mark: str) -> list[int]:
    """Processes of ours whose environment holds the line `mark` ("NAME=value"), this one excepted."""
    wanted = mark.encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:  # another user's, or gone
            continue
        if wanted in environment.split(b"\0") and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def is_alive(pid: int) -> bool:
    """Does the process run? One that ended and waits for its parent to notice does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def send(pid: int, what: signal.Signals) -> None:
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return


def end(pids: Iterable[int], first: signal.Signals = signal.SIGTERM, patience: float = 5.0) -> None:
    """Ask each to end, wait up to `patience` seconds, then insist with SIGKILL and wait until none is left."""
    left = list(pids)
    for what, seconds in ((first, patience), (signal.SIGKILL, 5.0)):
        for pid in left:
            send(pid, what)
        deadline = time.monotonic() + seconds
        while left and time.monotonic() < deadline:
            time.sleep(0.02)
            left = [pid for pid in left if is_alive(pid)]


def as_user(uid: int | None) -> dict[str, int | list[int]]:
    """Arguments for Popen that make the child another user's; none where it stays ours."""
    return {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
