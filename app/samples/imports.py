"""Imports' verbs: begin one, take it up, bring a batch of records, end it. A broken one goes on where it stopped."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from app.accounts.tables import User
from app.core.db import Session, now, transaction
from app.core.errors import Invalid, Refusal
from app.core.jobs import nudge
from app.projects.tables import Project
from app.samples import gathering, sources
from app.samples.finding import Plan
from app.samples.importing import (
    BATCH,
    Fault,
    Judged,
    Report,
    add_batch,
    audit_import,
    next_batch,
    next_size,
    try_batch,
)
from app.samples.sources import Entry
from app.samples.tables import Import

STALE = dt.timedelta(seconds=60)
"""After so long without a word from its worker an import is offered again."""

Keep = Callable[[Session, Import, Judged], None]
"""What becomes of people's judgements that the records bring: rooms above this one know annotations."""


@dataclass(frozen=True)
class Taken:
    """An import in a worker's hands."""

    id: int
    fence: int
    source: Path
    plan: Plan
    reached: int
    dry: bool


class TakenAway(Refusal):
    """Another worker has taken the import up meanwhile."""


def begin(
    session: Session,
    project: Project,
    author: User,
    token: str,
    name: str,
    source: Path,
    plan: Plan,
    dry: bool = False,
    ask: bool = True,
) -> Import:
    """Write an import down and, where asked for, nudge a worker; a dry run may be made again, an import exists once."""
    known = session.scalar(sa.select(Import).filter_by(token=token, dry=dry).with_for_update())
    if known is not None and not dry:
        return known
    if known is not None:
        session.delete(known)
        session.flush()
    row = Import(
        project_id=project.id,
        author_id=author.id,
        token=token,
        name=name[-1000:],
        source=str(source),
        media=str(plan.media),
        aside=str(plan.aside),
        shape=plan.shape,
        mapping=plan.mapping,
        dry=dry,
    )
    session.add(row)
    session.flush()
    if ask:
        nudge(session, "import_samples", row.id)
    return row


def of_upload(session: Session, project: Project, token: str, dry: bool) -> Import | None:
    return session.scalar(sa.select(Import).filter_by(project_id=project.id, token=token, dry=dry))


def waiting(session: Session) -> list[int]:
    """Imports whose nudge was lost, or whose worker has fallen silent."""
    silent = sa.func.coalesce(Import.heard_at, Import.created_at) < now() - STALE
    return list(session.scalars(sa.select(Import.id).where(Import.ended_at.is_(None), silent).order_by(Import.id)))


def perform(
    import_id: int, keep: Keep, leave: Callable[[], bool] = lambda: False, fence: int | None = None
) -> int | None:
    """See an import through, a transaction a batch. Where `leave()` says so it stops early, and the answer is the fence
    with which it can be gone on with at once. Does nothing where another worker has it or it has ended.
    """
    with transaction() as session:
        taken = take(session, import_id, fence)
    if taken is None:
        return None
    try:
        entries, size = entries_of(taken), BATCH
        while batch := next_batch(entries, size):
            begun = time.monotonic()
            with transaction() as session:
                bring(session, taken, batch, keep)
            size = next_size(size, time.monotonic() - begun)
            if leave():
                return taken.fence
    except TakenAway:
        return None
    except (Refusal, OSError) as problem:
        with transaction() as session:
            end(session, taken, f"{type(problem).__name__}: {problem}")
        return None
    with transaction() as session:
        end(session, taken)
    return None


def take(session: Session, import_id: int, fence: int | None = None) -> Taken | None:
    """Claim an import. None where it has ended or another worker is at it. fence: of the worker that put it back."""
    free = sa.or_(Import.heard_at.is_(None), Import.heard_at < now() - STALE, Import.fence == fence)
    row = session.scalar(
        sa.update(Import)
        .where(Import.id == import_id, Import.ended_at.is_(None), free)
        .values(fence=Import.fence + 1, heard_at=now())
        .returning(Import)
        .execution_options(populate_existing=True)
    )
    if row is None:
        return None
    source = Path(row.source)
    _look_again(row, source)
    if row.total is None:
        row.total = _count(source)
    plan = Plan(Path(row.media), Path(row.aside), row.shape, row.mapping)
    return Taken(row.id, row.fence, source, plan, row.reached, row.dry)


def _look_again(row: Import, source: Path) -> None:
    """A file that changed since it was last taken up is read from its beginning: what is known adds nothing."""
    before, row.fingerprint = row.fingerprint, sources.fingerprint_of(source)
    if before and before != row.fingerprint:
        row.reached, row.already, row.faulty, row.faults, row.total = 0, 0, 0, [], None
        shutil.rmtree(_gathered_in(row.id, Path(row.aside)), ignore_errors=True)


def _gathered_in(import_id: int, aside: Path) -> Path:
    return aside / f"import-{import_id}"


def entries_of(taken: Taken) -> Iterator[Entry]:
    """The records that are still to come."""
    if taken.plan.shape == "pairs":
        folder = _gathered_in(taken.id, taken.plan.aside)
        return gathering.gathered(sources.records(taken.source, taken.plan.aside), folder, taken.reached)
    return sources.records(taken.source, taken.plan.aside, taken.reached)


def bring(session: Session, taken: Taken, batch: list[Entry], keep: Keep) -> None:
    """Add a batch of records and say how far the import has come, both or neither. Raises TakenAway."""
    row = session.scalar(sa.select(Import).filter_by(id=taken.id, fence=taken.fence).with_for_update())
    if row is None:
        raise TakenAway("", f"import {taken.id}")
    report = Report(row.added, row.already, row.faulty, [Fault(*fault) for fault in row.faults])
    if taken.dry:
        try_batch(session, row.project, batch, taken.plan, report)
    else:
        keep(session, row, add_batch(session, row.project, batch, taken.plan, report))
    row.added, row.already, row.faulty = report.added, report.already, report.faulty
    row.faults = [list(fault) for fault in report.faults]
    row.reached, row.heard_at = batch[-1].number, now()
    _keep_upload(row)


def _keep_upload(row: Import) -> None:
    """Make the upload's folder young again: old ones are swept, and an import may take longer than a day."""
    folder = Path(row.aside).parent
    if (folder / "about.json").is_file():
        os.utime(folder)


def replace(session: Session, row: Import) -> None:
    """End an import that broke off, since another of the same file takes its place."""
    row.ended_at, row.fence = now(), row.fence + 1
    row.failure = "Replaced: the same file is imported anew, in another way."


def end(session: Session, taken: Taken, failure: str = "") -> None:
    row = session.scalar(sa.select(Import).filter_by(id=taken.id, fence=taken.fence).with_for_update())
    if row is None:
        return
    row.ended_at, row.failure = now(), failure[:1000]
    if not row.dry:
        audit_import(session, row.author, row.project, Report(row.added, row.already, row.faulty))


def _count(source: Path) -> int | None:
    """Lines or rows, where they can be counted without reading them one by one."""
    if source.suffix.lower() == ".jsonl" and source.is_file():
        with source.open("rb") as file:
            lines, last = 0, b""
            for block in iter(lambda: file.read(1 << 20), b""):
                lines, last = lines + block.count(b"\n"), block
            return lines + (not last.endswith(b"\n"))  # the last line may have no end of its own
    if not (source.is_dir() or source.suffix.lower() in sources.SHARDS):
        return None
    try:
        return sources.count_of(source) or None
    except Invalid:  # reading it will say what is wrong with it
        return None
