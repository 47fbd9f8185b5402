"""Jobs: thin coats over verbs that can be called by hand. Twice is harmless."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from smtplib import SMTPException
from typing import Any

import structlog
from celery.signals import task_prerun, worker_ready, worker_shutdown, worker_shutting_down
from sqlalchemy.exc import OperationalError

from app.accounts import notices
from app.accounts.erasing import forget_old
from app.accounts.log import seal
from app.annotations import applying, bringing
from app.annotations.sampling import reconsider
from app.core import mail, storage, tracing
from app.core.db import transaction
from app.core.errors import Refusal
from app.core.jobs import ROUTES, nudge
from app.runs import choosing, claims, kinds, limits, workers
from app.runs.claims import Claim
from app.runs.refusals import ClaimLost
from app.samples import imports, keeping, renditions
from app.samples.tables import Medium
from app.tasks.actions import sweep_leases
from worker import presence, process
from worker.celery import app, service
from worker.meter import Meter

log = structlog.get_logger()
TRIES = 5
LOOK_EVERY = 0.5  # seconds between looks at the process and its lines
SILENT_AT_MOST = 40.0
"""Seconds without a heartbeat after which a worker gives up its run, before another may take it (`claims.STALE`)."""

BEAT_WHILE_READING = 5.0
"""Seconds between heartbeats while the hash of a checkpoint is read."""

SHUTDOWN_GRACE = 12.0
"""Seconds that a run gets to save a checkpoint when its worker is asked to stop."""

PREPARE_FOR = 10.0
"""Seconds after which a long list of media is put at the end of the queue again."""

IMPORT_FOR = 15.0
"""Seconds after which a long import is put at the end of the queue again."""

leaving = threading.Event()
"""Set when this worker is asked to stop."""


@worker_shutting_down.connect
def _leave(**_: Any) -> None:
    leaving.set()


@worker_ready.connect
def _appear(sender: Any = None, **_: Any) -> None:
    queues = ",".join(sorted(sender.app.amqp.queues.consume_from)) if sender is not None else ""
    presence.begin(worker_name(), service(sys.argv), queues)


@worker_shutdown.connect
def _disappear(**_: Any) -> None:
    presence.end(worker_name())


@task_prerun.connect
def _name(task: Any, **_: Any) -> None:
    tracing.begin(task.request.get("request"))


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


@app.task(name="perform_run")
def perform_run(run_id: int) -> None:
    """Claim a run and see it through: the one whose turn it is, whichever the message named.

    Does nothing where none is free and ready; what is left over is offered again by the sweep.
    """
    if leaving.is_set():
        return
    claim = _claim()
    if claim is None:
        return
    structlog.contextvars.bind_contextvars(run=claim.run_id)
    log.info("run claimed", run=claim.run_id, recipe=claim.recipe, fence=claim.fence, asked=run_id)
    try:
        _perform(claim)
    except ClaimLost as lost:
        log.warning("run lost to another worker", run=claim.run_id, why=lost.what)
    except OperationalError as problem:
        log.error("the database is away; the run will be taken up again", run=claim.run_id, problem=str(problem))


def _claim() -> Claim | None:
    """The best run that is still there once it is asked for: other trainers choose at the same time."""
    for _try in range(TRIES):
        with transaction() as session:
            run_id = choosing.best(session)
            claim = claims.take(session, run_id, worker_name()) if run_id else None
        if claim is not None or run_id is None:
            return claim
    return None


def _perform(claim: Claim) -> None:
    try:
        process.fence_off(storage.run_folder(claim.run_id), claim.fence)
        with transaction() as session:
            claims.prepare(session, claim)
            watch = Watch(claim, claims.last_offset(session, claim), *limits.of(session, claim.run_id))
        watch.see_through()
    except (ClaimLost, OperationalError):
        raise
    except Refusal as refusal:
        _fail(claim, refusal)
    except Exception as problem:  # a full disk, an output of another shape: said on the run's page, not only in a log
        log.exception("run failed in the worker", run=claim.run_id)
        _fail(claim, WorkerFault(f"{type(problem).__name__}: {problem}"[:500]))


def _fail(claim: Claim, refusal: Refusal) -> None:
    with transaction() as session:
        claims.fail(session, claim, refusal)


class WorkerFault(Refusal):
    """Something went wrong around the process, not in it."""


class Watch:
    """A run's process and what is known of it."""

    def __init__(self, claim: Claim, offset: int, may: limits.Limits, used: limits.Used) -> None:
        self.claim = claim
        self.may, self.used = may, used
        self.reached: limits.LimitReached | None = None
        self.folder = storage.run_folder(claim.run_id)
        self.lines = process.MetricLines(self.folder / "metrics.jsonl", offset)
        self.unsent: list[claims.Line] = []
        self.cancelled = False
        self.heard = time.monotonic()

    def see_through(self) -> None:
        """Start the process, hand on what it reports, and write down how it ended. Raises ClaimLost, OutputMissing."""
        left = self.may.cpu_seconds - self.used.cpu_seconds
        running = process.start(self.claim.recipe, self.folder, self.claim.fence, left)
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
        if status == -signal.SIGXCPU:
            self.reached = self.may.reached(self.used._replace(cpu_seconds=float("inf"), memory=0))
        failure = process.failure_of(status, self._log())
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


@app.task(name="send_mail", autoretry_for=(OSError, SMTPException), retry_backoff=True, max_retries=5)
def send_mail(to: str, subject: str, text: str) -> None:
    """Hand a letter to the mail server; tried again for some minutes while the server is away."""
    mail.send(to, subject, text)


@app.task(name="prepare_media")
def prepare_media(medium_ids: list[int]) -> None:
    """Make what pages show of pictures and videos; between the larger ones other jobs of the desk get their turn."""
    deadline = time.monotonic() + PREPARE_FOR
    while medium_ids and time.monotonic() < deadline and not leaving.is_set():
        _prepare_medium(medium_ids[0])
        medium_ids = medium_ids[1:]
    if medium_ids:
        prepare_media.apply_async((medium_ids,), queue=ROUTES["prepare_media"])


def _prepare_medium(medium_id: int) -> None:
    with transaction() as session:
        medium = session.get(Medium, medium_id)
    if medium is None:
        return
    answer = renditions.prepare(medium)
    log.info("medium prepared", medium=medium_id, error=answer.get("error"))
    if answer.get("moments"):
        with transaction() as session:
            keeping.add_frames(session, medium_id, answer["moments"])


@app.task(name="import_samples")
def import_samples(import_id: int, fence: int | None = None) -> None:
    """Bring a file's records into its project; a long one makes room for the desk's other jobs now and then."""
    deadline = time.monotonic() + IMPORT_FOR
    left = imports.perform(import_id, bringing.keep, lambda: leaving.is_set() or time.monotonic() > deadline, fence)
    if left is not None:
        import_samples.apply_async((import_id, left), queue=ROUTES["import_samples"])


@app.task(name="apply_rules")
def apply_rules(change_id: int) -> None:
    """Apply saved review rules to what was judged before, some samples a transaction."""
    more = True
    while more and not leaving.is_set():
        with transaction() as session:
            more = applying.go_on(session, change_id)


@app.task(name="sweep")
def sweep() -> None:
    """End stale leases, chain audit entries, forget what is past, apply waiting rules, offer runs that could start."""
    while True:
        with transaction() as session:
            if not seal(session):
                break
    with transaction() as session:
        sweep_leases(session)
        forget_old(session)
        notices.forget(session)
        workers.forget(session)
        reconsider(session)
        ready = claims.offers(session)
        for import_id in imports.waiting(session):
            nudge(session, "import_samples", import_id)
        for change_id in applying.unfinished(session):
            nudge(session, "apply_rules", change_id)
    if ready and not _waiting_offers():
        for run_id in ready:
            perform_run.apply_async((run_id,))


def _waiting_offers() -> int:
    """Offers that no trainer has read yet: while it is busy for hours, more of them would only pile up."""
    with app.connection_for_read() as connection:
        declared = connection.default_channel.queue_declare(ROUTES["perform_run"], durable=True, auto_delete=False)
    return int(declared.message_count)
