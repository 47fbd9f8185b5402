"""Turns of the playground as their worker sees them: taken in the order of asking, written piece by piece.

The fence rises with each claim, and every later write asks for it, as with runs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.core import storage
from app.core.db import Session, now
from app.core.language import gettext as _
from app.core.language import plain
from app.runs import failures, registry, workers
from app.runs.playground_tables import Piece, Turn
from app.runs.refusals import ClaimLost
from app.runs.tables import Checkpoint
from app.runs.worker_tables import Worker

QUEUE = "play"
STALE = dt.timedelta(seconds=60)
"""A claim that was not heard of for so long may be taken by another worker."""

TRIES = 5
"""Claims after which a turn is given up: its workers ended over it, one after the other."""


class Claim(NamedTuple):
    turn_id: int
    fence: int


def free() -> sa.ColumnElement[bool]:
    silent = Turn.heard_at < sa.func.now() - STALE
    return sa.and_(Turn.ended_at.is_(None), sa.or_(Turn.claimed_by.is_(None), silent))


def any_waits(session: Session) -> bool:
    return bool(session.scalar(sa.select(sa.exists().where(free()))))


def is_served(session: Session) -> bool:
    """Whether a worker that answers questions was heard of lately."""
    heard = sa.and_(Worker.left_at.is_(None), Worker.heard_at > now() - workers.SILENT)
    queues = session.scalars(sa.select(Worker.queues).where(heard))
    return any(QUEUE in each.split(",") for each in queues)


def take(session: Session, worker: str) -> Claim | None:
    """The turn that was asked first of those that are free; None without any."""
    first = sa.select(Turn.id).where(free()).order_by(Turn.id).limit(1).with_for_update(skip_locked=True)
    row = session.execute(
        sa.update(Turn)
        .where(Turn.id == first.scalar_subquery())
        .values(fence=Turn.fence + 1, claimed_by=worker, heard_at=sa.func.now())
        .returning(Turn.id, Turn.fence)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if row is None:
        return None
    claim = Claim(row.id, row.fence)
    if claim.fence > TRIES:
        fail(session, claim, failures.line("WorkerFault", plain("Each worker that took this question ended.")))
        return take(session, worker)
    if claim.fence > 1:
        write(session, claim, [{"kind": "again"}])
    return claim


def held(session: Session, claim: Claim) -> Turn:
    """The turn, locked and read afresh. Raises ClaimLost where another worker has it or it has ended."""
    query = sa.select(Turn).where(Turn.id == claim.turn_id, Turn.fence == claim.fence, Turn.ended_at.is_(None))
    turn = session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if turn is None:
        raise ClaimLost(_("Another worker has this question."), f"question {claim.turn_id}")
    return turn


def request(session: Session, claim: Claim) -> dict[str, Any]:
    """The turn as `python -m ml serve` takes it. Raises ClaimLost."""
    turn = held(session, claim)
    ids = {"left": turn.left_id, "right": turn.right_id}
    there = {side: session.get(Checkpoint, number) for side, number in ids.items() if number}
    policies = {
        side: {"checkpoint": _folder(there.get(side) or next(iter(there.values()))), "base": side not in there}
        for side in ids
    }
    reward = session.get(Checkpoint, turn.reward_id) if turn.reward_id else None
    return {
        "id": turn.id,
        "question": turn.question,
        "images": [str(storage.blob(turn.blob_sha256).resolve())] if turn.blob_sha256 else [],
        "policies": policies,
        "reward": _folder(reward),
        "longest": turn.longest,
    }


def _folder(one: Checkpoint | None) -> str | None:
    return str(registry.folder_of(one).resolve()) if one is not None else None


def write(session: Session, claim: Claim, lines: Sequence[dict[str, Any]]) -> bool:
    """Add what came, and say that the worker is there. Returns whether the asker wants it stopped. Raises ClaimLost."""
    turn = held(session, claim)
    turn.heard_at = now()
    for line in together(lines):
        payload = {name: value for name, value in line.items() if name not in ("id", "kind")}
        session.add(Piece(turn_id=turn.id, kind=line["kind"], payload=payload))
        session.flush()  # ids rise in the order of the lines
    return turn.stopped_at is not None


def together(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Words of one side that came one after the other, or between the other side's, become one piece."""
    found: list[dict[str, Any]] = []
    for line in lines:
        like = next((each for each in found[-2:] if _continues(each, line)), None)
        if like is not None:
            like["text"] += line["text"]
        else:
            found.append(dict(line))
    return found


def _continues(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return "text" in other and (one["kind"], one.get("side")) == (other["kind"], other.get("side"))


def end(session: Session, claim: Claim) -> None:
    """All is said. Raises ClaimLost."""
    held(session, claim).ended_at = now()


def fail(session: Session, claim: Claim, failure: str) -> None:
    """failure: a line as `failures.line` makes it. Raises ClaimLost."""
    turn = held(session, claim)
    turn.ended_at, turn.failure = now(), failure


def release(session: Session, claim: Claim) -> None:
    """Leave the turn to the next worker. Raises ClaimLost."""
    held(session, claim).claimed_by = None
