"""What the database knows of the work, read at each scrape: every process shares it, none has to be asked."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator

import redis
import sqlalchemy as sa
from fastapi import Request
from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from app.accounts.tables import AuditEntry
from app.annotations.tables import Annotation, Waiting
from app.core import metrics
from app.core.db import Session, make_session
from app.core.errors import Forbidden, NotSignedIn
from app.core.language import gettext as _
from app.core.settings import settings
from app.overview import health
from app.projects.tables import Project
from app.runs import workers
from app.runs.queries import states as run_states
from app.samples.tables import Import
from app.tasks.tables import OPEN, Lease, Task

HERE = {"127.0.0.1", "::1"}
CARD = ["worker", "gpu", "name"]
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


class BadMetricsToken(NotSignedIn):
    """/metrics was asked without the operator's token."""


class FromElsewhere(Forbidden):
    """/metrics was asked from another machine, and the operator has set no token."""


def may_scrape(request: Request) -> None:
    """Raises BadMetricsToken, FromElsewhere. A proxy on this machine brings strangers: it does not count as here."""
    token = settings().metrics_token.get_secret_value()
    if token:
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise BadMetricsToken(_("This address needs the operator's token."), "Authorization")
        return
    host = request.client.host if request.client else ""
    if host not in HERE or any(name in request.headers for name in FORWARDED):
        raise FromElsewhere(
            _("Without a token, this address answers its own machine alone."), advice=_("Set METRICS_TOKEN.")
        )


def exposition() -> bytes:
    """Everything in Prometheus' text format."""
    return generate_latest(metrics.REGISTRY)


class Work(Collector):
    """Queue, leases, verdicts, jobs, runs and the audit log."""

    def collect(self) -> Iterator[Metric]:
        try:
            with make_session() as session:
                found = list(_gauges(session))
        except SQLAlchemyError:
            yield GaugeMetricFamily("assay_database_up", "Whether the database answers.", 0)
            return
        yield GaugeMetricFamily("assay_database_up", "Whether the database answers.", 1)
        yield from found

    def describe(self) -> list[Metric]:
        """Nothing: the registry must not ask the database when it is made."""
        return []


class Broker(Collector):
    """Messages that no worker has read yet. The work itself is rows: a broker that is away loses nothing."""

    def collect(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("assay_jobs_waiting", "Messages that no worker has read.", labels=["queue"])
        answers = 1
        try:
            for queue, many in health.waiting_messages().items():
                waiting.add_metric([queue], many)
        except (redis.RedisError, OSError, ValueError):
            answers = 0
        yield GaugeMetricFamily("assay_broker_up", "Whether the broker answers.", answers)
        yield waiting

    def describe(self) -> list[Metric]:
        """Nothing: the registry must not ask the broker when it is made."""
        return []


def _gauges(session: Session) -> Iterator[Metric]:
    by_project = sa.select(Project.slug, sa.func.count()).group_by(Project.slug)
    open_tasks = by_project.join(Task, Task.project_id == Project.id).where(sa.text(OPEN))
    yield _family(session, "assay_tasks_open", "Tasks that stand in the queue.", ["project"], open_tasks)
    held = by_project.join(Task, Task.project_id == Project.id).join(Lease, Lease.task_id == Task.id)
    held = held.where(Lease.ended_at.is_(None), Lease.expires_at > sa.func.now())
    yield _family(session, "assay_leases", "Tasks that somebody holds.", ["project"], held)
    made = by_project.join(Annotation, Annotation.project_id == Project.id)
    yield _family(session, "assay_annotations", "Annotations that were submitted.", ["project"], made)
    waits = by_project.join(Waiting, Waiting.project_id == Project.id)
    yield _family(session, "assay_reviews_waiting", "Annotations without a verdict.", ["project"], waits)
    runs = GaugeMetricFamily("assay_runs", "Runs by recipe and state.", labels=["recipe", "state"])
    for (recipe, state), many in run_states(session).items():
        runs.add_metric([recipe, state], many)
    yield runs
    yield from _workers(session)
    imports = sa.select(sa.func.count()).select_from(Import).where(Import.ended_at.is_(None))
    yield GaugeMetricFamily("assay_imports_unfinished", "Imports that have not ended.", session.scalar(imports) or 0)
    unsealed = sa.select(sa.func.count()).select_from(AuditEntry).where(AuditEntry.sha256.is_(None))
    yield GaugeMetricFamily("assay_audit_unsealed", "Audit entries not chained yet.", session.scalar(unsealed) or 0)


def _workers(session: Session) -> Iterator[Metric]:
    """Workers by kind and state, and what their graphics cards say."""
    there = GaugeMetricFamily("assay_workers", "Workers by kind and state.", labels=["service", "state"])
    used = GaugeMetricFamily("assay_gpu_memory_used_bytes", "Memory in use.", labels=CARD)
    total = GaugeMetricFamily("assay_gpu_memory_total_bytes", "Memory of the card.", labels=CARD)
    use = GaugeMetricFamily("assay_gpu_use", "Share of time in which the card computed.", labels=CARD)
    heat = GaugeMetricFamily("assay_gpu_temperature_celsius", "Temperature of the card.", labels=CARD)
    lines = workers.lines(session)
    for (service, state), many in Counter((line.worker.service, line.state) for line in lines).items():
        there.add_metric([service, state], many)
    for line in lines:
        for card in line.worker.devices if line.state in ("working", "free") else []:
            label = [line.worker.name, str(card["index"]), card["name"]]
            for family, key in ((used, "memory_used"), (total, "memory_total"), (use, "use"), (heat, "temperature")):
                if card[key] is not None:
                    family.add_metric(label, card[key])
    yield from (there, used, total, use, heat)


def _family(session: Session, name: str, help: str, labels: list[str], query: sa.Select[str, int]) -> Metric:
    family = GaugeMetricFamily(name, help, labels=labels)
    for label, many in session.execute(query):
        family.add_metric([label], many)
    return family


metrics.REGISTRY.register(Work())
metrics.REGISTRY.register(Broker())
