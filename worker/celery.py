"""The Celery app, its two queues and beat. Start the trainer with `-Q gpu`, the desk's worker with `-Q desk`."""

from __future__ import annotations

import sys
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging, worker_init

from app.core import logs, telemetry
from app.core.jobs import DESK, ROUTES
from app.core.settings import settings

SWEEP_EVERY = 10.0  # seconds
TIDY_EVERY = 600.0  # seconds
AT_NIGHT = crontab(minute=17, hour=3)  # UTC

app = Celery("assay", broker=settings().broker_url, include=["worker.jobs", "worker.keeping", "worker.delivering"])
app.conf.update(
    task_default_queue=DESK,
    task_routes={name: {"queue": queue} for name, queue in ROUTES.items()},
    task_ignore_result=True,
    # The database is the truth, so a message is acknowledged before the work: Redis would deliver it again after its
    # visibility timeout, in the middle of a long training.
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    # One job at a time in the worker's own process: a run is a process of its own already, and a signal that asks
    # the worker to stop reaches the code that watches it.
    worker_pool="solo",
    worker_concurrency=1,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,  # our log lines are whole already
    broker_connection_retry_on_startup=True,
    beat_schedule={
        "sweep": {"task": "sweep", "schedule": SWEEP_EVERY, "options": {"expires": SWEEP_EVERY}},
        "collect": {"task": "collect_blobs", "schedule": AT_NIGHT, "options": {"expires": 3600.0}},
        "tidy": {"task": "tidy_checkpoints", "schedule": TIDY_EVERY, "options": {"expires": TIDY_EVERY}},
    },
)


@setup_logging.connect
def _log(**_: Any) -> None:
    """Celery sets up nothing of its own where this signal is heard."""
    logs.configure(service(sys.argv))


@worker_init.connect
def _trace(**_: Any) -> None:
    telemetry.begin(service(sys.argv))


def service(arguments: list[str]) -> str:
    """What the process calls itself: "desk" of `--hostname desk@%h`, else "beat" or "worker"."""
    for option, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if option == "--hostname":
            return value.split("@")[0]
    return "beat" if "beat" in arguments else "worker"
