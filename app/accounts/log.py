"""The audit log: each entry chained to the one before, so that what was changed or taken out later shows.

Entries are written in the transaction of the change that they tell of, without waiting for one another; a sealing a few
seconds later gives them places and hashes. Chaining at once would make every annotator wait for every other.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from app.accounts.tables import AuditEntry, User
from app.core.db import Session, transaction

LOCK = 0x61756469  # "audi": one sealing at a time
AT_ONCE = 5000
FIRST = "0" * 64


def audit(
    session: Session, user: User | None, action: str, subject: str, project_id: int | None = None, **detail: Any
) -> None:
    """Add one line to the audit log, in the transaction of the change that it tells of."""
    session.add(
        AuditEntry(
            user_id=user.id if user else None, project_id=project_id, action=action, subject=subject, detail=detail
        )
    )


def seal(session: Session) -> int:
    """Chain the entries that are not chained yet, oldest first. Returns how many; call again while it is not 0."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    place, previous = _head(session)
    waiting = sa.select(AuditEntry).where(AuditEntry.sha256.is_(None)).order_by(AuditEntry.id).limit(AT_ONCE)
    entries = session.scalars(waiting).all()
    for entry in entries:
        place += 1
        previous = digest(previous, place, entry)
        entry.place, entry.sha256 = place, previous
    session.flush()
    return len(entries)


def _head(session: Session) -> tuple[int, str]:
    last = session.execute(
        sa.select(AuditEntry.place, AuditEntry.sha256)
        .where(AuditEntry.place.is_not(None))
        .order_by(AuditEntry.place.desc())
        .limit(1)
    ).first()
    return (last.place, last.sha256) if last else (0, FIRST)


def state(session: Session) -> tuple[int, str, int]:
    """How many entries are chained, the newest hash, and how many wait for the next sealing."""
    place, head = _head(session)
    return place, head, _waiting(session)


def _waiting(session: Session) -> int:
    return session.scalar(sa.select(sa.func.count()).where(AuditEntry.sha256.is_(None))) or 0


def lines() -> Iterator[bytes]:
    """Every entry as a line of JSON, oldest first, in constant memory; in a transaction of its own."""
    with transaction() as session:
        rows = sa.select(AuditEntry).order_by(AuditEntry.id).execution_options(yield_per=1000)
        for entry in session.scalars(rows):
            told = {"id": entry.id, "place": entry.place, "sha256": entry.sha256} | _said(entry)
            session.expunge(entry)
            yield orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


def digest(previous: str, place: int, entry: AuditEntry) -> str:
    """SHA-256 over the entry before and everything that this one says."""
    told = {"previous": previous, "place": place, "id": entry.id} | _said(entry)
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _said(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": entry.at.astimezone(dt.UTC).isoformat(),
        "user": entry.user_id,
        "project": entry.project_id,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail,
    }


@dataclass(frozen=True)
class Verdict:
    """What verifying found: how many entries are chained, how many wait, the newest hash, and the first fault."""

    chained: int
    waiting: int
    head: str
    fault: str | None

    def __bool__(self) -> bool:
        return self.fault is None


def verify(session: Session, known_head: str = "") -> Verdict:
    """Compute the chain anew, in constant memory.

    known_head: a hash noted down earlier; its absence shows that the log's end was cut off.
    """
    previous, place, seen, fault = FIRST, 0, not known_head, None
    rows = sa.select(AuditEntry).where(AuditEntry.place.is_not(None)).order_by(AuditEntry.place)
    for entry in session.scalars(rows.execution_options(yield_per=1000)):
        place += 1
        fault = _fault(previous, place, entry)
        if fault:
            break
        previous = str(entry.sha256)
        seen = seen or previous == known_head
        session.expunge(entry)
    if fault is None and not seen:
        fault = "the hash that was noted down is not in the log: entries at its end are missing"
    return Verdict(place, _waiting(session), previous, fault)


def _fault(previous: str, place: int, entry: AuditEntry) -> str | None:
    if entry.place != place:
        return f"place {place} is missing"
    if entry.sha256 != digest(previous, place, entry):
        return f"the entry at place {place} (id {entry.id}) is not what was written, or one before it was changed"
    return None
