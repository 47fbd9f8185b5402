"""Jobs: thin coats over verbs that can be called by hand. Twice is harmless."""

from __future__ import annotations

import os
import socket
import sys
import time
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
from app.core.settings import settings
from app.runs import choosing, claims, delivering, limits, sharing, workers
from app.runs import playing as turns
from app.runs.claims import Claim
from app.runs.refusals import ClaimLost
from app.samples import imports, keeping, renditions
from app.samples.tables import Medium
from app.tasks.actions import sweep_leases
from worker import cards, exchange, launch, playing, presence, process
from worker.celery import SWEEP_EVERY, app, service
from worker.watching import Watch, leaving

log = structlog.get_logger()
TRIES = 5
PREPARE_FOR = 10.0
"""Seconds after which a long list of media is put at the end of the queue again."""

IMPORT_FOR = 15.0
"""Seconds after which a long import is put at the end of the queue again."""


@worker_shutting_down.connect
def _leave(**_: Any) -> None:
    leaving.set()


@worker_ready.connect
def _appear(sender: Any = None, **_: Any) -> None:
    queues = ",".join(sorted(sender.app.amqp.queues.consume_from)) if sender is not None else ""
    trains = ROUTES["perform_run"] in queues.split(",")
    if trains:
        cards.claim()
    presence.begin(worker_name(), service(sys.argv), queues, cards.shown if trains else None)


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
    if leaving.is_set() or not cards.claim():
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
            run_id = choosing.best(session, _processes())
            claim = claims.take(session, run_id, worker_name()) if run_id else None
        if claim is not None or run_id is None:
            return claim
    return None


def _processes() -> int:
    """How many processes this trainer has to give to a run."""
    return settings().run_processes or max(1, len(cards.held()))


def _perform(claim: Claim) -> None:
    try:
        process.fence_off(storage.run_folder(claim.run_id), claim.fence)
        with transaction() as session:
            watch = Watch(claim, exchange.of(claim), *limits.of(session, claim.run_id))
            if claim.recipe in launch.SEVERAL:
                watch.processes = sharing.settle(session, claim.run_id, _processes())
        if watch.prepare():
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
            videos = keeping.without_frames(session, medium.blob_sha256)
        for video_id in videos:
            with transaction() as session:
                keeping.add_frames(session, video_id, answer["moments"])


@app.task(name="import_samples")
def import_samples(import_id: int, fence: int | None = None) -> None:
    """Bring a file's records into its project; a long one makes room for the desk's other jobs now and then."""
    deadline = 0.0

    def leave() -> bool:
        """The time begins after the first batch: finding the place in a long file to go on from is none of it."""
        nonlocal deadline
        deadline = deadline or time.monotonic() + IMPORT_FOR
        return leaving.is_set() or time.monotonic() > deadline

    left = imports.perform(import_id, bringing.keep, leave, fence)
    if left is not None:
        import_samples.apply_async((import_id, left), queue=ROUTES["import_samples"])


@app.task(name="apply_rules")
def apply_rules(change_id: int) -> None:
    """Apply saved review rules to what was judged before, some samples a transaction."""
    more = True
    while more and not leaving.is_set():
        with transaction() as session:
            more = applying.go_on(session, change_id)


@app.task(name="play")
def play() -> None:
    """Answer the playground's questions for as long as some come."""
    playing.see_through(worker_name(), leaving.is_set)


@app.task(name="sweep")
def sweep() -> None:
    """End stale leases, chain audit entries, forget what is past, apply waiting rules, offer runs that could start,
    add frames that are lacking."""
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
        ready, asked = claims.offers(session), turns.any_waits(session)
        delivering.offer(session)
        for import_id in imports.waiting(session):
            nudge(session, "import_samples", import_id)
        for change_id in applying.unfinished(session):
            nudge(session, "apply_rules", change_id)
    if asked:
        play.apply_async(queue=ROUTES["play"], expires=SWEEP_EVERY)
    if ready and not _waiting_offers():
        for run_id in ready:
            perform_run.apply_async((run_id,))
    _add_lacking_frames()


def _add_lacking_frames() -> None:
    with transaction() as session:
        videos, _looked["up to"] = keeping.passed_by(session, _looked["up to"])
    for video_id, moments in videos:
        with transaction() as session:
            keeping.add_frames(session, video_id, moments)


_looked = {"up to": 0}
"""The video at which this process's last sweep stopped looking for frames; a new process begins anew."""


def _waiting_offers() -> int:
    """Offers that no trainer has read yet: while it is busy for hours, more of them would only pile up."""
    with app.connection_for_read() as connection:
        declared = connection.default_channel.queue_declare(ROUTES["perform_run"], durable=True, auto_delete=False)
    return int(declared.message_count)
