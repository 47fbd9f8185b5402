"""Runs' verbs: start, cancel, go on, answer expanded critiques."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.accounts.actions import audit
from app.core import storage
from app.core.db import Session, now
from app.core.errors import NotFound
from app.core.jobs import nudge
from app.core.language import N_
from app.core.language import gettext as _
from app.core.settings import settings
from app.datasets.tables import Dataset
from app.projects.guard import Seat
from app.runs import queries
from app.runs.kinds import KINDS, Kind, Role
from app.runs.refusals import (
    BadConfig,
    BadName,
    BaseModelNotFound,
    InputMissing,
    NoApprovedCritiques,
    NoExpander,
    NoPairs,
    NotResumable,
    RunEnded,
    UnknownRecipe,
    WrongInput,
)
from app.runs.tables import Approval, Cancellation, Critique, Run, RunInput
from ml import config as recipes

LONGEST_NAME = 120


def start(
    session: Session, seat: Seat, *, recipe: str, name: str, config: dict[str, Any], inputs: dict[str, int]
) -> Run:
    """A new run, offered to the trainers; `inputs` are ids by role, of a dataset or of another run.

    It waits while an input is not finished. Raises UnknownRecipe, BadName, BadConfig, BaseModelNotFound, NoExpander,
    InputMissing, WrongInput, NoPairs, NoApprovedCritiques, NotFound.
    """
    kind = kind_of(recipe)
    checked = checked_config(kind, config)
    rows = [_input(session, seat, kind, role, number) for role, number in inputs.items()]
    _refuse_missing(kind, checked, inputs)
    run = Run(
        project_id=seat.project.id,
        recipe=recipe,
        name=_checked_name(name, kind),
        config=asdict(checked),
        created_by=seat.user.id,
        inputs=rows,
    )
    session.add(run)
    session.flush()
    audit(session, seat.user, "run.started", f"run {run.id}", seat.project.id, recipe=recipe)
    nudge(session, "perform_run", run.id)
    return run


def kind_of(recipe: str) -> Kind:
    if recipe not in KINDS:
        raise UnknownRecipe(
            _("“%(recipe)s” is none of the recipes %(kinds)s.", recipe=recipe[:60], kinds=", ".join(KINDS)), "recipe"
        )
    return KINDS[recipe]


def _checked_name(name: str, kind: Kind) -> str:
    name = " ".join(name.split()) or kind.title
    if len(name) > LONGEST_NAME or "\0" in name:
        raise BadName(_("A run's name has at most %(longest_name)s characters.", longest_name=LONGEST_NAME), "name")
    return name


def checked_config(kind: Kind, values: dict[str, Any]) -> recipes.Config:
    """The recipe's config with the base model filled in. Raises BadConfig, BaseModelNotFound, NoExpander."""
    if kind.has_base and not str(values.get("base", "")).strip():
        values = {**values, "base": settings().base_model_or_tiny()}
    try:
        config = recipes.validate(kind.recipe, values)
        if isinstance(config, recipes.Expand):
            _refuse_missing_expander(config)
    except recipes.ConfigError as problem:
        raise BadConfig(str(problem), problem.field) from None
    return replace(config, base=_checked_base(config.base)) if config.base else config


def _refuse_missing_expander(config: recipes.Expand) -> None:
    environment = {"OPENAI_BASE_URL": settings().openai_base_url, "OPENAI_MODEL": settings().openai_model}
    try:
        recipes.expander_of(config, environment)
    except recipes.NoExpander as problem:
        raise NoExpander(
            _("Nothing is there to expand reasons with: %(problem)s.", problem=problem), "expander"
        ) from None


def _checked_base(base: str) -> str:
    """A path must be a model's folder; what cannot be a path may be a hub's id, which only the trainer can look up."""
    folder = Path(base).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise BaseModelNotFound(_("%(base)s is a folder without a model's config.json.", base=base), "base")
        return str(folder.resolve())
    if base.startswith((".", "/", "~")) or base.count("/") > 1:
        raise BaseModelNotFound(
            _("The base model's path %(base)s does not exist.", base=base),
            "base",
            _("Name a folder of this machine, or a transformers id."),
        )
    return base


def _input(session: Session, seat: Seat, kind: Kind, name: str, number: int) -> RunInput:
    role = kind.role(name)
    if role is None:
        raise WrongInput(
            _("The recipe %(recipe)s has no input “%(name)s”.", recipe=kind.recipe, name=name[:40]), name[:40]
        )
    if not role.recipe:
        dataset = queries.dataset(session, seat, number)
        if kind.learns_from_pairs:
            _refuse_without_pairs(dataset)
        return RunInput(role=name, dataset_id=dataset.id)
    source = queries.run(session, seat, number)
    _refuse_wrong_source(session, role, source)
    return RunInput(role=name, from_run_id=source.id)


def _refuse_without_pairs(dataset: Dataset) -> None:
    pairs = storage.dataset_folder(dataset.id) / "pairs.jsonl"
    if dataset.counts.get("pairs") == 0 or not pairs.is_file() or not pairs.stat().st_size:
        raise NoPairs(
            _(
                "The dataset %(name)s, version %(version)s, has no pairs to learn from.",
                name=dataset.name,
                version=dataset.version,
            ),
            "dataset",
        )


def _refuse_wrong_source(session: Session, role: Role, source: Run) -> None:
    if source.recipe != role.recipe:
        raise WrongInput(
            _(
                "Run %(id)s is of the recipe %(recipe)s; %(name)s needs %(recipe2)s.",
                id=source.id,
                recipe=source.recipe,
                name=role.name,
                recipe2=role.recipe,
            ),
            role.name,
        )
    state = queries.state_of(source)
    if state in (queries.FAILED, queries.CANCELLED, queries.STOPPING):
        raise WrongInput(
            _(
                "Run %(id)s, “%(name)s”, is %(state)s, so it leaves nothing to read.",
                id=source.id,
                name=source.name,
                state=state,
            ),
            role.name,
        )
    if queries.weights_gone(session, source.id):
        raise WrongInput(
            _("The checkpoint of run %(id)s, “%(name)s”, was deleted.", id=source.id, name=source.name), role.name
        )
    if role.name == "critiques" and state == queries.DONE:
        count = queries.answers(session, source.id)
        if not count["approved"] and not count["unanswered"]:
            raise NoApprovedCritiques(_("None of the critiques of run %(id)s is approved.", id=source.id), role.name)


def _refuse_missing(kind: Kind, config: recipes.Config, inputs: dict[str, int]) -> None:
    for role in kind.roles:
        if role.name not in inputs and role.needed(config):
            source = _("a run of %(recipe)s", recipe=role.recipe) if role.recipe else N_("a frozen dataset")
            raise InputMissing(
                _(
                    "%(title)s needs %(lower)s: choose %(source)s.",
                    title=kind.title,
                    lower=role.label.lower(),
                    source=source,
                ),
                role.name,
            )


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
        run.ended_at = now()
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
                run=queries.state_of(run),
            ),
            f"run {run.id}",
        )
    if run.cancellation is not None:
        session.delete(run.cancellation)
        run.cancellation = None
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
        session, seat, recipe=run.recipe, name=f"{run.name} again"[:LONGEST_NAME], config=run.config, inputs=inputs
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
