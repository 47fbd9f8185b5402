"""Giving up a checkpoint's weights: who uses it is named first, and what is used or current stays."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import joinedload, selectinload

from app.accounts.actions import audit
from app.core import storage
from app.core.db import Session, now
from app.core.jobs import nudge
from app.core.language import N_
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.runs import kinds, queries, registry
from app.runs.playground_tables import Turn
from app.runs.refusals import CheckpointInUse, CheckpointIsCurrent
from app.runs.registry_tables import CURRENT, CheckpointDeletion
from app.runs.tables import Checkpoint, Run, RunInput

WEIGHTS = ("output/checkpoint", "output/merged", "best", "checkpoints")
"""Folders of a run that hold weights. What it reported, wrote and measured stays."""

BASE = N_("base model")


@dataclass(frozen=True)
class User:
    """A run that uses a checkpoint, as which input; `needs` says whether it would miss it."""

    run: Run
    role: str
    needs: bool


def users_of(session: Session, one: Checkpoint) -> list[User]:
    """Every run that reads the checkpoint or begins from it, oldest first.

    A run needs it while it has not ended; and one that left an adapter on it, for as long as that adapter is there.
    """
    readers = session.execute(
        sa.select(RunInput.role, Run)
        .join(Run, RunInput.run_id == Run.id)
        .options(joinedload(Run.cancellation))
        .where(RunInput.from_run_id == one.run_id)
    )
    found = [User(run, kinds.label_of(role), run.ended_at is None) for role, run in readers]
    found += [User(run, BASE, run.ended_at is None or _stands_on_it(run)) for run in _begun_from(session, one)]
    return sorted(found, key=lambda user: user.run.id)


def _begun_from(session: Session, one: Checkpoint) -> list[Run]:
    pairs = queries.begun_from(session, one.run.project_id)
    ids = [run for source, run in pairs if source == one.run_id]
    checkpoints = selectinload(Run.checkpoints).joinedload(Checkpoint.deletion)
    query = sa.select(Run).options(joinedload(Run.cancellation), checkpoints)
    return list(session.scalars(query.where(Run.id.in_(ids))))


class Questions(NamedTuple):
    """Those of the playground that were put to a checkpoint or judged by it; `open`: those not answered yet."""

    asked: int
    open: int


def questions_of(session: Session, one: Checkpoint) -> Questions:
    many = sa.func.count()
    query = sa.select(many, many.filter(Turn.ended_at.is_(None))).select_from(Turn)
    mine = sa.or_(Turn.left_id == one.id, Turn.right_id == one.id, Turn.reward_id == one.id)
    return Questions(*session.execute(query.where(mine)).one())


def _stands_on_it(run: Run) -> bool:
    """Whether the run's own checkpoint is there and no more than an adapter over its base."""
    return any(each.deletion is None and (registry.folder_of(each) / ADAPTER).is_file() for each in run.checkpoints)


ADAPTER = "adapter_config.json"


def freed_by(one: Checkpoint) -> int:
    """Bytes that deleting the weights would free."""
    return registry.size_of(*_folders(one))


def _folders(one: Checkpoint) -> list[Path]:
    return [storage.run_folder(one.run_id) / name for name in WEIGHTS]


def obstacle(one: Checkpoint, users: list[User], questions: Questions) -> CheckpointInUse | CheckpointIsCurrent | None:
    """Why the checkpoint may not be deleted now, if it may not."""
    where = f"checkpoint {one.id}"
    promotion = registry.standing_of(one)
    if promotion and promotion.standing == CURRENT:
        return CheckpointIsCurrent(_("This is the project's current checkpoint of its kind."), where)
    if any(push.ended_at is None for push in one.pushes):
        return CheckpointInUse(_("It is being pushed elsewhere."), where)
    if questions.open:
        return CheckpointInUse(_("It is answering a question of the playground."), where)
    if needing := [user.run for user in users if user.needs]:
        names = ", ".join(f"#{run.id} {run.name}" for run in needing[:5])
        return CheckpointInUse(_("It is needed by %(runs)s.", runs=names), where)
    return None


def delete(session: Session, seat: Seat, checkpoint_id: int, reason: str) -> None:
    """Give up the weights; a candidate's standing ends with them. The files go after the commit.

    Raises NotFound, CheckpointGone, ReasonMissing, CheckpointIsCurrent, CheckpointInUse.
    """
    reason = registry.checked_reason(reason)
    one = registry.held(session, seat, checkpoint_id)
    if refusal := obstacle(one, users_of(session, one), questions_of(session, one)):
        raise refusal
    if registry.standing_of(one):
        registry.withdraw(session, seat, checkpoint_id, reason)
    give_up(session, one, seat.user.id, reason)
    detail = {"kind": one.kind, "sha256": one.sha256, "reason": reason}
    audit(session, seat.user, "checkpoint.deleted", f"run {one.run_id}", seat.project.id, **detail)


def give_up(session: Session, one: Checkpoint, user_id: int | None, reason: str) -> None:
    """Write down that the weights go; `clear` takes them from the disk."""
    session.add(CheckpointDeletion(checkpoint_id=one.id, user_id=user_id, reason=reason, bytes=freed_by(one)))
    session.flush()
    nudge(session, "tidy_checkpoints")


def clear(session: Session) -> int:
    """Take from the disk what was given up; twice is harmless. Returns how many checkpoints' files went."""
    query = (
        sa.select(CheckpointDeletion)
        .options(joinedload(CheckpointDeletion.checkpoint))
        .where(CheckpointDeletion.cleared_at.is_(None))
    )
    cleared = session.scalars(query.with_for_update(skip_locked=True, of=CheckpointDeletion)).all()
    for each in cleared:
        for folder in _folders(each.checkpoint):
            if folder.exists():
                shutil.rmtree(folder)
        each.cleared_at = now()
    return len(cleared)
