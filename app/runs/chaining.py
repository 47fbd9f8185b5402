"""Chains: expand → reward → score → MM-DPO → evaluate as one form; each step reads what the steps before it leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.core.db import Session
from app.core.errors import Refusal
from app.core.language import gettext as _
from app.core.language import told
from app.core.settings import settings
from app.projects.guard import Seat
from app.runs import forms, groups, planning
from app.runs.forms import Choice, Form
from app.runs.group_tables import CHAIN, RunGroup
from app.runs.kinds import DATASET, KINDS
from app.runs.refusals import Faults, InputMissing, SeveralFaults, TooFewSteps, UnknownRecipe
from ml import config as recipes

STEPS = ("expand", "reward", "score", "mm_dpo", "evaluate")
STEP = "step-"
BASED = ("expand", "reward", "mm_dpo")
"""Steps that begin from the chain's base model; the others read it from the checkpoint that they are given."""


@dataclass(frozen=True)
class Chain:
    """The form of a chain: a form a step, whose names begin with the step's recipe."""

    name: str
    base: str
    dataset: int
    approve: bool
    steps: dict[str, Form]
    on: frozenset[str]
    refusal: Refusal | None = None
    datasets: list[Choice] = field(default_factory=list)
    preset: str | None = None

    def places(self) -> list[tuple[str, str, str]]:
        """What is wrong, each with the id of the element that it is about and the title of its step, if it has one."""
        if self.refusal is None:
            return []
        faults = self.refusal.faults if isinstance(self.refusal, SeveralFaults) else [self.refusal]
        return [(self._place(each.where), self._step(each.where), each.what) for each in faults]

    def _step(self, where: str) -> str:
        form = self.steps.get(where.partition("-")[0])
        return form.kind.title if form else ""

    def _place(self, where: str) -> str:
        recipe, dash, name = where.partition("-")
        return self.steps[recipe].place(name) if dash and recipe in self.steps else where

    def base_placeholder(self) -> str:
        return settings().base_model_or_tiny()

    def estimate(self) -> str:
        """A paragraph a step that is on."""
        lines = [(form.kind.title, form.estimate) for recipe, form in self.steps.items() if recipe in self.on]
        return "\n\n".join(f"{told(title)}: {' '.join(words.split(chr(10)))}" for title, words in lines if words)


def fresh(preset: str) -> Chain:
    """Every step with its recipe's preset; the reward model learns the expanded reasons. Raises UnknownRecipe."""
    if preset and any(preset not in recipes.PRESETS[recipe] for recipe in STEPS):
        raise UnknownRecipe(_("There is no preset “%(preset)s” of all steps.", preset=preset[:40]), "preset")
    steps = {recipe: replace(forms.fresh(recipe, preset), prefix=f"{recipe}-") for recipe in STEPS}
    steps["reward"].values["critiques"] = "expanded"
    for form in steps.values():
        form.values["base"] = ""
    return Chain("", _paper_base(preset), 0, False, steps, frozenset(STEPS), preset=preset)


def keeping(chain: Chain, said: Mapping[str, str]) -> Chain:
    """As `forms.keeping`; a base model that the preset names goes before the one that was written."""
    given = sent(said)
    return replace(chain, name=given.name, base=chain.base or given.base, dataset=given.dataset)


def _paper_base(preset: str) -> str:
    return str(recipes.PRESETS["reward"][preset].get("base", "")) if preset else ""


def presets() -> list[str]:
    """Those that every step has."""
    return [name for name in recipes.PRESETS["reward"] if all(name in recipes.PRESETS[recipe] for recipe in STEPS)]


def sent(form: Mapping[str, str], refusal: Refusal | None = None) -> Chain:
    """The form as somebody filled it in."""
    dataset = form.get("input-dataset", "")
    return Chain(
        form.get("name", ""),
        form.get("base", ""),
        int(dataset) if dataset.isdecimal() and len(dataset) < 18 else 0,
        "approve" in form,
        {
            recipe: replace(forms.sent(_part(form, recipe), _of(recipe, refusal)), prefix=f"{recipe}-")
            for recipe in STEPS
        },
        frozenset(recipe for recipe in STEPS if STEP + recipe in form),
        refusal,
    )


def _of(recipe: str, refusal: Refusal | None) -> Refusal | None:
    """What of a refusal is about one step, with the names that the step's own form has."""
    faults = refusal.faults if isinstance(refusal, SeveralFaults) else [refusal] if refusal else []
    mine = [each for each in faults if each.where.startswith(f"{recipe}-")]
    copies = [type(each)(each.what, each.where.removeprefix(f"{recipe}-"), each.advice) for each in mine]
    return SeveralFaults(copies) if copies else None


def _part(form: Mapping[str, str], recipe: str) -> dict[str, str]:
    """One step's fields under their own names; the chain's dataset and base model are the step's where it has none."""
    prefix = f"{recipe}-"
    part = {name.removeprefix(prefix): text for name, text in form.items() if name.startswith(prefix)}
    part |= {"recipe": recipe, "name": f"{form.get('name', '').strip() or told(KINDS[recipe].title)}"}
    part["input-dataset"] = form.get("input-dataset", "")
    if recipe in BASED and not part.get("base", "").strip():
        part["base"] = form.get("base", "").strip() or _own_base(recipe)
    return part


def _own_base(recipe: str) -> str:
    """Reasons are expanded by an endpoint where one is set, else by the platform's own model."""
    return settings().base_model_or_tiny() if recipe == "expand" and not settings().openai_base_url else ""


def with_choices(session: Session, seat: Seat, chain: Chain) -> Chain:
    """The form with what can be chosen and what each step will do; the newest dataset where none is chosen yet."""
    datasets = forms.choices(session, seat, DATASET)
    dataset = chain.dataset or (datasets[0].id if datasets and chain.refusal is None else 0)
    steps = {}
    for recipe, form in chain.steps.items():
        chosen = replace(form, inputs=form.inputs | {"dataset": dataset}, base=chain.base)
        steps[recipe] = forms.with_choices(session, seat, chosen)
    return replace(chain, datasets=datasets, dataset=dataset, steps=steps)


def start(session: Session, seat: Seat, form: Mapping[str, str]) -> RunGroup:
    """The chain's runs, each waiting for those before it; nothing is queued where any step is refused.

    Raises NotFound, TooFewSteps, and as `forms.plan`, each fault's place beginning with its step's recipe.
    """
    faults = Faults()
    on = [recipe for recipe in STEPS if STEP + recipe in form]
    with faults.gathered():
        if len(on) < 2:
            raise TooFewSteps(_("A chain has at least two steps."), STEP + STEPS[0])
        if not form.get("input-dataset"):
            raise InputMissing(_("A chain needs a frozen dataset."), "input-dataset")
        name = planning.checked_name(form.get("name", ""), KINDS[on[-1]])
    plans: dict[str, planning.Plan] = {}
    for recipe in on:
        mine = Faults()
        # A step that is refused still stands for what it would leave, so that later steps are not refused for it.
        plans[recipe] = planning.Plan(KINDS[recipe], "", recipes.validate(recipe, {}), {})
        with mine.gathered():
            plans[recipe] = forms.plan(session, seat, _named(form, recipe), plans)
        faults.found += [_placed(each, recipe) for each in mine.found if each.where != "name"]
    faults.refuse()
    return groups.begin(session, seat, CHAIN, name, _settings(form), list(plans.values()))


def _named(form: Mapping[str, str], recipe: str) -> dict[str, str]:
    """A run is named after the chain and its step."""
    part, name = _part(form, recipe), form.get("name", "").strip()
    title = told(KINDS[recipe].title)
    return part | {"name": f"{name[:80]} · {title}" if name else title}


def _placed(fault: Refusal, recipe: str) -> Refusal:
    if fault.where != "dataset":
        fault.where = f"{recipe}-{fault.where}"
    else:
        fault.where = "input-dataset"
    return fault


def _settings(form: Mapping[str, str]) -> dict[str, Any]:
    return {"approve": "approve" in form}
