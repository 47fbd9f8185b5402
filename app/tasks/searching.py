"""The search for a person's next task, at a cost that grows neither with the project nor with what they have done.

Each lane that is open to the person is looked into from their place on, by an index that holds open tasks alone; what
came back behind that place stands in an index of its own. A row that somebody is just taking is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.core.db import Session
from app.projects.guard import Seat
from app.tasks.standing import Record
from app.tasks.tables import Place, Task

MOVED = 32
"""Ids that lie between the kept place and a new one before it is written again: a hint may lag."""

# Subqueries instead of NOT EXISTS: the planner must probe them row by row, never read a whole table to hash it. And
# IS DISTINCT FROM instead of IS NULL: of that it believes that hardly any row is left, and sorts the whole queue first.
FREE = """
    tasks.project_id = :project AND tasks.lane_id = lane.id
    AND tasks.done_at IS NULL AND tasks.done_by_id IS NULL AND tasks.gold_id IS NULL
    AND (SELECT 1 FROM leases WHERE leases.task_id = tasks.id AND leases.ended_at IS NULL LIMIT 1) IS DISTINCT FROM 1
    AND (SELECT 1 FROM tasks mine WHERE mine.done_by_id = :person AND mine.sample_id = tasks.sample_id
         LIMIT 1) IS DISTINCT FROM 1
    AND (SELECT 1 FROM skips WHERE skips.sample_id = tasks.sample_id AND skips.user_id = :person
         LIMIT 1) IS DISTINCT FROM 1
    AND (SELECT 1 FROM leases own WHERE own.sample_id = tasks.sample_id AND own.user_id = :person
         AND own.ended_at IS NULL LIMIT 1) IS DISTINCT FROM 1
"""
CLUSTER = "AND (SELECT cluster FROM samples WHERE samples.id = tasks.sample_id) <> ALL (:full)"
FIRST = "ORDER BY -tasks.priority, tasks.id LIMIT 1 FOR UPDATE OF tasks SKIP LOCKED"


def first_free(session: Session, seat: Seat, record: Record, from_start: bool = False) -> Task | None:
    """The first task in the queue that this person may have, locked; what others are just taking is passed over.

    from_start: look also before the place up to which the person has come.
    """
    place = None if from_start else record.place
    statement = _statement(bool(record.full_clusters), place is not None)
    bound = {
        "project": seat.project.id,
        "person": seat.user.id,
        "languages": list(record.languages),
        "skills": list(record.skills),
    }
    if record.full_clusters:
        bound["full"] = list(record.full_clusters)
    if place:
        bound |= {"rank": -place[0], "at": place[1]}
    task: Task | None = session.scalar(
        sa.select(Task).from_statement(statement).execution_options(populate_existing=True), bound
    )
    if task is not None and not task.out_of_turn:
        _move(session, seat, record, task)
    return task


_known: dict[tuple[bool, bool], sa.TextClause] = {}


def _statement(some_full: bool, placed: bool) -> sa.TextClause:
    """One statement object a shape, so that its compiled form is found again."""
    if (some_full, placed) not in _known:
        fit = FREE + (CLUSTER if some_full else "")
        ahead = "AND (-tasks.priority, tasks.id) >= (:rank, :at)" if placed else ""
        parts = {"ahead": f"{fit} {ahead}"} | ({"back": f"{fit} AND tasks.out_of_turn"} if placed else {})
        _known[some_full, placed] = sa.text(
            f"WITH lane AS MATERIALIZED ({_LANES}), {', '.join(_part(*part) for part in parts.items())} "
            f"SELECT tasks.* FROM tasks WHERE tasks.id = (SELECT id FROM ({_all(list(parts))}) found "
            f"ORDER BY -priority, id LIMIT 1)"
        )
    return _known[some_full, placed]


_LANES = """
    SELECT id FROM lanes WHERE project_id = :project
    AND (language = '' OR language = ANY (:languages)) AND (skill = '' OR skill = ANY (:skills))
"""


def _part(name: str, fit: str) -> str:
    one = f"SELECT tasks.id, tasks.priority FROM tasks WHERE {fit} {FIRST}"
    return f"{name} AS (SELECT one.id, one.priority FROM lane CROSS JOIN LATERAL ({one}) one)"


def _all(names: Sequence[str]) -> str:
    return " UNION ALL ".join(f"SELECT id, priority FROM {name}" for name in names)


def _move(session: Session, seat: Seat, record: Record, task: Task) -> None:
    """Keep how far the person has come, where it is worth a write."""
    if record.place and record.place[0] == task.priority and 0 <= task.id - record.place[1] < MOVED:
        return
    new = {"priority": task.priority, "task_id": task.id}
    put = insert(Place).values(project_id=seat.project.id, user_id=seat.user.id, **new)
    session.execute(put.on_conflict_do_update(index_elements=["project_id", "user_id"], set_=new))
