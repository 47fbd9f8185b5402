"""What trainers execute in the chaos test: some steps, each reported and saved; started again, it goes on.

It reports, saves and resumes by `ml.folder`, as recipes do, two steps a checkpoint, so that a killed one does a step
twice; and asks for no torch. Two at once on one folder would be seen: the second finds the first's lock and says so in
`doubled`.
"""

from __future__ import annotations

import fcntl
import sys
import time
from functools import partial
from pathlib import Path

from ml.folder import RunFolder, write_folder

STEPS = 12
SECONDS = 0.25
WEIGHTS = "weights.bin"


def main(place: Path) -> None:
    lock = (place / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        (place / "doubled").touch()
        raise
    folder = RunFolder(place)
    found = folder.latest_checkpoint()
    for step in range(found[0] + 1 if found else 1, STEPS + 1):
        time.sleep(SECONDS)
        folder.metric(step, "train", {"loss": 1 / step})
        if step % 2 == 0:
            folder.save_checkpoint(step, partial(_write, WEIGHTS, weights(step)), keep=2)
    write_folder(folder.output / "checkpoint", partial(_write, "meta.json", "{}"))
    folder.result({"accuracy": 1.0})


def weights(step: int) -> str:
    """So long that it is written in several pieces."""
    return f"{step:08d}" * 20_000


def _write(name: str, text: str, folder: Path) -> None:
    (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
