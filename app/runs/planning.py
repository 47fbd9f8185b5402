"""Planning: a run as it would be, checked whole before anything is queued. Every fault is named at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NoReturn

from app.core import storage
from app.core.db import Session
from app.core.errors import Refusal
from app.core.language import gettext as _
from app.core.language import told
from app.core.settings import settings
from app.datasets.tables import Dataset
from app.projects.guard import Seat
from app.runs import fitting, queries, weights
from app.runs.kinds import KINDS, Kind, Role
from app.runs.refusals import (
    BadConfig,
    BadName,
    BaseModelNotFound,
    Faults,
    InputMissing,
    NoApprovedCritiques,
    NoExpander,
    NoPairs,
    SeveralFaults,
    UnknownRecipe,
    WrongInput,
)
from app.runs.tables import Run, RunInput
from ml import config as recipes

LONGEST_NAME = 120
HUB_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9._-]{1,96})?")
"""What a hub of models takes as a name, with its owner or without."""


@dataclass
class Plan:
    """A run that passed every check. `run` is set once it begins, for the plans that read it."""

    kind: Kind
    name: str
    config: recipes.Config
    inputs: dict[str, Dataset | Run | Plan]
    max_hours: float | None = None
    run: Run | None = None


def planned(
    session: Session,
    seat: Seat,
    recipe: str,
    name: str,
    config: Mapping[str, Any] | recipes.Config,
    inputs: Mapping[str, int | Plan],
) -> Plan:
    """`inputs` by role: ids of a dataset or of a run, or the plan of a run that would begin before.

    Raises UnknownRecipe, NotFound; and, alone or together as SeveralFaults, BadName, BadConfig, BaseModelNotFound,
    NoExpander, InputMissing, WrongInput, NoPairs, NoApprovedCritiques; and what `fitting` raises.
    """
    kind = kind_of(recipe)
    plan = Plan(kind, "", recipes.validate(recipe, {}), {})
    faults = Faults()
    with faults.gathered():
        plan.name = checked_name(name, kind)
    with faults.gathered():
        plan.config = checked_config(kind, asdict(config) if isinstance(config, recipes.Config) else dict(config))
        for role in kind.roles:
            with faults.gathered():
                if role.name not in inputs and role.needed(plan.config):
                    _refuse_missing(kind, role)
    for name, source in _read(kind, plan.config, inputs).items():
        with faults.gathered():
            plan.inputs[name] = source if isinstance(source, Plan) else _input(session, seat, kind, name, source)
    faults.refuse()
    dataset = plan.inputs.get("dataset")
    fitting.refuse(session, seat.project.id, plan.config, dataset if isinstance(dataset, Dataset) else None)
    return plan


def _read(kind: Kind, config: recipes.Config, inputs: Mapping[str, int | Plan]) -> dict[str, int | Plan]:
    """The inputs without those that the recipe passes by under this config: a run would wait for them in vain."""
    passed_by = {role.name for role in kind.roles if not role.read(config)}
    return {name: source for name, source in inputs.items() if name not in passed_by}


def run_of(seat: Seat, plan: Plan) -> Run:
    """The plan's row, not yet in any session."""
    plan.run = Run(
        project_id=seat.project.id,
        recipe=plan.kind.recipe,
        name=plan.name,
        config=asdict(plan.config),
        created_by=seat.user.id,
        max_hours=plan.max_hours,
        inputs=[_row(role, source) for role, source in plan.inputs.items()],
    )
    return plan.run


def _row(role: str, source: Dataset | Run | Plan) -> RunInput:
    if isinstance(source, Dataset):
        return RunInput(role=role, dataset_id=source.id)
    return RunInput(role=role, from_run=source.run if isinstance(source, Plan) else source)


def kind_of(recipe: str) -> Kind:
    if recipe not in KINDS:
        raise UnknownRecipe(
            _("“%(recipe)s” is none of the recipes %(kinds)s.", recipe=recipe[:60], kinds=", ".join(KINDS)), "recipe"
        )
    return KINDS[recipe]


def title_of(recipe: str) -> str:
    return str(told(KINDS[recipe].title))


def checked_name(name: str, kind: Kind) -> str:
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
        if isinstance(config, recipes.Cluster):
            fitting.refuse_encoder(config.base)
    except recipes.ConfigError as problem:
        raise bad_config(kind, problem) from None
    return replace(config, base=_checked_base(config.base)) if config.base else config


def bad_config(kind: Kind, problem: recipes.ConfigError) -> Refusal:
    """What is wrong with a config's fields, as a refusal in the reader's language."""
    labels = {spec.name: told(spec.label) for spec in recipes.fields_of(kind.recipe)}
    faults = [
        BadConfig(
            _("%(field)s: %(problem)s.", field=labels.get(each.field, each.field[:60]), problem=told(each.message)),
            each.field[:60],
        )
        for each in (problem, *problem.others)
    ]
    return faults[0] if len(faults) == 1 else SeveralFaults(faults)


def _refuse_missing_expander(config: recipes.Expand) -> None:
    environment = {"OPENAI_BASE_URL": settings().openai_base_url, "OPENAI_MODEL": settings().openai_model}
    try:
        recipes.expander_of(config, environment)
    except recipes.NoExpander as problem:
        raise NoExpander(
            _("Nothing is there to expand reasons with: %(problem)s.", problem=told(problem)), "expander"
        ) from None


def _checked_base(base: str) -> str:
    """A path must be a model's folder; what cannot be a path may be a hub's id, which only the trainer can look up."""
    if folder := weights.folder_of(base):
        if not (folder / "config.json").is_file():
            raise BaseModelNotFound(_("%(base)s is a folder without a model's config.json.", base=base), "base")
        return str(folder.resolve())
    if base.startswith((".", "/", "~")) or base.count("/") > 1:
        raise BaseModelNotFound(
            _("The base model's path %(base)s does not exist.", base=base),
            "base",
            _("Name a folder of this machine, or a transformers id."),
        )
    if not HUB_ID.fullmatch(base):
        raise BaseModelNotFound(
            _("“%(base)s” is neither a folder nor a transformers id.", base=base[:80]),
            "base",
            _("Name a folder of this machine, or a transformers id."),
        )
    return base


def _input(session: Session, seat: Seat, kind: Kind, name: str, number: int) -> Dataset | Run:
    role = kind.role(name)
    if role is None:
        raise WrongInput(
            _("The recipe %(recipe)s has no input “%(name)s”.", recipe=kind.recipe, name=name[:40]), name[:40]
        )
    if not role.recipe:
        dataset = queries.dataset(session, seat, number)
        if kind.learns_from_pairs:
            _refuse_without_pairs(dataset)
        return dataset
    source = queries.run(session, seat, number)
    _refuse_wrong_source(session, role, source)
    return source


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
                "Run %(id)s is of the recipe “%(recipe)s”; the input “%(name)s” needs “%(recipe2)s”.",
                id=source.id,
                recipe=title_of(source.recipe),
                name=told(role.label),
                recipe2=title_of(role.recipe),
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
                state=told(state),
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


def _refuse_missing(kind: Kind, role: Role) -> NoReturn:
    source = _("a run of “%(recipe)s”", recipe=title_of(role.recipe)) if role.recipe else _("a frozen dataset")
    title, label = told(kind.title), told(role.label)
    raise InputMissing(
        _("“%(title)s” needs “%(lower)s”: choose %(source)s.", title=title, lower=label, source=source), role.name
    )
