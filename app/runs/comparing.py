"""What sets runs apart: which may be compared, in which settings they differ, and what of them is not comparable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.core.language import gettext as _
from app.core.language import told
from app.runs import queries
from app.runs.kinds import KINDS, label_of
from app.runs.refusals import NotANumber, TooManyRuns
from app.runs.tables import Run
from ml import config as recipes

MOST = 8
"""Runs that are compared at once: as many as there are colours of series."""


@dataclass(frozen=True)
class Difference:
    """One setting and its value in each run, in the order of the runs; None where a run has no such setting."""

    name: str
    label: str
    values: list[str | None]


@dataclass(frozen=True)
class Apart:
    """Settings that only the runs of one recipe have."""

    recipe: str
    names: list[str]


def ids_of(texts: Sequence[str]) -> list[int]:
    """Numbers of runs, as an address says them: repeated, or between commas. Raises NotANumber, TooManyRuns."""
    words = [word.strip() for text in texts for word in text.split(",") if word.strip()]
    for word in words:
        if not (word.isascii() and word.isdecimal() and len(word) < 19):
            raise NotANumber(_("“%(word)s” is no number of a run.", word=word[:40]), "ids")
    ids = list(dict.fromkeys(int(word) for word in words))
    if len(ids) > MOST:
        raise TooManyRuns(_("%(many)s runs are chosen; %(most)s can be compared.", many=len(ids), most=MOST), "ids")
    return ids


def differences(runs: Sequence[Run]) -> list[Difference]:
    """What the runs read and how they are set, where they are not all alike; settings that only some recipes have are
    left to `apart`."""
    rows = [*_inputs(runs), *_settings(runs)]
    return [row for row in rows if len(set(row.values)) > 1]


def _inputs(runs: Sequence[Run]) -> list[Difference]:
    roles = dict.fromkeys(each.role for run in runs for each in run.inputs)
    said = [{each.role: _source(each) for each in run.inputs} for run in runs]
    return [Difference(role, label_of(role), [one.get(role) for one in said]) for role in roles]


def _source(each: Any) -> str:
    if each.dataset is not None:
        return _("%(name)s, version %(version)s", name=each.dataset.name, version=each.dataset.version)
    return _("run %(id)s, %(name)s", id=each.from_run.id, name=each.from_run.name)


def _settings(runs: Sequence[Run]) -> list[Difference]:
    common = set.intersection(*(_names(run.recipe) for run in runs)) if runs else set()
    specs = [spec for spec in recipes.fields_of(runs[0].recipe) if spec.name in common] if runs else []
    return [Difference(each.name, each.label, [_value(run, each.name) for run in runs]) for each in specs]


def _value(run: Run, name: str) -> str | None:
    """As the form would say it. A run of an earlier version has no value for a field that came later."""
    value = run.config.get(name)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return None if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _names(recipe: str) -> set[str]:
    return {spec.name for spec in recipes.fields_of(recipe)}


def apart(runs: Sequence[Run]) -> list[Apart]:
    """Settings that not every recipe has, by the recipe that has them; nothing where all runs are of one."""
    kinds = list(dict.fromkeys(run.recipe for run in runs))
    common = set.intersection(*(_names(kind) for kind in kinds)) if kinds else set()
    return [
        Apart(KINDS[kind].title, [spec.name for spec in recipes.fields_of(kind) if spec.name not in common])
        for kind in kinds
        if _names(kind) - common
    ]


def warnings(runs: Sequence[Run]) -> list[str]:
    """What cannot be compared, and why, in sentences."""
    return [sentence for tell in (_unlike_recipes, _unlike_data, _without_result) for sentence in tell(runs)]


def _unlike_recipes(runs: Sequence[Run]) -> list[str]:
    titles = list(dict.fromkeys(str(told(KINDS[run.recipe].title)) for run in runs))
    if len(titles) < 2:
        return []
    return [
        _(
            "These runs are of unlike recipes (%(titles)s). Losses and accuracies of the same name measure different "
            "things there; only settings that all have are put side by side.",
            titles=", ".join(titles),
        )
    ]


def _unlike_data(runs: Sequence[Run]) -> list[str]:
    data = {each.dataset_id for run in runs for each in run.inputs if each.role == "dataset"}
    if len(data) < 2:
        return []
    return [
        _(
            "These runs read %(many)s different datasets: their accuracies are over different pairs, so a difference "
            "may be the data's.",
            many=len(data),
        )
    ]


def _without_result(runs: Sequence[Run]) -> list[str]:
    return [
        _("Run %(id)s, “%(name)s”, is %(state)s, so it has no result.", id=run.id, name=run.name, state=told(state))
        for run in runs
        if (state := queries.state_of(run)) != queries.DONE
    ]
