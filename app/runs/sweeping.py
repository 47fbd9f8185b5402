"""Sweeps: one form, several values of a few fields, a run for each point of the grid."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from app.core.db import Session
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.runs import forms, groups, planning
from app.runs.group_tables import SWEEP, RunGroup
from app.runs.refusals import BadConfig, Faults, NothingVaried, TooManyPoints
from ml import config as recipes

MOST = 64
"""Points of one grid."""


def start(session: Session, seat: Seat, form: Mapping[str, str]) -> RunGroup:
    """A run for each point; nothing is queued where any is refused.

    Raises NotFound, UnknownRecipe, NothingVaried, TooManyPoints, and as `forms.plan`.
    """
    kind = planning.kind_of(form.get("recipe", ""))
    faults = Faults()
    with faults.gathered():
        fields = grid(form)
    with faults.gathered():
        name = planning.checked_name(form.get("name", ""), kind)
    if faults.found:  # what else is wrong with the form is said with it
        with faults.gathered():
            varied = {name for name, _values in forms.varied_of(form)}
            forms.plan(session, seat, {name: text for name, text in form.items() if name not in varied})
        faults.refuse()
    plans = []
    for values in product(*fields.values()):
        point = dict(zip(fields, values, strict=True))
        said = ", ".join(f"{field} {value}" for field, value in point.items())
        plans.append(forms.plan(session, seat, {**form, **point, "name": f"{name} · {said}"[: planning.LONGEST_NAME]}))
    return groups.begin(session, seat, SWEEP, name, {"recipe": kind.recipe, "fields": fields}, plans)


def grid(form: Mapping[str, str]) -> dict[str, list[str]]:
    """Field → its values as written, in the order of the rows, each checked against its bounds.

    Raises UnknownRecipe; BadConfig at the row (`values-2`), NothingVaried, TooManyPoints, alone or as SeveralFaults.
    """
    recipe = planning.kind_of(form.get("recipe", "")).recipe
    fields: dict[str, list[str]] = {}
    faults = Faults()
    for row, (name, text) in enumerate(forms.varied_of(form), start=1):
        values = forms.values_of(text)
        with faults.gathered():
            if name or values:
                fields[name] = _checked(recipe, fields, name, values, row)
    faults.refuse()
    _refuse_size(fields)
    return fields


def _checked(recipe: str, known: Mapping[str, list[str]], name: str, values: list[str], row: int) -> list[str]:
    specs = {spec.name: spec for spec in recipes.fields_of(recipe)}
    if name not in specs or name in known:
        raise BadConfig(_("Choose a field that no other row varies."), f"{forms.VARY}{row}")
    if not values:
        raise BadConfig(
            _("Write the values of %(label)s, with commas between.", label=specs[name].label), f"{forms.VALUES}{row}"
        )
    meant: dict[object, str] = {}  # 1e-5 and 0.00001 are one point
    for value in values:
        try:
            config = recipes.from_form(recipe, {name: value})
        except recipes.ConfigError as problem:
            wrong = planning.bad_config(planning.kind_of(recipe), problem)
            raise BadConfig(wrong.what, f"{forms.VALUES}{row}") from None
        meant.setdefault(getattr(config, name), value)
    return list(meant.values())


def _refuse_size(fields: Mapping[str, list[str]]) -> None:
    many = size(fields)
    if many < 2:
        raise NothingVaried(_("A sweep needs a field with at least two values."), f"{forms.VALUES}1")
    if many > MOST:
        raise TooManyPoints(
            _("%(many)s runs are more than the %(most)s of one sweep.", many=many, most=MOST), f"{forms.VALUES}1"
        )


def size(fields: Mapping[str, list[str]]) -> int:
    """How many points the grid has."""
    many = 1
    for values in fields.values():
        many *= len(values)
    return many
