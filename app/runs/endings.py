"""The end of a run and who hears of it, in the transaction that ends it: nobody is told of an end that did not stay."""

from __future__ import annotations

import sqlalchemy as sa

from app.accounts import notices
from app.accounts.tables import User
from app.core.db import Session, now
from app.core.language import N_
from app.projects.queries import roles_of
from app.projects.tables import Project
from app.runs import failures, following, queries, webhooks
from app.runs.tables import Run

MESSAGES = {
    queries.DONE: (N_("“%(name)s” in %(project)s is done."), "good"),
    queries.FAILED: (N_("“%(name)s” in %(project)s failed."), "bad"),
    queries.CANCELLED: (N_("“%(name)s” in %(project)s was cancelled."), "neutral"),
}
"""How a run ended → what people are told, and in which tone."""

LOOKERS = frozenset({"admin", "reviewer", "researcher"})
"""Who may look at runs."""


def end(session: Session, run: Run, exit_code: int | None = None, failure: str | None = None) -> None:
    """Write down that a run ended, and tell who wants to know. Of a run that was cancelled no failure is kept."""
    run.ended_at, run.exit_code = now(), exit_code
    run.failure = None if run.cancellation else failure
    tell(session, run)


def tell(session: Session, run: Run) -> None:
    """A notice for the one who started it and for those who follow the project's runs; a message for its webhooks."""
    project = session.get_one(Project, run.project_id)
    message, tone = MESSAGES[queries.state_of(run)]
    address = f"/projects/{project.slug}/runs/{run.id}"
    filling = {"name": run.name, "project": project.name}
    webhooks.tell(session, run, project)
    notices.tell(session, _people(session, project, run), message, address, detail=_detail(run), tone=tone, **filling)


def _people(session: Session, project: Project, run: Run) -> list[int]:
    """Those who may still look at the project's runs."""
    wanted = following.followers(session, project.id) | {run.created_by}
    found = session.scalars(sa.select(User).where(User.id.in_(wanted), User.deactivated_at.is_(None)).order_by(User.id))
    return [user.id for user in found if roles_of(session, user, project) & LOOKERS]


def _detail(run: Run) -> str:
    if run.cancellation:
        return run.cancellation.reason
    return failures.shown(run.failure).what if run.failure else ""
