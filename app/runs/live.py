"""The live stream of a run: its metrics table, read from where the viewer stopped.

Viewers of one run who read one language share what is read: the database is asked once for all of them in this process,
and a viewer who is behind what they share reads on alone until it has caught up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import anyio
import orjson
from anyio.to_thread import run_sync

from app.core.db import transaction
from app.core.language import language
from app.runs import history, noticing, queries
from app.runs.tables import Run

POLL = 0.7  # seconds
BATCH = 500
ALIVE = 20
"""Silent looks after which a comment is sent, so that proxies keep the connection."""


@dataclass(frozen=True)
class Glance:
    """What one look at the database found."""

    events: list[tuple[int, bytes]]
    last: int
    state: bytes
    odd: bytes
    ended: bool


@dataclass
class Room:
    """What the viewers of one run share: every event after `floor` and up to `last`, the state and what looks odd."""

    run_id: int
    viewers: int = 0
    floor: int | None = None
    last: int = 0
    events: deque[tuple[int, bytes]] = field(default_factory=deque)
    state: bytes = b""
    odd: bytes = b""
    ended: bool = False
    looked: float = 0.0
    lock: anyio.Lock = field(default_factory=anyio.Lock)

    def holds(self, after: int) -> bool:
        return self.floor is not None and after >= self.floor

    def begin(self, seen: Glance) -> None:
        """The first viewer to have caught up says from where on they share."""
        if self.floor is None:
            self.floor = self.last = seen.last
            self.state, self.odd, self.ended, self.looked = seen.state, seen.odd, seen.ended, monotonic()

    def rest(self) -> float:
        """Seconds until the next look: viewers wake together, so that what one finds reaches all at once."""
        return max(POLL / 10, self.looked + POLL - monotonic())

    async def glance(self, after: int) -> Glance:
        """What came after `after`; the database is asked at most once in POLL seconds, whoever asks here."""
        async with self.lock:
            if monotonic() - self.looked >= POLL and not self.ended:
                seen = await run_sync(glance, self.run_id, self.last)
                self.events.extend(seen.events)
                self.last, self.state, self.odd = seen.last, seen.state, seen.odd
                self.ended, self.looked = seen.ended and len(seen.events) < BATCH, monotonic()
                while len(self.events) > 2 * BATCH:
                    self.floor = self.events.popleft()[0]
        # One who read on alone may be a little ahead of what they share.
        new = [each for each in self.events if each[0] > after]
        return Glance(new, max(after, self.last), self.state, self.odd, self.ended)


ROOMS: dict[tuple[int, str], Room] = {}
"""By run and language."""


async def tail(run_id: int, after: int) -> AsyncIterator[bytes]:
    """Server-sent events from the metric row `after` on, until the run has ended and all is told."""
    key = (run_id, language())
    room = ROOMS.setdefault(key, Room(run_id))
    room.viewers += 1
    try:
        async for piece in _told(room, after):
            yield piece
    finally:
        room.viewers -= 1
        if not room.viewers and ROOMS.get(key) is room:
            del ROOMS[key]


async def _told(room: Room, after: int) -> AsyncIterator[bytes]:
    said, odd, silent = b"", b"", 0
    yield b"retry: 2000\n\n"
    while True:
        alone = not room.holds(after)
        seen = await (run_sync(glance, room.run_id, after) if alone else room.glance(after))
        after, silent = seen.last, 0 if seen.events else silent + 1
        if seen.events:
            yield b"".join(event for _, event in seen.events)
        if seen.odd != odd:
            odd = seen.odd
            yield odd
        if seen.state != said:
            said, silent = seen.state, 0
            yield said
        if alone and len(seen.events) == BATCH:
            continue
        if seen.ended:
            yield message("end", {})
            return
        if alone:
            room.begin(seen)
        if silent % ALIVE == ALIVE - 1:
            yield b": still here\n\n"
        await anyio.sleep(room.rest())


def glance(run_id: int, after: int) -> Glance:
    """One short transaction. The state is read first: whatever a run reports, it reports before it ends."""
    with transaction() as session:
        run = session.get_one(Run, run_id)
        state = message("state", state_now(run))
        rows = queries.metrics_after(session, run_id, after, BATCH)
        events = [(row.id, message(row.kind, history.spoken(row.kind, row.payload), row.id)) for row in rows]
        last = rows[-1].id if rows else after
        odd = noticing.lately(session, run, last)
    return Glance(events, last, state, b"" if odd is None else message("odd", {"notes": odd}), run.ended_at is not None)


def state_now(run: Run) -> dict[str, Any]:
    """What the page's head says."""
    return {"state": queries.state_of(run), "failure": run.failure, "log": run.log_tail}


def message(event: str, data: dict[str, Any], number: int | None = None) -> bytes:
    """One event; its data is one line of JSON, so no line of it can be read as a field."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {event}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"
