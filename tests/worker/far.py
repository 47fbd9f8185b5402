"""A trainer as another machine would run it: one run, then it ends.

    python -m tests.worker.far RUN            claims and performs the run; its recipe is `steps` below
    python -m tests.worker.far steps FOLDER   six steps, a checkpoint each second; it hangs after step HOLD_AT

Its recipe saves, reports and resumes by `ml.folder`, as those that train do.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

STEPS = 6


def steps(place: Path) -> None:
    from ml.folder import RunFolder, write_folder

    folder = RunFolder(place)
    read = len((folder.input("dataset") / "samples.jsonl").read_text().splitlines())
    found = folder.latest_checkpoint()
    begun = found[0] if found else 0
    print(f"read {read} samples, went on after {begun}", flush=True)
    for step in range(begun + 1, STEPS + 1):
        folder.metric(step, "train", {"loss": 1 / step})
        if step % 2 == 0:
            folder.save_checkpoint(step, partial(_write, "weights.bin", str(step)), keep=1)
        while step == int(os.environ.get("HOLD_AT", "0")):
            time.sleep(0.1)
    write_folder(folder.output / "checkpoint", partial(_write, "meta.json", "{}"))
    folder.result({"accuracy": 1.0})


def _write(name: str, text: str, folder: Path) -> None:
    (folder / name).write_text(text)


def perform(run_id: int) -> None:
    from worker import exchange, jobs, launch

    exchange.EVERY = 0.2
    launch.command = lambda recipe, folder, processes=1: [
        sys.executable,
        "-m",
        "tests.worker.far",
        "steps",
        str(folder),
    ]
    jobs.perform_run(run_id)


if __name__ == "__main__":
    steps(Path(sys.argv[2])) if sys.argv[1] == "steps" else perform(int(sys.argv[1]))
