"""Jobs around files: checkpoints and blobs that nothing keeps go, and copies are made. Twice is harmless."""

from __future__ import annotations

import time

import structlog

from app.core.db import transaction
from app.core.errors import Refusal
from app.core.jobs import ROUTES
from app.runs import discarding, pushing, retention
from app.samples import collecting
from worker.celery import app
from worker.watching import leaving

log = structlog.get_logger()
PUSH_FOR = 15.0
"""Seconds after which a long copy is put at the end of the queue again."""


@app.task(name="tidy_checkpoints")
def tidy_checkpoints() -> None:
    """Apply the rules of retention, take from the disk what was given up, and offer copies that were not finished."""
    with transaction() as session:
        retention.apply(session)
    with transaction() as session:
        discarding.clear(session)
    with transaction() as session:
        waiting = pushing.unfinished(session)
    for push_id in waiting:
        push_checkpoint.apply_async((push_id,), queue=ROUTES["push_checkpoint"])


@app.task(name="push_checkpoint")
def push_checkpoint(push_id: int) -> None:
    """Copy a checkpoint; between its files other jobs of the desk get their turn."""
    deadline = time.monotonic() + PUSH_FOR
    if pushing.perform(push_id, lambda: leaving.is_set() or time.monotonic() > deadline):
        push_checkpoint.apply_async((push_id,), queue=ROUTES["push_checkpoint"])


@app.task(name="collect_blobs")
def collect_blobs() -> None:
    """Delete what no row of the database names any more; where that is refused, the log says why."""
    try:
        with transaction() as session:
            gone = collecting.collect_daily(session)
    except Refusal as refusal:
        log.warning("nothing collected", error=refusal.name, problem=refusal.what, advice=refusal.advice)
    else:
        log.info("collected", paths=gone)
