"""What a config's field may hold: bounds, choices, help, and the checks that hold it to them."""

from __future__ import annotations

import math
import types
from dataclasses import MISSING, Field, dataclass, field
from typing import Any, Literal, cast

from ml.errors import ConfigError

GROUPS = ("Model", "Objective", "Adapter", "Optimisation", "Data", "Generation", "Endpoint", "Reporting", "Compute")


def option(
    default: bool | int | float | str,
    help: str,
    group: str,
    *,
    label: str = "",
    min: float | None = None,
    max: float | None = None,
    choices: tuple[str, ...] = (),
    advanced: bool = False,
) -> Any:
    """A dataclass field with everything that a form needs to draw it."""
    return field(
        default=default,
        metadata=types.MappingProxyType(
            {
                "help": help,
                "group": group,
                "label": label,
                "min": min,
                "max": max,
                "choices": choices,
                "advanced": advanced,
            }
        ),
    )


Kind = Literal["bool", "int", "float", "str", "choice"]
NUMBERS = {"int": "a whole number", "float": "a number"}


@dataclass(frozen=True)
class FieldSpec:
    """One field as a form draws it. `min` and `max` are inclusive; `choices` is empty unless kind is "choice"."""

    name: str
    kind: Kind
    default: bool | int | float | str
    label: str
    help: str
    group: str
    min: float | None
    max: float | None
    choices: tuple[str, ...]
    advanced: bool

    @property
    def bounds(self) -> tuple[str, str]:
        """The least and the greatest value, as a form says them."""
        return figure(self.min), figure(self.max)


def spec_of(each: Field[Any], hint: type) -> FieldSpec:
    """The form's view of one dataclass field that `option` made."""
    assert each.default is not MISSING
    meta = dict(each.metadata)
    meta["label"] = meta["label"] or each.name.replace("_", " ").capitalize()
    kind = cast(Kind, "choice" if meta["choices"] else hint.__name__)
    return FieldSpec(name=each.name, kind=kind, default=each.default, **meta)


def checked(spec: FieldSpec, value: Any) -> bool | int | float | str:
    """The value, if the field may hold it; raises ConfigError naming the field."""
    if spec.kind in ("int", "float"):
        return _checked_number(spec, value)
    if spec.kind == "bool":
        if not isinstance(value, bool):
            raise ConfigError(spec.name, f"must be true or false, not {_shown(value)}")
        return value
    if not isinstance(value, str):
        raise ConfigError(spec.name, f"must be text, not {_shown(value)}")
    if spec.kind == "choice" and value not in spec.choices:
        raise ConfigError(spec.name, f"{_shown(value)} is none of {', '.join(spec.choices)}")
    if len(value) > 1000 or any(ord(letter) < 32 for letter in value):
        raise ConfigError(spec.name, "must be at most 1,000 printable characters")
    return value


def _checked_number(spec: FieldSpec, value: Any) -> int | float:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole and not (spec.kind == "float" and isinstance(value, float)):
        raise ConfigError(spec.name, f"must be {NUMBERS[spec.kind]}, not {_shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(spec.name, "must be a finite number")
    if (spec.min is not None and value < spec.min) or (spec.max is not None and value > spec.max):
        raise ConfigError(spec.name, f"{_shown(value)} is not between {figure(spec.min)} and {figure(spec.max)}")
    return float(value) if spec.kind == "float" else cast(int, value)


def figure(number: float | None) -> str:
    """A bound as people read it: 10,000,000 rather than 1e+07; empty where there is none."""
    if number is None:
        return ""
    return f"{int(number):,}" if number == int(number) else f"{number:g}"


def parsed(spec: FieldSpec, text: str) -> bool | int | float | str:
    """A form's string as the field's type; raises ConfigError for what is no number."""
    if spec.kind == "bool":
        return text.lower() in ("on", "true", "1", "yes")
    if spec.kind in ("int", "float"):
        try:
            return int(text) if spec.kind == "int" else float(text)
        except ValueError:
            raise ConfigError(spec.name, f"must be {NUMBERS[spec.kind]}, not {_shown(text)}") from None
    return text


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
