"""The live stream of a question: its pieces, read from where the viewer stopped, until it has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
from anyio.to_thread import run_sync

from app.core.db import transaction
from app.runs import playground
from app.runs.live import message
from app.runs.playground_tables import Turn

POLL = 0.25
"""Seconds between two looks: words should flow, and hardly anybody but the asker looks."""

ALIVE = 60
"""Silent looks after which a comment is sent, so that proxies keep the connection."""


async def tail(turn_id: int, after: int) -> AsyncIterator[bytes]:
    """Server-sent events from the piece `after` on."""
    said, silent = b"", 0
    yield b"retry: 2000\n\n"
    while True:
        events, state, after, ended = await run_sync(_glance, turn_id, after)
        silent = 0 if events or state != said else silent + 1
        if state != said:
            said = state
            yield state
        if events:
            yield events
        if ended:
            yield message("end", {})
            return
        if silent % ALIVE == ALIVE - 1:
            yield b": still here\n\n"
        await anyio.sleep(POLL)


def _glance(turn_id: int, after: int) -> tuple[bytes, bytes, int, bool]:
    """What came, the state, the last piece's id, whether all is told. The state is read first: its pieces come before
    its end."""
    with transaction() as session:
        turn = session.get_one(Turn, turn_id)
        state = playground.state_of(turn)
        words = playground.place(session, turn) if state == "waiting" else ""
        rows = playground.pieces(session, turn, after)
        events = b"".join(message(row.kind, row.payload, row.id) for row in rows)
        last = rows[-1].id if rows else after
        return events, message("state", {"state": state, "place": words}), last, turn.ended_at is not None
