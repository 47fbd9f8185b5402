"""Saved review rules applied to what was judged before: at once where that is little, else by the desk's worker.

Some samples a transaction, in the order of their ids, so that nobody waits and a worker that dies loses nothing. What
is submitted meanwhile follows the new rules already.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.accounts.actions import audit
from app.accounts.tables import User
from app.annotations.sampling import settle
from app.annotations.selecting import Rules
from app.annotations.tables import Annotation, RuleChange
from app.core.db import Session, now
from app.core.jobs import nudge
from app.projects.tables import Project

AT_ONCE = 500
"""Samples a transaction; a project with no more of them is done while its admin waits."""


def change_rules(session: Session, author: User, project: Project, rules: Rules) -> RuleChange:
    """Save the rules, and apply them to everything that no person has given a verdict on: now, or soon."""
    session.execute(sa.select(Project.id).where(Project.id == project.id).with_for_update(key_share=True))
    project.review_rules = rules.model_dump()
    session.flush()
    audit(session, author, "project.review_rules", f"project {project.id}", project.id, **rules.model_dump())
    return apply_again(session, author, project)


def apply_again(session: Session, author: User, project: Project) -> RuleChange:
    """The rules as they stand over everything without a person's verdict: what they go by has changed."""
    older = sa.update(RuleChange).where(RuleChange.project_id == project.id, RuleChange.ended_at.is_(None))
    session.execute(older.values(ended_at=now()).execution_options(synchronize_session="fetch"))
    judged = sa.select(sa.func.count(sa.distinct(Annotation.sample_id))).where(Annotation.project_id == project.id)
    change = RuleChange(project_id=project.id, author_id=author.id, samples=session.scalar(judged) or 0, applied=0)
    change.last_sample_id = 0
    session.add(change)
    session.flush()
    if change.samples <= AT_ONCE:
        while _apply(session, project, change):
            pass
        change.ended_at = now()
    else:
        nudge(session, "apply_rules", change.id)
    return change


def go_on(session: Session, change_id: int) -> bool:
    """Apply a change to its next samples; whether there is more to do. Twice at once is harmless: one does nothing."""
    change = session.scalar(
        sa.select(RuleChange)
        .where(RuleChange.id == change_id, RuleChange.ended_at.is_(None))
        .with_for_update(skip_locked=True)
    )
    if change is None:
        return False
    if not _apply(session, session.get_one(Project, change.project_id), change):
        change.ended_at = now()
    return change.ended_at is None


def _apply(session: Session, project: Project, change: RuleChange) -> int:
    following = (
        sa.select(Annotation.sample_id)
        .where(Annotation.project_id == project.id, Annotation.sample_id > change.last_sample_id)
        .distinct()
        .order_by(Annotation.sample_id)
        .limit(AT_ONCE)
    )
    ids = session.scalars(following).all()
    if ids:
        settle(session, project, ids)
        change.applied, change.last_sample_id = change.applied + len(ids), ids[-1]
        session.flush()
    return len(ids)


def unfinished(session: Session) -> list[int]:
    """Changes that are still to be applied: what the sweep offers again."""
    return list(session.scalars(sa.select(RuleChange.id).where(RuleChange.ended_at.is_(None))))


def latest(session: Session, project: Project) -> RuleChange | None:
    """The project's newest change, with its author."""
    return session.scalar(
        sa.select(RuleChange)
        .options(joinedload(RuleChange.author))
        .where(RuleChange.project_id == project.id)
        .order_by(RuleChange.id.desc())
        .limit(1)
    )
