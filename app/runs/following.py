"""Following a project's runs: being told when any of them ends, as one always is of one's own."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.core.db import Session
from app.projects.guard import Seat
from app.runs.following_tables import Following


def follow(session: Session, seat: Seat) -> None:
    """Twice is harmless."""
    row = {"project_id": seat.project.id, "user_id": seat.user.id}
    session.execute(insert(Following).values(row).on_conflict_do_nothing())


def unfollow(session: Session, seat: Seat) -> None:
    """Twice is harmless."""
    session.execute(
        sa.delete(Following).where(Following.project_id == seat.project.id, Following.user_id == seat.user.id)
    )


def follows(session: Session, seat: Seat) -> bool:
    query = sa.select(Following.id).where(Following.project_id == seat.project.id, Following.user_id == seat.user.id)
    return session.scalar(query) is not None


def followers(session: Session, project_id: int) -> set[int]:
    """Their ids, also of those who may no longer look at runs."""
    return set(session.scalars(sa.select(Following.user_id).where(Following.project_id == project_id)))
