"""What trainers execute in the chaos test: some steps, each reported and saved; started again, it goes on.

Two at once on one folder would be seen: the second finds the first's lock and says so in `doubled`.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from pathlib import Path

STEPS = 12
SECONDS = 0.25


def main(folder: Path) -> None:
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        (folder / "doubled").touch()
        raise
    saved = folder / "saved"
    done = int(saved.read_text()) if saved.exists() else 0
    with (folder / "started").open("a") as file:
        file.write(f"{done}\n")
    for step in range(done + 1, STEPS + 1):
        time.sleep(SECONDS)
        with (folder / "metrics.jsonl").open("a") as file:
            line = {"kind": "metric", "step": step, "split": "train", "values": {"loss": 1 / step}, "at": time.time()}
            file.write(json.dumps(line) + "\n")
        write_whole(saved, str(step))
    (folder / "output" / "checkpoint").mkdir(parents=True, exist_ok=True)
    write_whole(folder / "output" / "checkpoint" / "meta.json", "{}")
    write_whole(folder / "result.json", '{"accuracy": 1.0}')


def write_whole(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.aside")
    aside.write_text(text)
    os.replace(aside, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
