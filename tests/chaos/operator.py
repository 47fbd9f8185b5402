"""The operator: starts the platform on a small disk of its own, kills what runs in it, fills the disk, and looks."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.core.html import ROOT
from app.core.settings import Settings
from app.embedded import linux
from app.embedded.services import MARK, borrowed
from tests.app.embedded.waiting import eventually, free_port

VICTIMS = {
    "web": "app.embedded.serve",
    "desk": "celery desk",
    "trainer": "celery trainer ",
    "trainer-2": "celery trainer-2",
    "beat": "celery beat",
    "broker": "valkey-server",
    "database": "/bin/postgres -D",
}
"""Program → words of its command line."""

DISK = "512m"


@dataclass
class House:
    """A running platform: where it is, what was done to it."""

    folder: Path
    port: int
    is_mounted: bool
    process: subprocess.Popen[bytes]
    kills: Counter[str] = field(default_factory=Counter)
    filled: int = 0

    @property
    def log(self) -> str:
        return (self.folder.parents[1] / "log").read_text(errors="replace")

    def told(self) -> dict[str, str]:
        with borrowed(Settings(ASSAY_DATA=self.folder)) as told:
            return dict(told)

    def pid(self, victim: str) -> int | None:
        for pid in linux.carrying(f"{MARK}={self.folder}"):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if VICTIMS[victim] in words and linux.is_alive(pid):
                return pid
        return None

    def kill(self, victim: str) -> None:
        """kill -9, at once; nothing where it is just being started again."""
        if (pid := self.pid(victim)) is not None:
            os.kill(pid, signal.SIGKILL)
            self.kills[victim] += 1

    def fill(self, seconds: float) -> None:
        """Take all room of the disk for a while. Only where it is a disk of its own."""
        if not self.is_mounted:
            return
        heap = self.folder / "heap"
        with heap.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(2**20))
            except OSError:
                self.filled += 1
        time.sleep(seconds)
        heap.unlink()

    def stand(self) -> bool:
        return self.process.poll() is None


@contextmanager
def opened(recipe: str = "script") -> Iterator[House]:
    """The platform on an empty folder, on a disk of its own where we have the right to mount one.

    recipe: "script" for `tests.chaos.recipe`, "real" for what `python -m ml` does.
    """
    around = Path(tempfile.mkdtemp(prefix="assay-chaos-", dir="/tmp"))
    around.chmod(0o711)
    disk = around / "disk"
    disk.mkdir(mode=0o711)
    is_mounted = _mount(disk)
    house = None
    try:
        house = _start(around, disk / "data", is_mounted, recipe)
        eventually(lambda: not house.stand() or "Assay is at" in house.log, seconds=200)
        assert house.stand(), house.log
        yield house
        house.process.send_signal(signal.SIGTERM)
        assert house.process.wait(100) == 0, house.log[-2000:]
    finally:
        if house is not None and house.stand():
            house.process.kill()
            house.process.wait()
            linux.end(linux.carrying(f"{MARK}={house.folder}"), signal.SIGKILL)
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(disk)], check=False)
        shutil.rmtree(around, ignore_errors=True)


def _mount(disk: Path) -> bool:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    options = f"size={DISK},mode=0711"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "assay-chaos", str(disk)], capture_output=True)
    return done.returncode == 0


def _start(around: Path, folder: Path, is_mounted: bool, recipe: str) -> House:
    port = free_port()
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    told = {"ASSAY_DATA": str(folder), "ASSAY_PORT": str(port), "PYTHONPATH": str(ROOT), "CHAOS_RECIPE": recipe}
    with (around / "log").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.house", "up"],
            cwd=ROOT,
            env={**kept, **told},
            stdout=out,
            stderr=out,
        )
    return House(folder, port, is_mounted, process)


def trouble(house: House, dice: random.Random, seconds: float) -> None:
    """Kill everything in turn, each round in another order, until the time is over; the disk is filled once a round."""
    until = time.monotonic() + seconds
    while True:
        order = dice.sample([*VICTIMS, "disk"], len(VICTIMS) + 1)
        for victim in order:
            time.sleep(dice.uniform(0.6, 1.6) if seconds == 0 else dice.uniform(1.8, 2.6))
            house.fill(1.0) if victim == "disk" else house.kill(victim)
            assert house.stand(), house.log[-3000:]
        if time.monotonic() >= until:
            return
