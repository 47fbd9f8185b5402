"""Watching: a run's process from its start to how it ended, its lines and heartbeats handed on meanwhile."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import structlog
from sqlalchemy.exc import OperationalError

from app.core import storage
from app.core.db import transaction
from app.runs import claims, kinds, limits
from app.runs.claims import Claim
from worker import launch, process
from worker.meter import Meter

log = structlog.get_logger()
LOOK_EVERY = 0.5  # seconds between looks at the process and its lines
SILENT_AT_MOST = 40.0
"""Seconds without a heartbeat after which a worker gives up its run, before another may take it (`claims.STALE`)."""

BEAT_WHILE_READING = 5.0
"""Seconds between heartbeats while the hash of a checkpoint is read."""

SHUTDOWN_GRACE = 12.0
"""Seconds that a run gets to save a checkpoint when its worker is asked to stop."""

leaving = threading.Event()
"""Set when this worker is asked to stop."""


class Watch:
    """A run's process and what is known of it."""

    def __init__(self, claim: Claim, offset: int, may: limits.Limits, used: limits.Used) -> None:
        self.claim = claim
        self.may, self.used = may, used
        self.reached: limits.LimitReached | None = None
        self.processes = 1
        self.folder = storage.run_folder(claim.run_id)
        self.lines = process.MetricLines(self.folder / "metrics.jsonl", offset)
        self.unsent: list[claims.Line] = []
        self.cancelled = False
        self.heard = time.monotonic()

    def see_through(self) -> None:
        """Start the process, hand on what it reports, and write down how it ended. Raises ClaimLost, OutputMissing."""
        left = self.may.cpu_seconds - self.used.cpu_seconds
        running = process.start(self.claim.recipe, self.folder, self.claim.fence, left, self.processes)
        meter = Meter(running.pid, self.used)
        try:
            status = self._until_it_ends(running, meter)
        finally:
            # An exception, a cold shutdown: whatever ends this function ends the whole group.
            process.stop(running, 0.0)
        self._conclude(status)

    def _until_it_ends(self, running: subprocess.Popen[bytes], meter: Meter) -> int:
        while running.poll() is None:
            self.used = meter.look()
            self.reached = self.may.reached(self.used)
            self.report()
            if self.cancelled:
                return process.stop(running)
            if leaving.is_set() or self.reached:
                return process.stop(running, SHUTDOWN_GRACE, self.report)
            time.sleep(LOOK_EVERY)
        return running.wait()

    def report(self) -> None:
        """Hand on new lines with a heartbeat; lines wait while the database is away, but not for ever."""
        self.unsent += self.lines.read()
        try:
            with transaction() as session:
                self.cancelled = claims.report(session, self.claim, self.unsent, self._log())
                limits.note(session, self.claim.run_id, self.used)
        except OperationalError:
            if time.monotonic() - self.heard > SILENT_AT_MOST:
                raise
            return
        self.unsent, self.heard = [], time.monotonic()

    def _conclude(self, status: int) -> None:
        before = -1
        while before != self.lines.offset:  # a block at a time until the file is read
            before = self.lines.offset
            self.report()
        status, said = launch.unwrapped(status, self._log())
        if status == -signal.SIGXCPU:
            self.reached = self.may.reached(self.used._replace(cpu_seconds=float("inf"), memory=0))
        failure = process.failure_of(status, said)
        sha256 = "" if failure or self.cancelled else self._sealed()
        with transaction() as session:
            if self.reached and status != 0 and not self.cancelled:
                claims.fail(session, self.claim, self.reached)
            elif leaving.is_set() and status != 0 and not self.cancelled:
                claims.release(session, self.claim)
            else:
                claims.end(session, self.claim, status, failure, sha256)
        log.info("run ended", run=self.claim.run_id, status=status)

    def _sealed(self) -> str:
        """The hash of the checkpoint that it left; the heart beats on while a large one is read."""
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(kinds.sealed, self.claim.recipe, self.folder)
            while not wait([reading], BEAT_WHILE_READING).done:
                self.report()
            return reading.result()

    def _log(self) -> str:
        return process.log_tail(self.folder / "log.txt")
