"""The live stream of a run: its metrics table, read from where the viewer stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import anyio
import orjson
from anyio.to_thread import run_sync

from app.core.db import transaction
from app.runs import queries
from app.runs.tables import Run

POLL = 0.7  # seconds
BATCH = 500
ALIVE = 20
"""Silent looks after which a comment is sent, so that proxies keep the connection."""


@dataclass(frozen=True)
class Glance:
    """What one look at the database found."""

    events: list[bytes]
    last: int
    state: dict[str, Any]
    ended: bool


async def tail(run_id: int, after: int) -> AsyncIterator[bytes]:
    """Server-sent events from the metric row `after` on, until the run has ended and all is told."""
    said: dict[str, Any] = {}
    silent = 0
    yield b"retry: 2000\n\n"
    while True:
        seen = await run_sync(glance, run_id, after)
        after, silent = seen.last, 0 if seen.events else silent + 1
        for event in seen.events:
            yield event
        if seen.state != said:
            said, silent = seen.state, 0
            yield message("state", said)
        if len(seen.events) == BATCH:
            continue
        if seen.ended:
            yield message("end", {})
            return
        if silent % ALIVE == ALIVE - 1:
            yield b": still here\n\n"
        await anyio.sleep(POLL)


def glance(run_id: int, after: int) -> Glance:
    """One short transaction. The state is read first: whatever a run reports, it reports before it ends."""
    with transaction() as session:
        run = session.get_one(Run, run_id)
        state = state_now(run)
        rows = queries.metrics_after(session, run_id, after, BATCH)
        events = [message(row.kind, row.payload, row.id) for row in rows]
    return Glance(events, rows[-1].id if rows else after, state, run.ended_at is not None)


def state_now(run: Run) -> dict[str, Any]:
    """What the page's head says."""
    return {"state": queries.state_of(run), "failure": run.failure, "log": run.log_tail}


def message(event: str, data: dict[str, Any], number: int | None = None) -> bytes:
    """One event; its data is one line of JSON, so no line of it can be read as a field."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {event}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"
