"""Runs' verbs: start, cancel, go on, answer expanded critiques."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.accounts.actions import audit
from app.core.db import Session
from app.core.errors import NotFound
from app.core.jobs import nudge
from app.core.language import gettext as _
from app.core.language import told
from app.projects.guard import Seat
from app.runs import endings, limits, planning, queries
from app.runs.group_tables import RunGroup
from app.runs.refusals import NotResumable, RunEnded
from app.runs.tables import Approval, Cancellation, Critique, Run


def start(
    session: Session,
    seat: Seat,
    *,
    recipe: str,
    name: str,
    config: dict[str, Any],
    inputs: dict[str, int],
    max_hours: float | None = None,
) -> Run:
    """A new run, offered to the trainers; `inputs` are ids by role, of a dataset or of another run.

    It waits while an input is not finished. Raises as `planning.planned`.
    """
    plan = planning.planned(session, seat, recipe, name, config, inputs)
    plan.max_hours = max_hours
    return begin(session, seat, plan)


def begin(session: Session, seat: Seat, plan: planning.Plan, group: RunGroup | None = None) -> Run:
    """The run of a plan, offered to the trainers."""
    run = planning.run_of(seat, plan)
    run.group = group
    session.add(run)
    session.flush()
    audit(session, seat.user, "run.started", f"run {run.id}", seat.project.id, recipe=run.recipe)
    nudge(session, "perform_run", run.id)
    return run


def cancel(session: Session, seat: Seat, run_id: int, reason: str = "") -> None:
    """Ask for the end of a run; one that no worker holds ends at once. Twice is harmless. Raises NotFound, RunEnded."""
    run = queries.run(session, seat, run_id)
    session.execute(sa.select(Run.id).where(Run.id == run.id).with_for_update())
    session.refresh(run, ["ended_at", "claimed_by", "cancellation"])
    if run.ended_at is not None:
        raise RunEnded(_("“%(name)s” has ended already.", name=run.name), f"run {run.id}")
    if run.cancellation is not None:
        return
    run.cancellation = Cancellation(user_id=seat.user.id, reason=reason.replace("\0", "").strip()[:500])
    if run.claimed_by is None:
        endings.end(session, run)
    audit(session, seat.user, "run.cancelled", f"run {run.id}", seat.project.id)
    session.flush()


def resume(session: Session, seat: Seat, run_id: int) -> Run:
    """Let a failed or cancelled run go on from its last checkpoint. Raises NotFound, NotResumable."""
    run = queries.run(session, seat, run_id)
    session.execute(sa.select(Run.id).where(Run.id == run.id).with_for_update())
    session.refresh(run, ["ended_at", "exit_code", "failure"])
    if queries.state_of(run) not in (queries.FAILED, queries.CANCELLED):
        raise NotResumable(
            _(
                "“%(name)s” is %(run)s; only a failed or cancelled run goes on.",
                name=run.name,
                run=told(queries.state_of(run)),
            ),
            f"run {run.id}",
        )
    if run.cancellation is not None:
        session.delete(run.cancellation)
        run.cancellation = None
    limits.afresh(run)
    run.ended_at = run.exit_code = run.failure = run.claimed_by = run.claimed_at = run.heartbeat_at = None
    session.flush()
    audit(session, seat.user, "run.resumed", f"run {run.id}", seat.project.id)
    nudge(session, "perform_run", run.id)
    return run


def clone(session: Session, seat: Seat, run_id: int) -> Run:
    """Start the same again: recipe, config and inputs of an earlier run. Raises as `start`."""
    run = queries.run(session, seat, run_id)
    inputs = {each.role: each.dataset_id or each.from_run_id or 0 for each in run.inputs}
    return start(
        session,
        seat,
        recipe=run.recipe,
        name=f"{run.name} again"[: planning.LONGEST_NAME],
        config=run.config,
        inputs=inputs,
        max_hours=run.max_hours,
    )


def approve(
    session: Session, seat: Seat, run_id: int, critique_ids: list[int] | None = None, approved: bool = True
) -> int:
    """Say yes or no to some of a run's critiques, or to all that nobody has answered; a later answer replaces an
    earlier one. Returns how many were answered. Raises NotFound.
    """
    run = queries.run(session, seat, run_id)
    chosen = sa.select(Critique.id).where(Critique.run_id == run.id)
    if critique_ids is None:
        chosen = chosen.outerjoin(Approval).where(Approval.id.is_(None))
    else:
        chosen = chosen.where(Critique.id.in_(critique_ids))
    ids = list(session.scalars(chosen))
    if critique_ids is not None and len(ids) < len(set(critique_ids)):
        raise NotFound(_("There is no such critique in this run."), f"run {run.id}")
    values = [{"critique_id": each, "user_id": seat.user.id, "approved": approved} for each in ids]
    for begin in range(0, len(values), 1000):
        said = insert(Approval).values(values[begin : begin + 1000])
        new = {"user_id": said.excluded.user_id, "approved": said.excluded.approved, "created_at": sa.func.now()}
        session.execute(said.on_conflict_do_update(index_elements=["critique_id"], set_=new))
    word = "critiques.approved" if approved else "critiques.declined"
    audit(session, seat.user, word, f"run {run.id}", seat.project.id, count=len(ids))
    for waiting in queries.waiting_readers(session, run.id):
        nudge(session, "perform_run", waiting)
    return len(ids)
