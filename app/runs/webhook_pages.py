"""The webhooks of a project: their list, and of each what it hears, a test, and the log of what was sent."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import Response

from app.core import outside
from app.core.db import Db, Session
from app.core.errors import Invalid
from app.core.html import page, redirect, wants_json
from app.projects.guard import Researcher, Seat
from app.runs import delivering, webhooks

router = APIRouter(prefix="/webhooks")
Number = Annotated[int, Query(ge=0, lt=2**63)]
WebhookId = Annotated[int, Path(ge=1, lt=2**63)]
DeliveryId = Annotated[int, Path(ge=1, lt=2**63)]
Url = Annotated[str, Form(max_length=10_000)]
Hears = Annotated[str, Form(max_length=20)]
ONE = "/{webhook_id:int}"
REFUSALS = (webhooks.BadWebhook, webhooks.TooManyWebhooks, outside.BadAddress, outside.PrivateAddress)


@router.get("")
def list_page(request: Request, session: Db, seat: Researcher) -> Response:
    return _list(request, session, seat)


def _list(request: Request, session: Session, seat: Seat, refusal: Invalid | None = None, **asked: str) -> Response:
    context = {"webhooks": webhooks.webhooks_of(session, seat), "latest": delivering.latest(session, seat)}
    status = refusal.status if refusal else 200
    return page(request, "runs/webhooks.html", status, refusal=refusal, asked=asked, **context, **_words())


def _words() -> dict[str, Any]:
    return {"hears": webhooks.HEARS, "kinds": webhooks.KINDS, "state_of": delivering.state_of, "most": webhooks.MOST}


@router.post("")
def make(request: Request, session: Db, seat: Researcher, url: Url, hears: Hears = "ended") -> Response:
    """The answer is the only place that shows the secret."""
    try:
        made, secret = webhooks.make(session, seat, url, hears)
    except REFUSALS as refusal:
        if wants_json(request):
            raise
        return _list(request, session, seat, refusal, url=url, hears=hears)
    return _one(request, session, seat, made.id, status=201, secret=secret)


@router.get(ONE)
def webhook_page(
    request: Request, session: Db, seat: Researcher, webhook_id: WebhookId, before: Number = 0
) -> Response:
    return _one(request, session, seat, webhook_id, before)


def _one(
    request: Request, session: Session, seat: Seat, webhook_id: int, before: int = 0, status: int = 200, **context: Any
) -> Response:
    one = webhooks.webhook(session, seat, webhook_id)
    rows = delivering.page_of(session, seat, webhook_id, before)
    shown = rows[: delivering.PAGE]
    more = shown[-1].id if len(rows) > delivering.PAGE else None
    log = {"deliveries": shown, "more": more, "before": before, "days": delivering.KEPT.days}
    asked = {"url": one.url, "chosen": one.hears, "secret": "", "refusal": None}
    return page(request, "runs/webhook.html", status, webhook=one, **log, **_words(), **{**asked, **context})


@router.post(ONE)
def change(
    request: Request, session: Db, seat: Researcher, webhook_id: WebhookId, url: Url = "", hears: Hears = "ended"
) -> Response:
    try:
        webhooks.change(session, seat, webhook_id, url, hears)
    except REFUSALS as refusal:
        if wants_json(request):
            raise
        asked: dict[str, Any] = {"url": url, "chosen": hears, "refusal": refusal}
        return _one(request, session, seat, webhook_id, status=refusal.status, **asked)
    return redirect(_address(seat, webhook_id))


@router.post(ONE + "/tests")
def test(session: Db, seat: Researcher, webhook_id: WebhookId) -> Response:
    webhooks.test(session, seat, webhook_id)
    return redirect(_address(seat, webhook_id) + "#log")


@router.post(ONE + "/deliveries/{delivery_id:int}/repetition")
def again(session: Db, seat: Researcher, webhook_id: WebhookId, delivery_id: DeliveryId) -> Response:
    webhooks.again(session, seat, webhook_id, delivery_id)
    return redirect(_address(seat, webhook_id) + "#log")


@router.post(ONE + "/removal")
def remove(session: Db, seat: Researcher, webhook_id: WebhookId) -> Response:
    webhooks.remove(session, seat, webhook_id)
    return redirect(f"/projects/{seat.project.slug}/runs/webhooks")


def _address(seat: Seat, webhook_id: int) -> str:
    return f"/projects/{seat.project.slug}/runs/webhooks/{webhook_id}"
