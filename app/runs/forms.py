"""The form of a new run: values out of presets, earlier runs and what was just sent; ids and config back out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from app.core.db import Session
from app.core.errors import Refusal
from app.core.language import gettext as _
from app.core.language import ngettext, told
from app.core.settings import settings
from app.projects.guard import Seat
from app.runs import estimating, fitting, generating, limits, planning, queries, results
from app.runs.kinds import KINDS, Kind, Role
from app.runs.refusals import BadConfig, Faults, SeveralFaults, SweepFilled, UnknownRecipe, WrongInput
from app.runs.tables import Run
from ml import config as recipes

INPUT = "input-"
"""What the names of input fields begin with."""

VARY, VALUES = "vary-", "values-"
"""What the names of a sweep's rows begin with."""
VARIED_AT_MOST = 3
OTHER = {"recipe", "name", "instead", "max_hours"}
"""Names of a form that are no field of the recipe."""


@dataclass(frozen=True)
class Choice:
    """One thing that can be chosen as an input."""

    id: int
    label: str


@dataclass(frozen=True)
class Form:
    """Everything that the page draws."""

    kind: Kind
    name: str
    values: dict[str, Any]
    inputs: dict[str, int]
    refusal: Refusal | None = None
    choices: dict[str, list[Choice]] = field(default_factory=dict)
    estimate: str = ""
    max_hours: str = ""
    base: str = ""
    """The base model of the chain that the form is a step of."""
    prefix: str = ""
    """What stands before every name where several forms are one."""
    instead: str = ""
    """The step of a chain whose place the run takes."""
    of: int = 0
    """A run that is read, where nothing else was chosen."""
    varied: tuple[tuple[str, str], ...] = (("", ""),) * VARIED_AT_MOST
    """A sweep's fields with their values as written."""
    preset: str | None = None
    """The preset that the values are, "" for the defaults; None once they may be others."""

    def groups(self) -> list[tuple[str, list[recipes.FieldSpec]]]:
        """The recipe's fields by group, in the order of groups."""
        found: dict[str, list[recipes.FieldSpec]] = {}
        for spec in recipes.fields_of(self.kind.recipe):
            found.setdefault(spec.group, []).append(spec)
        return list(found.items())

    def presets(self) -> list[str]:
        return list(recipes.PRESETS[self.kind.recipe])

    def placeholder(self, name: str) -> str:
        """What an empty field stands for, where that is the platform's to say."""
        return settings().base_model_or_tiny() if name == "base" and self.kind.has_base else ""

    def faults(self) -> Sequence[Refusal]:
        """Everything that is wrong with it."""
        if isinstance(self.refusal, SeveralFaults):
            return self.refusal.faults
        return [self.refusal] if self.refusal else []

    def wrong(self) -> set[str]:
        """Names of what is wrong."""
        return {each.where for each in self.faults()}

    def place(self, name: str) -> str:
        """The id of the element that holds what a fault is about."""
        return f"{self.prefix}{INPUT}{name}" if self.kind.role(name) else f"{self.prefix}{name}"

    def error(self, name: str) -> str:
        """What is wrong with a field, for the words beneath it."""
        return next((each.what for each in self.faults() if each.where == name), "")


def fresh(recipe: str, preset: str, of: int = 0) -> Form:
    """An empty form, or a preset's; `of` is a run that it shall read. Raises UnknownRecipe."""
    kind = planning.kind_of(recipe)
    if preset and preset not in recipes.PRESETS[recipe]:
        raise UnknownRecipe(
            _("%(title)s has no preset “%(preset)s”.", title=told(kind.title), preset=preset[:40]), "preset"
        )
    values = recipes.preset(recipe, preset) if preset else _defaults(recipe)
    return Form(kind, "", values, {}, of=of, preset=preset)


def keeping(form: Form, said: Mapping[str, str]) -> Form:
    """The form with what its preset does not set: the name, hours and inputs that were chosen before."""
    given = sent({**said, "recipe": form.kind.recipe})
    return replace(form, name=given.name, inputs=given.inputs, max_hours=given.max_hours)


def like(run: Run, instead: int = 0) -> Form:
    """The form of an earlier run; `instead` says that it shall take that run's place in its chain."""
    inputs = {each.role: each.dataset_id or each.from_run_id or 0 for each in run.inputs}
    hours = f"{run.max_hours:g}" if run.max_hours else ""
    values = _defaults(run.recipe) | run.config
    return Form(
        KINDS[run.recipe], f"{run.name} again"[:120], values, inputs, max_hours=hours, instead=str(instead or "")
    )


def sent(form: Mapping[str, str], refusal: Refusal | None = None) -> Form:
    """The form as somebody filled it in."""
    kind = planning.kind_of(form.get("recipe", ""))
    values: dict[str, Any] = {spec.name: form.get(spec.name, "") for spec in recipes.fields_of(kind.recipe)}
    values |= {spec.name: spec.name in form for spec in recipes.fields_of(kind.recipe) if spec.kind == "bool"}
    chosen = {name.removeprefix(INPUT): text for name, text in form.items() if name.startswith(INPUT)}
    inputs = {role: int(text) for role, text in chosen.items() if text.isdecimal() and len(text) < 18}
    return Form(
        kind,
        form.get("name", ""),
        values,
        inputs,
        refusal,
        instead=form.get("instead", ""),
        varied=varied_of(form),
        max_hours=form.get("max_hours", ""),
    )


def varied_of(form: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The rows of a sweep as they were written, empty ones too."""
    rows = [
        (form.get(f"{VARY}{row}", ""), form.get(f"{VALUES}{row}", "").strip()) for row in range(1, VARIED_AT_MOST + 1)
    ]
    return tuple(rows)


def refuse_sweep(form: Mapping[str, str]) -> None:
    """Raises SweepFilled where a single run would leave out what somebody wrote."""
    filled = [row for row, (_name, text) in enumerate(varied_of(form), start=1) if text]
    if filled:
        what = _("The form describes a sweep: press “Start the sweep”, or take its values out to start one run.")
        raise SweepFilled(what, f"{VALUES}{filled[0]}")


def _defaults(recipe: str) -> dict[str, Any]:
    return {spec.name: spec.default for spec in recipes.fields_of(recipe)}


def plan(
    session: Session, seat: Seat, form: Mapping[str, str], before: Mapping[str, planning.Plan] | None = None
) -> planning.Plan:
    """What the form asks for; inputs that it leaves open are read from the plans `before`, by recipe.

    Raises NotFound, UnknownRecipe; BadConfig, WrongInput and what `planning.planned` raises, alone or together as
    SeveralFaults.
    """
    kind = planning.kind_of(form.get("recipe", ""))
    faults = Faults()
    with faults.gathered():
        config_of(kind, form)
    wrong = {each.where for each in faults.found}
    config = config_of(kind, {name: text for name, text in form.items() if name not in wrong})
    inputs: dict[str, int | planning.Plan] = {
        role.name: before[role.recipe] for role in kind.roles if before and role.recipe in before and role.read(config)
    }
    for name, text in form.items():
        if name.startswith(INPUT) and text:
            with faults.gathered():
                inputs[name.removeprefix(INPUT)] = _number(name.removeprefix(INPUT), text)
    with faults.gathered():
        found = planning.planned(session, seat, kind.recipe, form.get("name", ""), config, inputs)
    with faults.gathered():
        hours = limits.read(form.get("max_hours", ""))
    faults.refuse()
    found.max_hours = hours
    return found


def config_of(kind: Kind, form: Mapping[str, str]) -> recipes.Config:
    """The form's config. Raises BadConfig naming the field, or SeveralFaults."""
    other = (INPUT, VARY, VALUES)
    strings = {name: text for name, text in form.items() if name not in OTHER and not name.startswith(other)}
    try:
        return recipes.from_form(kind.recipe, strings)
    except recipes.ConfigError as problem:
        raise planning.bad_config(kind, problem) from None


def _number(role: str, text: str) -> int:
    if not text.isdecimal() or len(text) > 17:
        raise WrongInput(_("“%(text)s” is no id.", text=text[:40]), role)
    return int(text)


def with_choices(session: Session, seat: Seat, form: Form) -> Form:
    """The form with what can be chosen; where nothing is chosen yet, the newest that is there."""
    found = {role.name: choices(session, seat, role) for role in form.kind.roles}
    inputs = dict(form.inputs)
    if form.refusal is None and not inputs:
        # Expanded critiques hold a run until someone has approved them: not chosen for a run that learns none.
        unasked = set() if form.values.get("critiques") == "expanded" else {"critiques"}
        inputs = {name: there[0].id for name, there in found.items() if there and name not in unasked}
        read = [role.name for role in form.kind.roles if role.recipe]
        inputs |= {name: form.of for name in read if form.of in [each.id for each in found[name]]}
    estimate = ""
    if (dataset_id := inputs.get("dataset")) in [each.id for each in found.get("dataset", [])]:
        estimate = estimate_of(session, seat, form, dataset_id or 0)
    if form.kind.recipe == "generate":
        many = generating.asked_about(session, seat.project.id, _whole(form, "wanted"))
        estimate = generating.estimate(session, seat.project.id, many, form.values)
        estimate += _lasting(session, seat, form, min(many, _whole(form, "limit") or many))
    elif form.kind.brings:
        found_there = fitting.pictured(session, seat.project.id)
        estimate = found_there.words(_whole(form, "clusters")) + _lasting(session, seat, form, found_there.pictured)
    if (many := points(form)) > 1:
        estimate += "\n" + ngettext("As a sweep: %(num)s run like it.", "As a sweep: %(num)s runs like it.", many)
    return replace(form, inputs=inputs, choices=found, estimate=estimate.strip())


def points(form: Form) -> int:
    """How many runs the sweep has that the form describes, as far as it is filled in."""
    counts = [len(values_of(text)) for name, text in form.varied if name]
    return prod(filter(None, counts)) if any(counts) else 0


def values_of(text: str) -> list[str]:
    """What stands between the commas of a row."""
    return [word.strip() for word in text.replace("\n", ",").split(",") if word.strip()]


def choices(session: Session, seat: Seat, role: Role) -> list[Choice]:
    if not role.recipe:
        return [
            Choice(
                each.id,
                _(
                    "%(name)s, version %(version)s · %(get)s pairs",
                    name=each.name,
                    version=each.version,
                    get=each.counts.get("pairs", 0),
                ),
            )
            for each in queries.datasets(session, seat)
        ]
    return [Choice(each.id, _label(each)) for each in queries.usable_runs(session, seat, role.recipe)]


COUNTED = ("expanded", "pairs", "accuracy")
"""What tells an earlier run apart where it is chosen as an input: the first of these that it left."""


def _label(run: Run) -> str:
    said = _("run %(id)s · %(name)s · %(state)s", id=run.id, name=run.name, state=told(queries.state_of(run)))
    left = next(((name, run.result[name]) for name in COUNTED if run.result and name in run.result), None)
    if left is None:
        return said
    [(label, value)] = results.numbers(dict([left]))
    return f"{said} · {told(label)} {value}"


def _whole(form: Form, name: str) -> int:
    text = str(form.values.get(name, ""))
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _lasting(session: Session, seat: Seat, form: Form, many: int) -> str:
    """A line of how long it takes; none where a field is wrong, which is said once the form is sent."""
    try:
        config = config_of(form.kind, _strings(form))
    except (BadConfig, SeveralFaults):
        return ""
    return "\n" + estimating.lasting_like(session, seat, config, many)


def _strings(form: Form) -> dict[str, str]:
    return {name: str(value) for name, value in form.values.items() if value is not False}


def estimate_of(session: Session, seat: Seat, form: Form, dataset_id: int) -> str:
    """What the run will do and take, a sentence a line, or what is wrong with a field."""
    try:
        config = config_of(form.kind, _strings(form))
    except (BadConfig, SeveralFaults) as problem:
        return problem.what
    return "\n".join(filter(None, estimating.lines(session, seat, config, dataset_id, form.base)))
