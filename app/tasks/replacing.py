"""Tasks that stand in for others: cut for many at once, and taken back while nobody has begun one."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.core.db import Session, among
from app.tasks.tables import Lease, Task


def replace_all(session: Session, task_ids: Sequence[int]) -> None:
    """One more task of the same sample in place of each; twice is harmless."""
    top = (
        sa.select(sa.func.max(Task.slot)).where(Task.sample_id == sa.literal_column("old.sample_id")).scalar_subquery()
    )
    old = sa.select(Task).where(among(Task.id, task_ids)).subquery("old")
    nth = sa.func.row_number().over(partition_by=old.c.sample_id, order_by=old.c.id)
    columns = [old.c.project_id, old.c.sample_id, top + nth, old.c.priority + 1, old.c.lane_id, sa.true(), old.c.id]
    names = ["project_id", "sample_id", "slot", "priority", "lane_id", "out_of_turn", "replaces_id"]
    put = insert(Task).from_select(names, sa.select(*columns).select_from(old).order_by(old.c.id))
    session.execute(put.on_conflict_do_nothing(index_elements=["replaces_id"]))


def touched(task: type[Task]) -> sa.ColumnElement[bool]:
    """Whether somebody has the task, or has had it open."""
    held = sa.or_(Lease.opened_at.is_not(None), Lease.ended_at.is_(None))
    return sa.or_(sa.exists().where(Lease.task_id == task.id, held), task.done_by_id.is_not(None))


def begun(session: Session, task_ids: Sequence[int]) -> int:
    """How many of the tasks that stand in for these were taken up; all of them are locked."""
    mine = sa.select(Task.id).where(among(Task.replaces_id, task_ids)).order_by(Task.id).with_for_update()
    ids = session.scalars(mine).all()
    query = sa.select(sa.func.count()).select_from(Task).where(among(Task.id, ids), touched(Task))
    return session.scalar(query) or 0


def take_back(session: Session, task_ids: Sequence[int]) -> None:
    """Remove the tasks that stand in for these; `begun` must have said that nobody has one."""
    ids = session.scalars(sa.select(Task.id).where(among(Task.replaces_id, task_ids))).all()
    session.execute(sa.delete(Lease).where(among(Lease.task_id, ids)))
    session.execute(sa.delete(Task).where(among(Task.id, ids)))
