"""Claims: which worker performs a run. The fence rises with each claim, and every later write asks for it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.core import storage
from app.core.db import Session
from app.core.errors import Refusal
from app.core.jobs import nudge
from app.core.language import N_, plain
from app.core.language import gettext as _
from app.runs import endings, failures, kinds, queries
from app.runs.refusals import ClaimLost
from app.runs.tables import Metric, Run

STALE = dt.timedelta(seconds=60)
"""A claim whose heartbeat is older may be taken by another worker."""

TAIL = 16_000
"""Characters of the log that the run's row keeps."""


@dataclass(frozen=True)
class Claim:
    """One worker's hold of a run."""

    run_id: int
    fence: int
    recipe: str


@dataclass(frozen=True)
class Line:
    """One whole line of metrics.jsonl and the byte at which it begins."""

    offset: int
    payload: dict[str, Any]


def free_runs() -> sa.ColumnElement[bool]:
    """Open runs that nobody holds, or whose holder has gone silent."""
    silent = Run.heartbeat_at < sa.func.now() - STALE
    return sa.and_(Run.ended_at.is_(None), sa.or_(Run.claimed_by.is_(None), silent))


def take(session: Session, run_id: int, worker: str) -> Claim | None:
    """Claim a run that is free and whose inputs are there. None where somebody else was first, or it has to wait."""
    run = session.get(Run, run_id)
    if run is None or queries.waits_for(session, run):
        return None
    row = session.execute(
        sa.update(Run)
        .where(Run.id == run_id, free_runs())
        .values(
            fence=Run.fence + 1,
            claimed_by=worker,
            claimed_at=sa.func.now(),
            heartbeat_at=sa.func.now(),
            started_at=sa.func.coalesce(Run.started_at, sa.func.now()),
        )
        .returning(Run.fence, Run.recipe)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return Claim(run_id, row.fence, row.recipe) if row else None


def held(session: Session, claim: Claim) -> Run:
    """The run, locked and read afresh. Raises ClaimLost where the fence has risen or the run has ended."""
    run = session.scalar(
        sa.select(Run)
        .where(Run.id == claim.run_id, Run.fence == claim.fence, Run.ended_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if run is None or run.claimed_by is None:
        raise ClaimLost(
            _("Run %(run_id)s has been taken over or has ended.", run_id=claim.run_id), f"fence {claim.fence}"
        )
    return run


def prepare(session: Session, claim: Claim) -> None:
    """Fill the run's folder. Raises ClaimLost, and what `kinds.prepare` raises."""
    kinds.prepare(session, held(session, claim), storage.run_folder(claim.run_id))


def last_offset(session: Session, claim: Claim) -> int:
    """Where reading the metric lines goes on after an earlier claim."""
    return session.scalar(sa.select(sa.func.max(Metric.line)).where(Metric.run_id == claim.run_id)) or 0


def report(session: Session, claim: Claim, lines: list[Line], log_tail: str) -> bool:
    """Beat; keep new metric lines and the log's end. Returns whether someone asked for the end. Raises ClaimLost."""
    run = held(session, claim)
    run.log_tail = log_tail[-TAIL:] or run.log_tail
    session.execute(sa.update(Run).where(Run.id == run.id).values(heartbeat_at=sa.func.now()))
    if lines:
        session.execute(insert(Metric).values([_row(claim, line) for line in lines]).on_conflict_do_nothing())
    return run.cancellation is not None


def _row(claim: Claim, line: Line) -> dict[str, Any]:
    kind = str(line.payload.get("kind", "note"))
    return {"run_id": claim.run_id, "line": line.offset, "kind": kind, "payload": line.payload}


def release(session: Session, claim: Claim) -> None:
    """Give the run back unfinished; the next claim goes on from its last checkpoint. Raises ClaimLost."""
    run = held(session, claim)
    run.claimed_by = run.claimed_at = run.heartbeat_at = None


def end(session: Session, claim: Claim, exit_code: int, failure: str | None, sha256: str = "") -> None:
    """Write down how it ended; a run that ended well leaves its results. Raises ClaimLost, OutputMissing.

    sha256: of the checkpoint that it left, which `kinds.sealed` reads while nothing is locked.
    """
    run = held(session, claim)
    if failure is None and run.cancellation is None:
        kinds.finish(session, run, storage.run_folder(run.id), sha256)
    endings.end(session, run, exit_code, failure)
    for waiting in queries.waiting_readers(session, run.id):
        nudge(session, "perform_run", waiting)


def fail(session: Session, claim: Claim, refusal: Refusal) -> None:
    """The run could not be prepared, or did not leave what it should. Raises ClaimLost."""
    endings.end(session, held(session, claim), failure=failures.line(refusal.name, refusal.what, refusal.where))


def offers(session: Session) -> list[int]:
    """Free runs that could start now, oldest first. One whose input failed or was cancelled ends as failed."""
    ready = []
    for run in session.scalars(sa.select(Run).where(free_runs()).order_by(Run.id).with_for_update(skip_locked=True)):
        if run.cancellation is not None:
            endings.end(session, run)  # its holder went silent before it could stop it
        elif lost := _lost_input(run):
            endings.end(session, run, failure=lost)
        elif not queries.waits_for(session, run):
            ready.append(run.id)
    return ready


def _lost_input(run: Run) -> str | None:
    for each in run.inputs:
        if each.from_run and queries.state_of(each.from_run) in ENDS and not _chained(run, each.from_run):
            said = {"role": kinds.label_of(each.role), "id": each.from_run.id, "name": each.from_run.name}
            how = plain(ENDS[queries.state_of(each.from_run)], **said)
            return failures.line("InputLost", how, f"inputs/{each.role}")
    return None


def _chained(run: Run, earlier: Run) -> bool:
    """A chain keeps its later steps, so that it can go on where it stopped."""
    return run.group_id is not None and run.group_id == earlier.group_id


ENDS = {
    queries.FAILED: N_("Its input “%(role)s”, run %(id)s “%(name)s”, failed."),
    queries.CANCELLED: N_("Its input “%(role)s”, run %(id)s “%(name)s”, was cancelled."),
}
"""How a run that was to be read can end without leaving anything."""
