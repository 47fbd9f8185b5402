"""Watching: a run's process from its start to how it ended, its lines and heartbeats handed on meanwhile."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from app.core import storage
from app.core.db import transaction
from app.core.errors import Refusal
from app.core.language import N_
from app.core.language import gettext as _
from app.runs import claims, kinds, limits, repeats
from app.runs.claims import Claim
from worker import launch, process
from worker.away import seal
from worker.exchange import Exchange, Halted
from worker.meter import Meter

log = structlog.get_logger()
LOOK_EVERY = 0.5  # seconds between looks at the process and its lines
SILENT_AT_MOST = 40.0
"""Seconds without a heartbeat after which a worker gives up its run, before another may take it (`claims.STALE`)."""

BEAT_WHILE_READING = 5.0
"""Seconds between heartbeats while the hash of a checkpoint is read, or files are fetched or put."""

PAUSES = (2.0, 4.0, 8.0, 16.0)
"""Seconds between tries while the storage does not answer."""

CHECKPOINT = "checkpoint"
"""The kind of a line that tells of one."""

SHUTDOWN_GRACE = 12.0
"""Seconds that a run gets to save a checkpoint when its worker is asked to stop."""

leaving = threading.Event()
"""Set when this worker is asked to stop."""

T = TypeVar("T")


class StorageAway(Refusal):
    """The trainer's machine does not reach the storage."""

    advice = N_("Go on from its last checkpoint once the storage answers.")


class Watch:
    """A run's process and what is known of it."""

    def __init__(self, claim: Claim, exchange: Exchange | None, may: limits.Limits, used: limits.Used) -> None:
        self.claim, self.exchange = claim, exchange
        self.may, self.used = may, used
        self.reached: limits.LimitReached | None = None
        self.processes = 1
        self.folder = storage.run_folder(claim.run_id)
        self.lines: process.MetricLines | None = None
        self.known: dict[repeats.Key, int] = {}
        self.unsent: list[claims.Line] = []
        self.cancelled = False
        self.heard = time.monotonic()

    def prepare(self) -> bool:
        """Fill the run's folder; False where it was cancelled, or the worker has to leave, before it was filled.

        Raises ClaimLost, what `kinds.prepare` raises, InputAbsent, InputDamaged, StorageAway.
        """
        try:
            self._fill()
        except Halted:
            with transaction() as session:
                if self.cancelled:
                    claims.end(session, self.claim, 128 + signal.SIGTERM, None)
                else:
                    claims.release(session, self.claim)
            return False
        self._catch_up()
        return True

    def _fill(self) -> None:
        if self.exchange:
            self._meanwhile(partial(self._patiently, self.exchange.fetch))
        with transaction() as session:
            claims.prepare(session, self.claim)
        if self.exchange:
            self._meanwhile(partial(self._patiently, self.exchange.fetch_media))

    def _catch_up(self) -> None:
        """Hand on what earlier processes wrote and nobody reported, and remember what is known by then."""
        path = self.folder / "metrics.jsonl"
        with transaction() as session:
            repeats.restore(session, self.claim.run_id, path)
            self.known = repeats.last_steps(session, self.claim.run_id)
            self.lines = process.MetricLines(path, claims.last_offset(session, self.claim))
        self._report_all()
        with transaction() as session:
            self.known = repeats.last_steps(session, self.claim.run_id)

    def see_through(self) -> None:
        """Start the process, hand on what it reports, and write down how it ended. Raises ClaimLost, OutputMissing."""
        left = self.may.cpu_seconds - self.used.cpu_seconds
        if self.exchange:
            self.exchange.begin()
        running = process.start(self.claim.recipe, self.folder, self.claim.fence, left, self.processes)
        meter = Meter(running.pid, self.used)
        try:
            status = self._until_it_ends(running, meter)
        finally:
            # An exception, a cold shutdown: whatever ends this function ends the whole group.
            process.stop(running, 0.0)
            if self.exchange:
                self.exchange.rest()
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
        self.unsent += self.lines.read() if self.lines else []
        new = [line for line in self.unsent if not repeats.is_repeated(line.payload, self.known)]
        try:
            with transaction() as session:
                self.cancelled = claims.report(session, self.claim, new, self._log())
                limits.note(session, self.claim.run_id, self.used)
        except OperationalError:
            if time.monotonic() - self.heard > SILENT_AT_MOST:
                raise
            return
        if self.exchange:
            self.exchange.due += [
                each.payload["step"] for each in self.unsent if each.payload.get("kind") == CHECKPOINT
            ]
        self.unsent, self.heard = [], time.monotonic()

    def _report_all(self) -> None:
        """Until the file is read, a block at a time, and all of it is kept."""
        before = -1
        while self.lines and (self.unsent or before != self.lines.offset):
            if self.unsent:
                time.sleep(LOOK_EVERY)  # the database is away
            before = self.lines.offset
            self.report()

    def _conclude(self, status: int) -> None:
        self._report_all()
        status, said = launch.unwrapped(status, self._log())
        if status == -signal.SIGXCPU:
            self.reached = self.may.reached(self.used._replace(cpu_seconds=float("inf"), memory=0))
        failure = process.failure_of(status, said)
        sha256 = "" if failure or self.cancelled else self._meanwhile(self._sealed)
        self._put_away(well=not failure and not self.cancelled)
        with transaction() as session:
            if self.reached and status != 0 and not self.cancelled:
                claims.fail(session, self.claim, self.reached)
            elif leaving.is_set() and status != 0 and not self.cancelled:
                claims.release(session, self.claim)
            else:
                claims.end(session, self.claim, status, failure, sha256)
        if self.exchange:
            self.exchange.clear()
        log.info("run ended", run=self.claim.run_id, status=status)

    def _sealed(self) -> str:
        """The hash of the checkpoint that it left; of other output a list of hashes is laid beside it."""
        sha256 = kinds.sealed(self.claim.recipe, self.folder)
        if not sha256 and (output := self.folder / "output").is_dir():
            seal(output)
        return sha256

    def _put_away(self, well: bool) -> None:
        """What is left goes to the storage. Of a run that did not end well as much as can be put."""
        if (exchange := self.exchange) is None:
            return
        try:
            self._meanwhile(lambda: self._patiently(lambda: exchange.end(well)))
        except StorageAway as problem:
            if well:
                raise
            log.warning("not put", run=self.claim.run_id, problem=problem.what)

    def _patiently(self, work: Callable[[], None]) -> None:
        """Again and again, while the storage does not answer. Raises StorageAway, and refusals at once."""
        for pause in (*PAUSES, 0.0):
            try:
                return work()
            except (Refusal, SQLAlchemyError):
                raise
            except Exception as problem:  # a driver's own errors
                why = f"{type(problem).__name__}: {problem}"[:300]
                log.warning("the storage does not answer", run=self.claim.run_id, problem=why)
            time.sleep(pause)
        raise StorageAway(_("Files did not go to or come from the storage: %(why)s", why=why), "STORAGE_URL")

    def _meanwhile(self, work: Callable[[], T]) -> T:
        """Have something done that takes long, and let the heart beat on."""
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(work)
            while not wait([done], BEAT_WHILE_READING).done:
                self.report()
                if self.exchange and (self.cancelled or leaving.is_set()):
                    self.exchange.rest()
            return done.result()

    def _log(self) -> str:
        return process.log_tail(self.folder / "log.txt")
