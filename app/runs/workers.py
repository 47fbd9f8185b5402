"""Workers as they are heard of: noted, listed with what they are at, and forgotten."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.core.db import Session, now
from app.core.language import N_
from app.runs.tables import Run
from app.runs.worker_tables import Worker

SILENT = dt.timedelta(seconds=60)
"""After three missed words a worker counts as silent."""

FORGOTTEN = dt.timedelta(days=2)
STATES = ("working", "free", "silent", "gone")
PARTS = {"gpu": N_("trainer"), "desk": N_("desk"), "play": N_("playground")}
"""What a worker is, by the queue that it reads: of several on a machine each has a name of its own."""


class Presence(NamedTuple):
    """What a worker says of itself."""

    name: str
    service: str
    queues: str
    machine: dict[str, Any]
    devices: list[dict[str, Any]]


class Line(NamedTuple):
    """state: working, free, silent or gone."""

    worker: Worker
    state: str
    run: Run | None

    @property
    def parts(self) -> list[str]:
        """What it is; its own name for itself where it reads no queue of the house."""
        queues = self.worker.queues.split(",")
        return [word for queue, word in PARTS.items() if queue in queues] or [self.worker.service]

    @property
    def trains(self) -> bool:
        """Whether runs come to it, now."""
        return PARTS["gpu"] in self.parts and self.state in ("working", "free")


def note(session: Session, said: Presence) -> None:
    """Write down what a worker says; its first word makes its row."""
    values = said._asdict()
    again = {**values, "heard_at": sa.func.now(), "left_at": None}
    session.execute(insert(Worker).values(values).on_conflict_do_update(index_elements=["name"], set_=again))


def leave(session: Session, name: str) -> None:
    session.execute(sa.update(Worker).where(Worker.name == name).values(left_at=sa.func.now()))


def forget(session: Session) -> None:
    """Those who have not been heard of for days."""
    session.execute(sa.delete(Worker).where(Worker.heard_at < now() - FORGOTTEN))


def lines(session: Session) -> list[Line]:
    """Those who are there, trainers first, then the silent ones and those who left today; each with its run."""
    rows = session.execute(
        sa.select(Worker, Run)
        .outerjoin(Run, sa.and_(Run.claimed_by == Worker.name, Run.ended_at.is_(None)))
        .where(sa.or_(Worker.left_at.is_(None), Worker.left_at > now() - dt.timedelta(days=1)))
        .order_by(Worker.name)
    )
    found = [Line(worker, _state(worker, run), run) for worker, run in rows]
    words = list(PARTS.values())
    return sorted(found, key=lambda line: (STATES.index(line.state), *(word not in line.parts for word in words)))


def _state(worker: Worker, run: Run | None) -> str:
    if worker.left_at is not None:
        return "gone"
    if worker.heard_at < now() - SILENT:
        return "silent"
    return "working" if run is not None else "free"
