"""Cutting tasks from samples: how many each gets, with what priority, and what they ask of the person who does them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.accounts.actions import audit
from app.accounts.tables import User
from app.core.db import Session
from app.projects.tables import Project
from app.samples.queries import is_aside
from app.samples.tables import Response, Sample
from app.tasks import ruling
from app.tasks.record_tables import Gold
from app.tasks.tables import Lane, Place, Task


def cut_tasks(session: Session, project: Project, author: User, sample_ids: Sequence[int] | None = None) -> int:
    """Bring each sample (all, or the named ones) up to its overlap; returns how many tasks were added.

    Twice is harmless. A task cut for a rejected annotation stands in for another and does not count; a sample whose
    answer is known gets no task here (`app.tasks.gold`).
    """
    laid = _laid(project)
    _make_lanes(session, project, laid)
    there = (
        sa.select(sa.func.coalesce(sa.func.max(Task.slot) + 1, 0))
        .where(Task.sample_id == Sample.id)
        .correlate(Sample)
        .scalar_subquery()
    )
    missing = sa.func.generate_series(0, laid["overlap"] - 1 - live_tasks()).table_valued("nth").render_derived()
    wanted = (
        sa.select(
            sa.literal(project.id), Sample.id, there + missing.c.nth, laid["priority"], Lane.id, sa.literal(False)
        )
        .select_from(sa.join(Sample, missing, sa.true()).join(Lane, _lane_of(project, laid)))
        .where(Sample.project_id == project.id, ~has_gold(), can_be_judged(), ~is_aside())
        .order_by(Sample.id)
    )
    if sample_ids is not None:
        wanted = wanted.where(Sample.id.in_(sample_ids))
    added = session.scalars(
        insert(Task)
        .from_select(["project_id", "sample_id", "slot", "priority", "lane_id", "out_of_turn"], wanted)
        .on_conflict_do_nothing()
        .returning(Task.id)
    ).all()
    if added:
        forget_places(session, project)
        audit(session, author, "tasks.cut", f"project {project.id}", project.id, added=len(added))
    return len(added)


def live_tasks() -> sa.ScalarSelect[int]:
    """How many of a Sample's tasks count towards its overlap."""
    return (
        sa.select(sa.func.count())
        .where(Task.sample_id == Sample.id, Task.replaces_id.is_(None), Task.gold_id.is_(None))
        .correlate(Sample)
        .scalar_subquery()
    )


def has_gold() -> sa.ColumnElement[bool]:
    return sa.exists().where(Gold.sample_id == Sample.id, Gold.retired_at.is_(None)).correlate(Sample)


def can_be_judged() -> sa.ColumnElement[bool]:
    """A Sample with at least two responses: there is something to compare."""
    return sa.exists().where(Response.sample_id == Sample.id, Response.position == 1).correlate(Sample)


def overlap_of(project: Project) -> Any:
    """How many people judge a Sample."""
    return _laid(project)["overlap"]


def _laid(project: Project) -> dict[str, Any]:
    rules = ruling.rules_of(project)
    return {
        "overlap": rules.of_stratum(lambda stratum: stratum.overlap, project.overlap),
        "priority": rules.of_stratum(lambda stratum: stratum.priority, 0),
        "skill": rules.of_stratum(lambda stratum: stratum.skill, ""),
        "language": sa.func.lower(Sample.language) if rules.by_language else sa.literal(""),
    }


def _make_lanes(session: Session, project: Project, laid: dict[str, Any]) -> None:
    found = (
        sa.select(sa.literal(project.id), laid["language"], laid["skill"])
        .where(Sample.project_id == project.id)
        .distinct()
    )
    session.execute(insert(Lane).from_select(["project_id", "language", "skill"], found).on_conflict_do_nothing())


def _lane_of(project: Project, laid: dict[str, Any]) -> sa.ColumnElement[bool]:
    return sa.and_(Lane.project_id == project.id, Lane.language == laid["language"], Lane.skill == laid["skill"])


def plain_lane(session: Session, project_id: int) -> int:
    """The id of the lane that asks for nothing."""
    session.execute(insert(Lane).values(project_id=project_id, language="", skill="").on_conflict_do_nothing())
    return session.scalars(sa.select(Lane.id).filter_by(project_id=project_id, language="", skill="")).one()


def change_rules(session: Session, author: User, project: Project, rules: ruling.Rules) -> None:
    """Save the rules and lay the open tasks anew. Tasks that were cut stay, also where an overlap became smaller."""
    project.queue_rules = rules.model_dump()
    session.flush()
    audit(session, author, "project.queue_rules", f"project {project.id}", project.id, **rules.model_dump())
    lay_again(session, project)


def lay_again(session: Session, project: Project) -> None:
    """Give open tasks the priority and the lane that the project's rules say now. A replacement keeps its lead of one.

    How many tasks a sample has is left to `cut_tasks`.
    """
    laid = _laid(project)
    _make_lanes(session, project, laid)
    lead = sa.case((Task.replaces_id.is_not(None), 1), else_=0)
    session.execute(
        sa.update(Task)
        .where(
            Task.project_id == project.id,
            Task.done_at.is_(None),
            Task.done_by_id.is_(None),
            Task.sample_id == Sample.id,
            _lane_of(project, laid),
            sa.or_(Task.priority != laid["priority"] + lead, Task.lane_id != Lane.id),
        )
        .values(priority=laid["priority"] + lead, lane_id=Lane.id)
        .execution_options(synchronize_session=False)
    )
    forget_places(session, project)


def forget_places(session: Session, project: Project, user_id: int | None = None) -> None:
    """Everybody, or one person, looks through the queue from its start again."""
    statement = sa.delete(Place).where(Place.project_id == project.id)
    if user_id is not None:
        statement = statement.where(Place.user_id == user_id)
    session.execute(statement.execution_options(synchronize_session=False))


def cut_replacement(session: Session, task: Task) -> None:
    """One more task of the sample in place of this one; twice is harmless. What tests a person is not replaced."""
    if task.gold_id is not None:
        return
    slot = sa.select(sa.func.max(Task.slot) + 1).where(Task.sample_id == task.sample_id).scalar_subquery()
    session.execute(
        insert(Task)
        .values(
            project_id=task.project_id,
            sample_id=task.sample_id,
            slot=slot,
            priority=task.priority + 1,
            lane_id=task.lane_id,
            out_of_turn=True,
            replaces_id=task.id,
        )
        .on_conflict_do_nothing(index_elements=["replaces_id"])
    )
