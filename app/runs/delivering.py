"""Delivering messages to webhooks, signed as Standard Webhooks has it. The rows say what is to be sent and when.

A try is written down before it is made, with the time of the next one: a worker that is lost in the middle costs a
wait, and a receiver may hear the same message twice, by the same id. A receiver that has just failed is left in
peace for a minute, however many messages wait for it: the desk has other work.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import NamedTuple

import httpx2
import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.core import outside, sealing
from app.core.db import Session, now, transaction
from app.core.errors import Refusal
from app.core.jobs import nudge
from app.core.language import N_, plain
from app.projects.guard import Seat
from app.runs.webhook_tables import Delivery, Webhook
from app.runs.webhooks import SECRET

PAGE = 50
WAITS = tuple(dt.timedelta(minutes=each) for each in (0.5, 1, 2, 5, 10, 30, 60, 120, 240, 360, 480))
"""From each try to the next: twelve tries within 22 hours, then a message is given up."""

KEPT = dt.timedelta(days=30)
"""How long a delivery that has ended stays in the log."""

REST = dt.timedelta(minutes=1)
"""How long a receiver is not asked again after it failed, but by somebody who presses a button."""

PATIENCE = 10.0
"""Seconds in which a receiver has to answer, however slowly it sends."""

READ = 500
"""Characters of an answer that are kept."""

NO_ANSWER = N_("It did not answer within %(seconds)s seconds.")
NOT_REACHED = N_("It could not be reached: %(problem)s")
NOT_TAKEN = N_("It answered %(status)s.")
REDIRECTED = N_("It answered %(status)s, and redirects are not followed.")
LOST = N_("The worker was lost while it sent this.")


class Answer(NamedTuple):
    """What became of a try. fault: empty where the message was taken."""

    status: int | None
    text: str
    fault: str


class Letter(NamedTuple):
    """What a try sends, and where."""

    delivery_id: int
    url: str
    sealed_secret: str
    event: str
    body: str


def page_of(session: Session, seat: Seat, webhook_id: int, before: int = 0) -> list[Delivery]:
    """A page of a webhook's log and one more, newest first."""
    query = (
        sa.select(Delivery)
        .join(Delivery.webhook)
        .options(joinedload(Delivery.asker))
        .where(Webhook.id == webhook_id, Webhook.project_id == seat.project.id)
    )
    query = query.where(Delivery.id < before) if before else query
    return list(session.scalars(query.order_by(Delivery.id.desc()).limit(PAGE + 1)))


def latest(session: Session, seat: Seat) -> dict[int, Delivery]:
    """The last delivery of each of the project's webhooks that was ever told anything."""
    query = (
        sa.select(Delivery)
        .join(Delivery.webhook)
        .where(Webhook.project_id == seat.project.id)
        .distinct(Delivery.webhook_id)
        .order_by(Delivery.webhook_id, Delivery.id.desc())
    )
    return {each.webhook_id: each for each in session.scalars(query)}


def state_of(delivery: Delivery) -> str:
    """taken, given up, waiting (not tried yet) or failing (to be tried again)."""
    if delivery.ended_at is not None:
        return "given up" if delivery.fault else "taken"
    return "failing" if delivery.tries else "waiting"


def due(session: Session) -> list[int]:
    """Of each webhook the message whose turn it is, where one may be tried now."""
    query = (
        sa.select(Delivery.id)
        .where(Delivery.ended_at.is_(None), Delivery.next_at <= sa.func.now())
        .distinct(Delivery.webhook_id)
        .order_by(Delivery.webhook_id, Delivery.next_at, Delivery.id)
    )
    return list(session.scalars(query))


def offer(session: Session) -> None:
    """Nudge the desk about what is due, and forget what ended longer ago than KEPT."""
    session.execute(sa.delete(Delivery).where(Delivery.ended_at < now() - KEPT))
    for delivery_id in due(session):
        nudge(session, "deliver_webhook", delivery_id)


def perform(delivery_id: int) -> None:
    """One try of a delivery whose time has come; nothing is locked while it is made. Twice is harmless."""
    with transaction() as session:
        letter = _taken(session, delivery_id)
    if letter is None:
        return
    answer = send(letter)
    with transaction() as session:
        _note(session, delivery_id, answer)


def _taken(session: Session, delivery_id: int) -> Letter | None:
    """The letter of a delivery that is due, its try already counted; None where another has it or it has to wait."""
    row = session.scalar(
        sa.select(Delivery)
        .options(joinedload(Delivery.webhook, innerjoin=True))
        .where(Delivery.id == delivery_id, Delivery.ended_at.is_(None), Delivery.next_at <= sa.func.now())
        .with_for_update(skip_locked=True, of=Delivery)
    )
    if row is None:
        return None
    if row.tries > len(WAITS):
        row.ended_at, row.fault = now(), row.fault or LOST
        return None
    if row.asked_by is None and (rested := _rests_until(session, row)):
        row.next_at = rested
        return None
    row.tries, row.tried_at = row.tries + 1, now()
    row.next_at = now() + WAITS[min(row.tries, len(WAITS)) - 1]
    return Letter(row.id, row.webhook.url, row.webhook.sealed_secret, row.event, row.body)


def _rests_until(session: Session, row: Delivery) -> dt.datetime | None:
    """Until when the receiver is left in peace, where the last message but this that was tried has just failed."""
    query = sa.select(Delivery.tried_at, Delivery.fault).where(
        Delivery.webhook_id == row.webhook_id, Delivery.id != row.id, Delivery.tried_at.is_not(None)
    )
    last = session.execute(query.order_by(Delivery.tried_at.desc()).limit(1)).first()
    until = last.tried_at + REST if last and last.fault else None
    return until if until and until > now() else None


def _note(session: Session, delivery_id: int, answer: Answer) -> None:
    """Write down what became of a try; one that got through lets the next message try at once."""
    row = session.get(Delivery, delivery_id, with_for_update=True)
    if row is None:  # its webhook was removed meanwhile
        return
    row.status, row.answer, row.fault = answer
    if not answer.fault:
        row.ended_at = now()
        _wake(session, row.webhook_id)
    elif row.tries > len(WAITS):
        row.ended_at = now()


def _wake(session: Session, webhook_id: int) -> None:
    session.flush()
    others = sa.and_(Delivery.webhook_id == webhook_id, Delivery.ended_at.is_(None))
    session.execute(sa.update(Delivery).where(others).values(next_at=sa.func.now()))
    following = session.scalar(sa.select(sa.func.min(Delivery.id)).where(others))
    if following is not None:
        nudge(session, "deliver_webhook", following)


def send(letter: Letter) -> Answer:
    """One try, within PATIENCE seconds; no redirect is followed and no private address asked."""
    with outside.client("url", redirects=False) as client, _within(client, PATIENCE) as is_late:
        try:
            return _post(client, letter)
        except Refusal as refusal:
            return Answer(None, "", refusal.what)
        except Exception as problem:  # whatever the network and the receiver make of it is said in the log
            if is_late() or isinstance(problem, httpx2.TimeoutException):
                return Answer(None, "", plain(NO_ANSWER, seconds=f"{PATIENCE:g}"))
            said = _clean(f"{type(problem).__name__}: {problem}")
            return Answer(None, "", plain(NOT_REACHED, problem=said[:200]))


def _post(client: httpx2.Client, letter: Letter) -> Answer:
    body, secret = letter.body.encode(), sealing.unseal(letter.sealed_secret)
    headers = {"content-type": "application/json", "user-agent": "Assay-Webhooks/1", "accept-encoding": "identity"}
    headers |= signed(secret, letter.event, int(time.time()), body)
    with client.stream("POST", letter.url, content=body, headers=headers, timeout=PATIENCE) as response:
        return _answer(response.status_code, _beginning(response))


def _answer(status: int, text: str) -> Answer:
    if 200 <= status < 300:
        return Answer(status, text, "")
    return Answer(status, text, plain(REDIRECTED if 300 <= status < 400 else NOT_TAKEN, status=status))


def _beginning(response: httpx2.Response) -> str:
    """The first READ characters of the answer, as they were sent: nothing is unpacked."""
    found = b""
    for piece in response.iter_raw():
        found += piece
        if len(found) >= 4 * READ:
            break
    return _clean(found.decode(errors="replace"))[:READ]


def _clean(text: str) -> str:
    return text.replace("\0", "�")


@contextmanager
def _within(client: httpx2.Client, seconds: float) -> Iterator[Callable[[], bool]]:
    """Ends the client's connections after so many seconds: who sends a byte now and then runs into no timeout."""
    passed: list[bool] = []

    def end() -> None:
        passed.append(True)
        client.close()

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield lambda: bool(passed)
    finally:
        timer.cancel()


def signed(secret: str, event: str, at: int, body: bytes) -> dict[str, str]:
    """The headers that say who sent it: HMAC-SHA256 over id, time (unix seconds) and body, in base64.

    Source: Standard Webhooks 1.0.0, “Signature scheme” (v1).
    """
    key = base64.b64decode(secret.removeprefix(SECRET))
    mac = hmac.new(key, f"{event}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": event, "webhook-timestamp": str(at), "webhook-signature": signature}
