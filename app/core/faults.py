"""What is wrong with a value that a shape (pydantic) did not take, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from app.core.language import N_, told

SAID = (
    N_("Field required"),
    N_("Extra inputs are not permitted"),
    N_("Input should be a valid string"),
    N_("Input should be a valid string, unable to parse raw data as a unicode string"),
    N_("Input should be a valid number"),
    N_("Input should be a valid number, unable to parse string as a number"),
    N_("Input should be a finite number"),
    N_("Input should be a valid integer"),
    N_("Input should be a valid integer, unable to parse string as an integer"),
    N_("Input should be a valid integer, got a number with a fractional part"),
    N_("Unable to parse input string as an integer, exceeded maximum size"),
    N_("Input should be a valid boolean"),
    N_("Input should be a valid boolean, unable to interpret input"),
    N_("Input should be a valid list"),
    N_("Input should be a valid dictionary"),
    N_("Input should be a valid dictionary or instance of %(shape)s"),
    N_("Input should be a valid dictionary or object to extract fields from"),
    N_("Input should be greater than or equal to %(bound)s"),
    N_("Input should be less than or equal to %(bound)s"),
    N_("Input should be greater than %(bound)s"),
    N_("Input should be less than %(bound)s"),
    N_("Input should be %(choices)s or %(last)s"),
    N_("Input should be %(choices)s"),
    N_("String should have at least %(many)s character"),
    N_("String should have at least %(many)s characters"),
    N_("String should have at most %(many)s character"),
    N_("String should have at most %(many)s characters"),
    N_("String should match pattern '%(pattern)s'"),
    N_("List should have at least %(many)s item after validation, not %(given)s"),
    N_("List should have at least %(many)s items after validation, not %(given)s"),
    N_("List should have at most %(many)s item after validation, not %(given)s"),
    N_("List should have at most %(many)s items after validation, not %(given)s"),
    N_("Input should be a valid date or datetime, %(why)s"),
    N_("JSON decode error"),
    N_("Invalid JSON: %(why)s"),
)
"""The library's own sentences, for the catalogue."""


def sentence(fault: Mapping[str, Any]) -> str:
    """One of a `ValidationError.errors()` in the reader's language."""
    return str(told(str(fault["msg"]).removeprefix("Value error, ")))


def first(problem: ValidationError) -> tuple[str, str]:
    """Where the first fault is, and what it is."""
    fault = problem.errors(include_url=False)[0]
    return ".".join(map(str, fault["loc"])), sentence(fault)
