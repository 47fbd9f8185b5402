"""Webhooks: made, changed and removed by a project's researchers, and what each is to be told."""

from __future__ import annotations

import base64
import math
import secrets
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.accounts.actions import audit
from app.core import outside, sealing
from app.core.db import Session, now
from app.core.errors import Invalid, NotFound
from app.core.html import iso
from app.core.jobs import nudge
from app.core.language import N_
from app.core.language import gettext as _
from app.core.settings import settings
from app.projects.guard import Seat
from app.projects.tables import Project
from app.runs import failures, queries
from app.runs.tables import Run
from app.runs.webhook_tables import Delivery, Webhook

MOST = 10
"""Webhooks that a project may have."""

LONGEST = 2000
"""Characters of an address."""

HEARS = {"ended": N_("every run that ends"), "failed": N_("only runs that fail")}
SECRET = "whsec_"
"""Standard Webhooks: base64 of the key follows."""

ENDED, TEST = "run.ended", "webhook.test"
KINDS = {ENDED: N_("run ended"), TEST: N_("test")}


class BadWebhook(Invalid):
    """An address, or a choice of what to hear, that cannot be."""


class TooManyWebhooks(Invalid):
    """A project has no more than MOST."""


def webhooks_of(session: Session, seat: Seat) -> list[Webhook]:
    query = sa.select(Webhook).options(joinedload(Webhook.author)).where(Webhook.project_id == seat.project.id)
    return list(session.scalars(query.order_by(Webhook.id)))


def webhook(session: Session, seat: Seat, webhook_id: int) -> Webhook:
    """The project's webhook. Raises NotFound."""
    query = sa.select(Webhook).options(joinedload(Webhook.author))
    found = session.scalar(query.where(Webhook.id == webhook_id, Webhook.project_id == seat.project.id))
    if found is None:
        raise NotFound(_("There is no such webhook in this project."), f"webhook {webhook_id}")
    return found


def make(session: Session, seat: Seat, url: str, hears: str) -> tuple[Webhook, str]:
    """A webhook and its secret, which nobody sees again.

    Raises BadWebhook, TooManyWebhooks, outside.BadAddress, outside.PrivateAddress.
    """
    url = _checked(url, hears)
    session.execute(sa.select(Project.id).where(Project.id == seat.project.id).with_for_update())
    if len(webhooks_of(session, seat)) >= MOST:
        raise TooManyWebhooks(_("A project has at most %(most)s webhooks.", most=MOST), "url", _("Remove one first."))
    secret = SECRET + base64.b64encode(secrets.token_bytes(32)).decode()
    made = Webhook(
        project_id=seat.project.id,
        url=url,
        sealed_secret=sealing.seal(secret),
        hears=hears,
        created_by=seat.user.id,
        author=seat.user,
    )
    session.add(made)
    session.flush()
    _audit(session, seat, "added", made)
    return made, secret


def change(session: Session, seat: Seat, webhook_id: int, url: str, hears: str) -> None:
    """Another address, or another choice; the secret stays. Raises NotFound, and as `make`."""
    found = webhook(session, seat, webhook_id)
    found.url, found.hears = _checked(url, hears), hears
    _audit(session, seat, "changed", found)


def remove(session: Session, seat: Seat, webhook_id: int) -> None:
    """With its log; what waits is not sent. Raises NotFound."""
    found = webhook(session, seat, webhook_id)
    _audit(session, seat, "removed", found)
    session.execute(sa.delete(Webhook).where(Webhook.id == found.id))


def _audit(session: Session, seat: Seat, what: str, about: Webhook) -> None:
    """Only the host is kept: the rest of an address may itself be a secret."""
    host = about.url.split("/")[2]
    audit(session, seat.user, f"webhook.{what}", f"webhook {about.id}", seat.project.id, host=host, hears=about.hears)


def _checked(url: str, hears: str) -> str:
    url = url.strip()
    if len(url) > LONGEST:
        raise BadWebhook(_("An address has at most %(most)s characters.", most=LONGEST), "url")
    if hears not in HEARS:
        raise BadWebhook(_("Choose which runs it hears of."), "hears")
    outside.check(url, "url")
    return url


def tell(session: Session, run: Run, project: Project) -> None:
    """A message about the run's end for every webhook that wants it."""
    failed = queries.state_of(run) == queries.FAILED
    wanted = sa.select(Webhook).where(Webhook.project_id == project.id)
    for each in session.scalars(wanted if failed else wanted.where(Webhook.hears == "ended")).all():
        put(session, each, _message(ENDED, {"project": _project(project), "run": _run(run, project)}), ENDED, run.id)


def test(session: Session, seat: Seat, webhook_id: int) -> Delivery:
    """A message that says nothing but that it is one. Raises NotFound."""
    found = webhook(session, seat, webhook_id)
    return put(session, found, _message(TEST, {"project": _project(seat.project)}), TEST, asked_by=seat.user.id)


def again(session: Session, seat: Seat, webhook_id: int, delivery_id: int) -> Delivery:
    """The same message with the same id once more, whatever became of it. Raises NotFound."""
    found = webhook(session, seat, webhook_id)
    earlier = session.scalar(sa.select(Delivery).where(Delivery.id == delivery_id, Delivery.webhook_id == found.id))
    if earlier is None:
        raise NotFound(_("There is no such delivery of this webhook."), f"delivery {delivery_id}")
    return put(session, found, earlier.body, earlier.kind, earlier.run_id, seat.user.id, earlier.event)


def put(
    session: Session,
    to: Webhook,
    body: str,
    kind: str,
    run_id: int | None = None,
    asked_by: int | None = None,
    event: str = "",
) -> Delivery:
    """A delivery that waits, and a nudge to the desk."""
    event = event or f"msg_{secrets.token_hex(16)}"
    made = Delivery(webhook_id=to.id, event=event, kind=kind, run_id=run_id, asked_by=asked_by, body=body)
    session.add(made)
    session.flush()
    nudge(session, "deliver_webhook", made.id)
    return made


def _message(kind: str, data: dict[str, Any]) -> str:
    return orjson.dumps({"type": kind, "version": 1, "timestamp": iso(now()), "data": data}).decode()


def _project(project: Project) -> dict[str, Any]:
    return {"slug": project.slug, "name": project.name}


def _run(run: Run, project: Project) -> dict[str, Any]:
    """What docs/webhooks.md promises of a run."""
    failure = failures.shown(run.failure) if run.failure else None
    return {
        "id": run.id,
        "name": run.name,
        "recipe": run.recipe,
        "state": queries.state_of(run),
        "url": f"{_site()}/projects/{project.slug}/runs/{run.id}",
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at) or None,
        "ended_at": iso(run.ended_at),
        "failure": failure and {"name": failure.name, "what": failure.what},
        "result": {name: value for name, value in (run.result or {}).items() if _is_figure(value)},
    }


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _site() -> str:
    return (settings().public_url or f"http://{settings().host}:{settings().port}").rstrip("/")
