"""Nudges to the workers. The database is the truth: when a message is lost or doubled, the sweep finds the row."""

from __future__ import annotations

from functools import cache
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from app.core import tracing
from app.core.db import Session, after_commit
from app.core.settings import settings

log = structlog.get_logger()
ROUTES = {
    "perform_run": "gpu",
    "play": "play",
    "prepare_media": "media",
    "import_samples": "media",
    "push_checkpoint": "media",
    "deliver_webhook": "media",
    "collect_blobs": "media",
}
DESK = "desk"


@cache
def sender() -> Celery:
    """A Celery client that only sends; the jobs themselves live in `worker`."""
    client = Celery("assay", broker=settings().broker_url)
    client.conf.update(
        task_ignore_result=True, broker_connection_retry=False, broker_transport_options={"max_retries": 1}
    )
    return client


def nudge(session: Session, job: str, *arguments: Any) -> None:
    """Tell a worker about a row, once the row is committed."""
    after_commit(session, lambda: _send(job, arguments))


def _send(job: str, arguments: tuple[Any, ...]) -> None:
    try:
        sender().send_task(
            job, args=arguments, queue=ROUTES.get(job, DESK), retry=False, headers={"request": tracing.current()}
        )
    except (OperationalError, OSError) as problem:
        log.warning("nudge lost; the sweep will offer the row", job=job, problem=str(problem))
