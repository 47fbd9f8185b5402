"""Guessing: how a file that nobody described is written, told by its first records."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

from app.samples import sources
from app.samples.schemas import SampleLine

MAPPED = {"columns": "", "label-studio": "data", "argilla": "fields"}
"""Shapes that do not say themselves what is what, and where in a record their columns are."""


def look_at(source: Path, aside: Path, shape: str = "") -> tuple[str, list[str]]:
    """The shape that a file's first record suggests, unless one is told, and the columns that a person may map: those
    of its first few records, since an empty cell is no column. Raises BadSource.
    """
    few = sources.first_few(source, aside)
    first = next(few, None)
    if not shape:
        shape = guess(first)
        if shape == "assay" and source.suffix.lower() in (".csv", ".tsv"):
            shape = "columns"
    if shape not in MAPPED:
        return shape, []
    return shape, list(dict.fromkeys(name for row in chain([first], few) for name in columns_of(shape, row)))


def columns_of(shape: str, row: object) -> list[str]:
    inner = row if shape == "columns" else _inner(row, MAPPED[shape])
    return [str(name) for name in inner] if isinstance(inner, dict) else []


def _inner(row: object, name: str) -> object:
    return row.get(name) if isinstance(row, dict) else None


def guess(row: object) -> str:
    """The name of the shape that a record seems to have. A row of a table says all in text, ours does not."""
    if not isinstance(row, dict):
        return "assay"
    replies = row.get("responses")
    if isinstance(row.get("conversations"), list):
        return "llava"
    if "chosen" in row and "rejected" in row:
        return "pairs"
    if isinstance(row.get("data"), dict):
        return "label-studio"
    if isinstance(row.get("fields"), dict):
        return "argilla"
    known = row.keys() <= SampleLine.model_fields.keys() and "prompt" in row
    if known and not isinstance(row.get("images"), str) and (replies is None or not _is_judged(replies)):
        return "assay"
    return "mm-rlhf" if isinstance(replies, list | dict) else "columns"


def _is_judged(replies: Any) -> bool:
    return not isinstance(replies, list) or any(
        isinstance(each, dict) and each.keys() - {"model", "text"} for each in replies
    )
