"""The search for the next task does not grow with the queue, whatever the planner believes of it."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from app.core.db import Session
from app.tasks import searching
from tests.app.annotations import desk

FILL = """
INSERT INTO samples (project_id, external_id, prompt, domain, question_type, content_sha256, credit)
  SELECT :project, 'n' || n, 'What is it?', 'image', 'long', 'n' || n, '' FROM generate_series(1, 20000) n;
INSERT INTO tasks (project_id, sample_id, slot, priority, lane_id, out_of_turn)
  SELECT :project, s.id, 0, 0, (SELECT min(id) FROM lanes WHERE project_id = :project), false
  FROM samples s WHERE s.project_id = :project AND s.external_id LIKE 'n%'
"""
TYPES = {"project": "bigint", "person": "bigint", "languages": "text[]", "skills": "text[]"} | {
    "rank": "int",
    "at": "bigint",
}


@pytest.mark.parametrize("placed", [True, False])
def test_the_prepared_search_walks_an_index_and_sorts_no_queue(session: Session, placed: bool) -> None:
    """A prepared statement is planned without its values. Where the planner believes that hardly a task is free, it
    may as well read them all and sort them: it must believe that most are."""
    project = desk.project(session, samples=1)
    for statement in FILL.split(";"):
        session.execute(sa.text(statement), {"project": project.id})
    session.execute(sa.text("ANALYZE"))
    plan = _generic_plan(session, str(searching._statement(False, placed).text))
    believed = re.search(r"Index Scan using ix_tasks_queue .* rows=(\d+)", plan)
    assert believed and int(believed[1]) > 1000
    assert "Bitmap" not in plan


def _generic_plan(session: Session, search: str) -> str:
    names = list(dict.fromkeys(re.findall(r"(?<!:):(\w+)", search)))
    numbered = re.sub(r"(?<!:):(\w+)", lambda name: f"${names.index(name[1]) + 1}::{TYPES[name[1]]}", search)
    rows = session.connection().exec_driver_sql(f"EXPLAIN (GENERIC_PLAN) {numbered}")
    return "\n".join(row[0] for row in rows)
