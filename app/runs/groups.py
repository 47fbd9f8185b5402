"""Groups: runs that were started together, what became of them, and the verbs for all of them at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import joinedload, selectinload

from app.accounts.log import audit
from app.core.db import Session
from app.core.errors import NotFound
from app.core.language import N_
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.runs import actions, planning, queries, results
from app.runs.group_tables import CHAIN, RunGroup
from app.runs.kinds import KINDS
from app.runs.queries import CANCELLED, DONE, FAILED, RUNNING, STOPPING, WAITING
from app.runs.refusals import GroupEnded, WrongInput
from app.runs.tables import Run, RunInput

LISTED = 100
TITLES = {"chain": N_("Chain"), "sweep": N_("Sweep")}


@dataclass(frozen=True)
class Group:
    """A group with its runs in the order of their steps or points; of a step that was replaced, the newest counts."""

    row: RunGroup
    runs: Sequence[Run]

    def counting(self) -> list[Run]:
        """A chain's runs without those that another one stands in for."""
        if self.row.kind != CHAIN:
            return list(self.runs)
        return list({run.recipe: run for run in self.runs}.values())

    def counts(self) -> Counter[str]:
        return Counter(queries.state_of(run) for run in self.counting())

    def state(self) -> str:
        """What its runs amount to: a chain that waits behind a failed step has failed."""
        counts = self.counts()
        moving = counts[RUNNING] + counts[STOPPING]
        if moving:
            return RUNNING
        if counts[FAILED] and (self.row.kind == CHAIN or not counts[WAITING]):
            return FAILED
        if counts[CANCELLED] and (self.row.kind == CHAIN or not counts[WAITING]):
            return CANCELLED
        return WAITING if counts[WAITING] else DONE


def begin(
    session: Session, seat: Seat, kind: str, name: str, settings: Mapping[str, Any], plans: Sequence[planning.Plan]
) -> RunGroup:
    """A group and its runs, in this order; each was checked before the first is written."""
    row = RunGroup(project_id=seat.project.id, kind=kind, name=name, settings=dict(settings), created_by=seat.user.id)
    session.add(row)
    session.flush()
    for plan in plans:
        actions.begin(session, seat, plan, row)
    audit(session, seat.user, f"{kind}.started", f"group {row.id}", seat.project.id, runs=len(plans))
    return row


def of_project(session: Session, seat: Seat) -> list[Group]:
    """The newest groups of the project."""
    rows = session.scalars(
        sa.select(RunGroup)
        .options(joinedload(RunGroup.author))
        .where(RunGroup.project_id == seat.project.id)
        .order_by(RunGroup.id.desc())
        .limit(LISTED)
    ).all()
    runs = _runs(session, [row.id for row in rows])
    return [Group(row, [run for run in runs if run.group_id == row.id]) for row in rows]


def one(session: Session, seat: Seat, group_id: int) -> Group:
    """Raises NotFound."""
    row = session.scalar(
        sa.select(RunGroup)
        .options(joinedload(RunGroup.author))
        .where(RunGroup.id == group_id, RunGroup.project_id == seat.project.id)
    )
    if row is None:
        raise NotFound(_("There is no such chain or sweep in this project."), f"group {group_id}")
    return Group(row, _runs(session, [row.id]))


def _runs(session: Session, ids: Sequence[int]) -> list[Run]:
    query = (
        sa.select(Run)
        .options(
            joinedload(Run.cancellation),
            selectinload(Run.inputs).joinedload(RunInput.from_run).joinedload(Run.cancellation),
        )
        .where(Run.group_id.in_(ids))
    )
    found = list(session.scalars(query.order_by(Run.id)))
    place = {recipe: number for number, recipe in enumerate(KINDS)}
    return sorted(found, key=lambda run: (run.group_id or 0, place[run.recipe], run.id))


def cancel(session: Session, seat: Seat, group_id: int, reason: str = "") -> None:
    """Ask for the end of all that goes on or waits, the last steps first. Raises NotFound, GroupEnded."""
    group = one(session, seat, group_id)
    open_ones = [run for run in group.runs if run.ended_at is None]
    if not open_ones:
        raise GroupEnded(_("“%(name)s” has ended already.", name=group.row.name), f"group {group_id}")
    for run in reversed(open_ones):
        actions.cancel(session, seat, run.id, reason)


def resume(session: Session, seat: Seat, group_id: int) -> None:
    """Let every failed or cancelled run go on; a chain goes on where it stopped. Raises NotFound, GroupEnded."""
    group = one(session, seat, group_id)
    stopped = [run for run in group.counting() if queries.state_of(run) in (FAILED, CANCELLED)]
    if not stopped:
        raise GroupEnded(
            _("Nothing of “%(name)s” has failed or was cancelled.", name=group.row.name), f"group {group_id}"
        )
    for run in stopped:
        actions.resume(session, seat, run.id)


def replace(session: Session, seat: Seat, instead: str, plan: planning.Plan) -> Run:
    """A run in the place of a step that failed or was cancelled: the later steps of the chain read it from now on.

    Raises NotFound, WrongInput.
    """
    old = queries.run(session, seat, int(instead) if instead.isdecimal() and len(instead) < 18 else 0)
    if old.group is None or old.recipe != plan.kind.recipe or queries.state_of(old) not in (FAILED, CANCELLED):
        raise WrongInput(
            _("Only a failed or cancelled step of a chain is replaced, by a run of its recipe."), "instead"
        )
    run = actions.begin(session, seat, plan, old.group)
    later = sa.select(Run.id).where(Run.group_id == old.group_id, Run.started_at.is_(None))
    session.execute(
        sa.update(RunInput)
        .where(RunInput.from_run_id == old.id, RunInput.run_id.in_(later))
        .values(from_run_id=run.id)
        .execution_options(synchronize_session=False)
    )
    return run


@dataclass(frozen=True)
class Point:
    """One run of a sweep: its values of the varied fields, and its numbers."""

    run: Run
    values: list[str]
    numbers: dict[str, str]
    share: float | None
    """What the points are compared by, 0 to 1; None where the run has left no share yet."""


def points(group: Group) -> tuple[list[str], list[Point]]:
    """Names of the numbers that the sweep's runs left, the one they are compared by first; and a point a run."""
    names = [name for name, _value in _order(group.runs)][:FIGURES]
    main = next(iter(names), "")
    fields = group.row.settings.get("fields", {})
    found = [
        Point(
            run,
            [str(run.config.get(name, "")) for name in fields],
            {
                name: results.numbers({name: (run.result or {})[name]})[0][1]
                for name in names
                if name in (run.result or {})
            },
            (run.result or {}).get(main) if results.is_share(main) else None,
        )
        for run in group.runs
    ]
    return names, found


FIGURES = 4


def _order(runs: Sequence[Run]) -> list[tuple[str, Any]]:
    """Shares before other numbers, as a run's page orders them."""
    merged = {
        name: value for run in runs for name, value in (run.result or {}).items() if isinstance(value, int | float)
    }
    place = {name: number for number, name in enumerate(results.LABELS)}
    return sorted(merged.items(), key=lambda each: (not results.is_share(each[0]), place.get(each[0], len(place))))
