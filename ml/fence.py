"""A run's folder has one writer at a time, also where an earlier one was frozen or cut off and wakes up again.

Whoever takes a run writes a higher number into the folder's file `fence`, under an exclusive lock; every write of a run
happens under a shared one, and only while the file's number is no higher than the writer's own. Without the variable
(a run by hand) nothing is asked.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml.errors import Superseded

VARIABLE = "RUN_FENCE"
"""NUMBER:FOLDER, set by whoever starts the process."""

FILE = "fence"


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Within, what lies at `path` may be written. Raises Superseded where the run was given to another process."""
    number, _, folder = os.environ.get(VARIABLE, "").partition(":")
    if not number or not path.resolve().is_relative_to(folder):
        yield
        return
    with (Path(folder) / FILE).open("r") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        found = int(file.read() or 0)
        if found > int(number):
            raise Superseded(f"the run was given to another process (fence {found}, ours is {number})")
        yield
