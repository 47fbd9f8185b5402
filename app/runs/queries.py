"""Every select of the runs room; reads start from the seat."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import joinedload, selectinload

from app.core import storage
from app.core.db import Session
from app.core.errors import NotFound
from app.core.language import gettext as _
from app.datasets.tables import Dataset
from app.projects.guard import Seat
from app.runs.registry_tables import CheckpointDeletion
from app.runs.tables import Approval, Cancellation, Checkpoint, Critique, Metric, Run, RunInput

PAGE = 50
WAITING, RUNNING, STOPPING, DONE, FAILED, CANCELLED = "waiting", "running", "stopping", "done", "failed", "cancelled"


def state_of(run: Run) -> str:
    """What happened to a run, read off its moments and its cancellation."""
    if run.ended_at is not None:
        return CANCELLED if run.cancellation else DONE if run.exit_code == 0 and not run.failure else FAILED
    if run.claimed_by is None:
        return WAITING
    return STOPPING if run.cancellation else RUNNING


def states(session: Session) -> dict[tuple[str, str], int]:
    """(recipe, state as of `state_of`) → how many runs of the whole installation are in it."""
    cancelled = sa.exists().where(Cancellation.run_id == Run.id)
    well = sa.and_(Run.exit_code == 0, sa.func.coalesce(Run.failure, "") == "")
    ended = sa.case((cancelled, CANCELLED), (well, DONE), else_=FAILED)
    going = sa.case((Run.claimed_by.is_(None), WAITING), (cancelled, STOPPING), else_=RUNNING)
    state = sa.case((Run.ended_at.is_not(None), ended), else_=going).label("state")
    rows = session.execute(sa.select(Run.recipe, state, sa.func.count()).group_by(Run.recipe, state))
    return {(recipe, name): many for recipe, name, many in rows}


def run(session: Session, seat: Seat, run_id: int) -> Run:
    """The project's run with all that its page shows. Raises NotFound."""
    found = session.scalar(
        sa.select(Run)
        .options(
            joinedload(Run.author),
            joinedload(Run.group),
            joinedload(Run.cancellation).joinedload(Cancellation.user),
            selectinload(Run.inputs).joinedload(RunInput.dataset),
            selectinload(Run.inputs).joinedload(RunInput.from_run).joinedload(Run.cancellation),
            selectinload(Run.checkpoints),
        )
        .where(Run.id == run_id, Run.project_id == seat.project.id)
    )
    if found is None:
        raise NotFound(_("There is no such run in this project."), f"run {run_id}")
    return found


def runs_of_ids(session: Session, seat: Seat, ids: list[int]) -> list[Run]:
    """These runs of the project, in this order, with what they read. Raises NotFound where one is not the project's."""
    found = session.scalars(
        sa.select(Run)
        .options(
            joinedload(Run.author),
            joinedload(Run.cancellation),
            selectinload(Run.inputs).joinedload(RunInput.dataset),
            selectinload(Run.inputs).joinedload(RunInput.from_run),
        )
        .where(Run.id.in_(ids), Run.project_id == seat.project.id)
    )
    known = {each.id: each for each in found}
    for number in ids:
        if number not in known:
            raise NotFound(_("There is no such run in this project."), f"run {number}")
    return [known[number] for number in ids]


def dataset(session: Session, seat: Seat, dataset_id: int) -> Dataset:
    """The project's dataset. Raises NotFound."""
    found = session.scalar(sa.select(Dataset).where(Dataset.id == dataset_id, Dataset.project_id == seat.project.id))
    if found is None:
        raise NotFound(_("There is no such dataset in this project."), f"dataset {dataset_id}")
    return found


def runs(session: Session, seat: Seat, before: int = 0) -> list[Run]:
    """A page of the project's runs and one more, newest first."""
    query = (
        sa.select(Run)
        .options(joinedload(Run.author), joinedload(Run.cancellation), joinedload(Run.group))
        .where(Run.project_id == seat.project.id)
    )
    query = query.where(Run.id < before) if before else query
    return list(session.scalars(query.order_by(Run.id.desc()).limit(PAGE + 1)))


def datasets(session: Session, seat: Seat) -> list[Dataset]:
    return list(
        session.scalars(sa.select(Dataset).where(Dataset.project_id == seat.project.id).order_by(Dataset.id.desc()))
    )


def usable_runs(session: Session, seat: Seat, recipe: str) -> list[Run]:
    """Runs of a recipe whose output is there or may still come, newest first."""
    found = session.scalars(
        sa.select(Run)
        .options(joinedload(Run.cancellation))
        .where(Run.project_id == seat.project.id, Run.recipe == recipe)
        .where(~sa.exists().where(Checkpoint.run_id == Run.id, CheckpointDeletion.checkpoint_id == Checkpoint.id))
        .order_by(Run.id.desc())
        .limit(200)
    )
    return [each for each in found if state_of(each) in (WAITING, RUNNING, DONE)]


def begun_from(session: Session, project_id: int) -> list[tuple[int, int]]:
    """(earlier run, later run) wherever a run's base model lies in the folder of an earlier one: no input, but it came
    from it.
    """
    base, folders = Run.config["base"].astext, f"{storage.root() / 'runs'}/"
    query = sa.select(Run.id, base).where(Run.project_id == project_id, base.startswith(folders, autoescape=True))
    found = [(path.removeprefix(folders).partition("/")[0], run) for run, path in session.execute(query)]
    return [(int(source), run) for source, run in found if source.isdecimal() and int(source) < run]


def weights_gone(session: Session, run_id: int) -> bool:
    """Whether the run's checkpoint was deleted. It is held until the transaction ends, so that nobody deletes it while
    a run that reads it is started.
    """
    session.execute(sa.select(Checkpoint.id).where(Checkpoint.run_id == run_id).with_for_update(read=True))
    gone = sa.select(CheckpointDeletion.id).join(Checkpoint).where(Checkpoint.run_id == run_id)
    return session.scalar(gone.limit(1)) is not None


def latest_progress(session: Session, run_ids: list[int]) -> dict[int, dict[str, Any]]:
    """The last progress line of each run that has one."""
    rows = session.execute(
        sa.select(Metric.run_id, Metric.payload)
        .where(Metric.run_id.in_(run_ids), Metric.kind == "progress")
        .distinct(Metric.run_id)
        .order_by(Metric.run_id, Metric.id.desc())
    )
    return {row.run_id: row.payload for row in rows}


def metrics_after(session: Session, run_id: int, after: int, limit: int) -> list[Metric]:
    """What the run has reported since the row `after`, oldest first."""
    query = sa.select(Metric).where(Metric.run_id == run_id, Metric.id > after).order_by(Metric.id).limit(limit)
    return list(session.scalars(query))


def last_of_kind(session: Session, run_id: int, kind: str, limit: int) -> list[Metric]:
    """The run's last reports of one kind, oldest first."""
    query = (
        sa.select(Metric).where(Metric.run_id == run_id, Metric.kind == kind).order_by(Metric.id.desc()).limit(limit)
    )
    return list(session.scalars(query))[::-1]


def readers_of(session: Session, run_id: int) -> list[tuple[str, Run]]:
    """Runs that read this one's output, by the role that it plays there."""
    rows = session.execute(
        sa.select(RunInput.role, Run)
        .join(Run, RunInput.run_id == Run.id)
        .options(joinedload(Run.cancellation))
        .where(RunInput.from_run_id == run_id)
        .order_by(Run.id)
    )
    return [(role, reader) for role, reader in rows]


def runs_on_dataset(session: Session, seat: Seat, dataset_id: int) -> list[Run]:
    """Every run that reads a dataset, oldest first."""
    query = sa.select(Run).join(RunInput, RunInput.run_id == Run.id).where(RunInput.dataset_id == dataset_id)
    return list(session.scalars(query.where(Run.project_id == seat.project.id).order_by(Run.id)))


def critiques(session: Session, run_id: int, after: int = 0) -> list[Critique]:
    """A page of a run's expanded critiques and one more, with their answers."""
    query = sa.select(Critique).options(joinedload(Critique.approval).joinedload(Approval.user))
    return list(
        session.scalars(
            query.where(Critique.run_id == run_id, Critique.id > after).order_by(Critique.id).limit(PAGE + 1)
        )
    )


def answers(session: Session, run_id: int) -> dict[str, int]:
    """How many of a run's critiques are approved, declined and unanswered."""
    row = session.execute(
        sa.select(
            sa.func.count().filter(Approval.approved).label("approved"),
            sa.func.count().filter(sa.not_(Approval.approved)).label("declined"),
            sa.func.count().filter(Approval.id.is_(None)).label("unanswered"),
        )
        .select_from(Critique)
        .outerjoin(Approval, Approval.critique_id == Critique.id)
        .where(Critique.run_id == run_id)
    ).one()
    return dict(row._asdict())


def waits_for(session: Session, one: Run) -> list[str]:
    """Why a run cannot start yet, in sentences; empty where only a free worker is missing."""
    found = []
    for each in one.inputs:
        if each.from_run is None:
            continue
        state = state_of(each.from_run)
        if each.from_run.ended_at is None:
            found.append(
                _("Run %(id)s, “%(name)s”, has to finish first.", id=each.from_run.id, name=each.from_run.name)
            )
        elif state in (FAILED, CANCELLED):
            found.append(
                _(
                    "It stopped at run %(id)s, “%(name)s”, which %(ended)s.",
                    id=each.from_run.id,
                    name=each.from_run.name,
                    ended=_("failed") if state == FAILED else _("was cancelled"),
                )
            )
        elif each.role == "critiques" and (open_ones := answers(session, each.from_run.id)["unanswered"]):
            found.append(
                _(
                    "%(open_ones)s critiques of run %(id)s wait to be approved or declined.",
                    open_ones=open_ones,
                    id=each.from_run.id,
                )
            )
    return found


def waiting_readers(session: Session, run_id: int) -> list[int]:
    """Runs that wait for this one's output."""
    query = sa.select(Run.id).join(RunInput, RunInput.run_id == Run.id)
    return list(
        session.scalars(query.where(RunInput.from_run_id == run_id, Run.ended_at.is_(None), Run.claimed_by.is_(None)))
    )
