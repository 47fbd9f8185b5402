"""`assay up` as the chaos test starts it: the same supervisor and services, two trainers, and shorter patience.

    python -m tests.chaos.house up                  the platform of ASSAY_DATA, without the demonstration
    python -m tests.chaos.house celery NAME ARGS…   one of its workers, or beat

What trainers execute is `tests.chaos.recipe`: it reports, saves and resumes as a recipe does, and asks for no torch.
With CHAOS_RECIPE=real it is what runs ask for.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from socket import socket

from app.core.settings import settings
from app.embedded import data, supervisor, up
from app.embedded.supervisor import Program

STALE = dt.timedelta(seconds=8)
SWEEP_EVERY = 1.0


def start() -> None:
    data.LEAST_ROOM = 8 * 2**20  # its disk is a small one
    # The supervisor gives a program up that dies six times a minute; here the operator sees to that many by himself.
    supervisor.MOST_DEATHS, supervisor.SLOWEST_RESTART = 10**6, 2.0
    programs = up.programs

    def ours(folder: Path, told: Mapping[str, str], listener: socket) -> list[Program]:
        # The playground's worker has nothing to lose here: nobody asks it anything.
        known = {each.name: each for each in programs(folder, told, listener)}
        trainer = known["trainer"]
        second = replace(trainer, name="trainer-2", command=[word.replace("gpu@", "gpu2@") for word in trainer.command])
        return [known["web"], *map(_as_here, (known["desk"], trainer, second, known["beat"]))]

    up.programs = ours
    up.up(settings(), seed=False)


def _as_here(program: Program) -> Program:
    words = list(program.command)[list(program.command).index("--quiet") :]
    return replace(program, command=[sys.executable, "-m", "tests.chaos.house", "celery", program.name, *words])


def celery(words: list[str]) -> None:
    from app.runs import claims
    from worker import launch, watching
    from worker.celery import app

    claims.STALE, watching.SILENT_AT_MOST = STALE, STALE.total_seconds() / 2
    if os.environ["CHAOS_RECIPE"] == "script":
        launch.command = lambda recipe, folder, processes=1: [sys.executable, "-m", "tests.chaos.recipe", str(folder)]
    app.conf.beat_schedule["sweep"] |= {"schedule": SWEEP_EVERY, "options": {"expires": SWEEP_EVERY}}
    app.start(argv=words)


if __name__ == "__main__":
    start() if sys.argv[1] == "up" else celery(sys.argv[3:])
