"""What is wrong with a value that a shape (pydantic) did not take, in the reader's language."""

from __future__ import annotations

from pydantic import ValidationError

from app.core.language import N_, told

SAID = (
    N_("Input should be greater than or equal to %(bound)s"),
    N_("Input should be less than or equal to %(bound)s"),
    N_("Input should be a finite number"),
    N_("Input should be a valid number, unable to parse string as a number"),
    N_("Input should be a valid integer, unable to parse string as an integer"),
    N_("Input should be a valid integer, got a number with a fractional part"),
    N_("Input should be %(choices)s"),
    N_("String should have at most %(many)s characters"),
    N_("List should have at most %(many)s items after validation, not %(given)s"),
)
"""The library's own sentences, for the catalogue."""


def first(problem: ValidationError) -> tuple[str, str]:
    """Where the first fault is, and what it is."""
    fault = problem.errors(include_url=False)[0]
    return ".".join(map(str, fault["loc"])), str(told(fault["msg"].removeprefix("Value error, ")))
