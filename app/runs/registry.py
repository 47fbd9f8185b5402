"""The register of checkpoints: reading it, and promoting one to candidate or current with who, when and why."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import joinedload, selectinload

from app.accounts.actions import audit
from app.core import storage
from app.core.db import Session, now
from app.core.errors import NotFound
from app.core.language import N_, told
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.projects.tables import Project
from app.runs.refusals import AlreadyStands, CheckpointGone, NotPromoted, ReasonMissing
from app.runs.registry_tables import CANDIDATE, CURRENT, CheckpointDeletion, Promotion, Push, RetentionRule
from app.runs.tables import Checkpoint, Run

STANDINGS = (CANDIDATE, CURRENT)
LONGEST_REASON = 500
KINDS = {"policy": N_("Policy"), "reward": N_("Reward model")}
"""What a kind of checkpoint is called."""

MOST = 500
"""Checkpoints of one page, the newest."""


def checkpoints(session: Session, seat: Seat, gone: bool = False) -> list[Checkpoint]:
    """The project's checkpoints, newest first: those that are there, or those that were deleted."""
    query = (
        sa.select(Checkpoint)
        .join(Checkpoint.run)
        .outerjoin(Checkpoint.deletion)
        .options(*_with_all())
        .where(Run.project_id == seat.project.id, CheckpointDeletion.id.is_not(None) if gone else _there())
    )
    return list(session.scalars(query.order_by(Checkpoint.id.desc()).limit(MOST)))


def _there() -> sa.ColumnElement[bool]:
    return CheckpointDeletion.id.is_(None)


def _with_all() -> list[sa.orm.interfaces.ORMOption]:
    return [
        joinedload(Checkpoint.run).joinedload(Run.author),
        joinedload(Checkpoint.deletion).joinedload(CheckpointDeletion.user),
        selectinload(Checkpoint.promotions).options(joinedload(Promotion.user), joinedload(Promotion.ender)),
        selectinload(Checkpoint.pushes).joinedload(Push.user),
    ]


def checkpoint(session: Session, seat: Seat, checkpoint_id: int) -> Checkpoint:
    """The project's checkpoint with its history. Raises NotFound."""
    query = sa.select(Checkpoint).join(Checkpoint.run).options(*_with_all())
    found = session.scalar(query.where(Checkpoint.id == checkpoint_id, Run.project_id == seat.project.id))
    if found is None:
        raise NotFound(_("There is no such checkpoint in this project."), f"checkpoint {checkpoint_id}")
    return found


def standing_of(one: Checkpoint) -> Promotion | None:
    """The promotion that holds, if any."""
    return next((each for each in one.promotions if each.ended_at is None), None)


def folder_of(one: Checkpoint) -> Path:
    return storage.run_folder(one.run_id) / one.path


def size_of(*folders: Path) -> int:
    """Bytes of all files in the folders; one that is not there counts nothing."""
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def held(session: Session, seat: Seat, checkpoint_id: int) -> Checkpoint:
    """The checkpoint, which nobody else changes until the transaction ends. Raises NotFound, CheckpointGone.

    The project's row is held first: what is current is a matter of all its checkpoints.
    """
    session.execute(sa.select(Project.id).where(Project.id == seat.project.id).with_for_update())
    session.execute(sa.select(Checkpoint.id).where(Checkpoint.id == checkpoint_id).with_for_update())
    found = checkpoint(session, seat, checkpoint_id)
    session.refresh(found, ["deletion", "promotions"])
    if found.deletion is not None:
        raise CheckpointGone(
            _("The weights of run %(id)s were deleted.", id=found.run_id), f"checkpoint {checkpoint_id}"
        )
    return found


def checked_reason(reason: str) -> str:
    """Raises ReasonMissing."""
    reason = " ".join(reason.replace("\0", "").split())
    if not reason or len(reason) > LONGEST_REASON:
        raise ReasonMissing(
            _("Say why, in at most %(most)s characters: others will ask.", most=LONGEST_REASON), "reason"
        )
    return reason


def promote(session: Session, seat: Seat, checkpoint_id: int, standing: str, reason: str) -> Promotion:
    """Make a checkpoint candidate or current; what was current of its kind is so no longer.

    Raises NotFound, CheckpointGone, ReasonMissing, AlreadyStands.
    """
    reason = checked_reason(reason)
    one = held(session, seat, checkpoint_id)
    before = standing_of(one)
    if before and before.standing == standing:
        raise AlreadyStands(_("It is %(standing)s already.", standing=told(standing)), f"checkpoint {checkpoint_id}")
    ending = [before, _current(session, seat, one.kind) if standing == CURRENT else None]
    for each in {each.id: each for each in ending if each}.values():
        _end(each, seat, reason)
    session.flush()  # the open ones end before the new one begins
    made = Promotion(
        project_id=seat.project.id, checkpoint_id=one.id, kind=one.kind, standing=standing,
        user_id=seat.user.id, reason=reason,
    )  # fmt: skip
    one.promotions.append(made)
    session.flush()
    detail = {"standing": standing, "kind": one.kind, "reason": reason}
    audit(session, seat.user, "checkpoint.promoted", f"run {one.run_id}", seat.project.id, **detail)
    return made


def _current(session: Session, seat: Seat, kind: str) -> Promotion | None:
    query = sa.select(Promotion).where(Promotion.project_id == seat.project.id, Promotion.kind == kind)
    return session.scalar(query.where(Promotion.standing == CURRENT, Promotion.ended_at.is_(None)))


def withdraw(session: Session, seat: Seat, checkpoint_id: int, reason: str) -> None:
    """End a checkpoint's standing. Raises NotFound, CheckpointGone, ReasonMissing, NotPromoted."""
    reason = checked_reason(reason)
    one = held(session, seat, checkpoint_id)
    promotion = standing_of(one)
    if promotion is None:
        raise NotPromoted(_("It is neither candidate nor current."), f"checkpoint {checkpoint_id}")
    _end(promotion, seat, reason)
    session.flush()
    detail = {"standing": promotion.standing, "kind": one.kind, "reason": reason}
    audit(session, seat.user, "checkpoint.withdrawn", f"run {one.run_id}", seat.project.id, **detail)


def _end(promotion: Promotion, seat: Seat, reason: str) -> None:
    promotion.ended_at, promotion.ended_by, promotion.ended_reason = now(), seat.user.id, reason


def rule(session: Session, project_id: int) -> RetentionRule | None:
    """The project's rule that holds, if anybody made one."""
    query = sa.select(RetentionRule).options(joinedload(RetentionRule.user))
    return session.scalar(
        query.where(RetentionRule.project_id == project_id).order_by(RetentionRule.id.desc()).limit(1)
    )
