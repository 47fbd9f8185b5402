"""Which column of a strange table is which field of a sample: guessed from the names, changed by a person."""

from __future__ import annotations

import re
from typing import Any

from app.core.language import gettext as _
from app.samples.sources import BadLine

SYNONYMS = {
    "prompt": ("prompt", "question", "instruction", "query", "text", "input"),
    "image": ("image", "image_path", "img", "picture", "file_name", "filename", "image_url"),
    "images": ("images", "image_paths", "pictures"),
    "video": ("video", "video_path", "clip"),
    "id": ("id", "sample_id", "question_id", "uid", "idx"),
    "reference": ("reference", "answer", "ground_truth", "gold", "label", "solution"),
    "question_type": ("question_type", "type"),
    "domain": ("domain",),
    "danger": ("danger", "safety_category", "risk", "hazard"),
    "language": ("language", "lang"),
    "cluster": ("cluster",),
    "alt": ("alt",),
    "credit": ("credit", "license", "licence", "source"),
}
FIELDS = tuple(SYNONYMS)
REPLY = re.compile(r"^(?:response|answer|output|completion|reply|generation)[ _-]*(\w+)$", re.IGNORECASE)
REPLIES = "response:"
"""How the key of a mapping begins that makes a column a response: `response:<column>`, its value the model's name."""

Mapping = dict[str, str]
"""Field → column, and `response:<column>` → the model's name or, after `=`, the column that holds it."""


def guess(columns: list[str]) -> Mapping:
    """The mapping that the columns' names suggest; a column serves one field."""
    plain = {column.strip().lower().replace(" ", "_"): column for column in columns}
    found: Mapping = {}
    for field in FIELDS:
        column = next((plain[name] for name in SYNONYMS[field] if name in plain), None)
        if column is not None and column not in found.values():
            found[field] = column
    for column in columns:
        if (reply := REPLY.match(column)) and column not in found.values():
            found_model = (f"model_{reply[1]}".lower(), f"{column}_model".lower())
            model = next((plain[name] for name in found_model if name in plain), "")
            found[REPLIES + column] = f"={model}" if model else reply[1]
    return found


def applied(row: dict[str, Any], mapping: Mapping) -> dict[str, Any]:
    """The row as a sample's fields. Raises BadLine where a mapped column is of no use."""
    line: dict[str, Any] = {}
    for field, column in mapping.items():
        if field.startswith(REPLIES):
            continue
        if (value := row.get(column)) not in (None, "", []):
            line[field] = _fitting(field, value)
    named = [(column, mapping[REPLIES + column]) for column in row if REPLIES + column in mapping]  # in the row's order
    replies = [_reply(row, column, model) for column, model in named]
    return {**line, "responses": [reply for reply in replies if reply]}


def _fitting(field: str, value: Any) -> Any:
    if field == "images" and isinstance(value, str):
        return [part.strip() for part in value.split(";") if part.strip()]
    if field in ("images", "video") and isinstance(value, list):
        return value
    if isinstance(value, bool | dict | list):
        raise BadLine(_("This column holds no text."), field)
    return value if field == "id" and isinstance(value, int) else str(value)


def _reply(row: dict[str, Any], column: str, model: str) -> dict[str, Any] | None:
    if (text := row.get(column)) in (None, ""):
        return None
    if not isinstance(text, str):
        raise BadLine(_("This column holds no text."), column)
    name = row.get(model[1:], "") if model.startswith("=") else model
    return {"model": str(name or column)[:200], "text": text}
