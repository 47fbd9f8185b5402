"""What a run of `generate` has done so far: a tally of each model, and samples × models side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import joinedload, selectinload

from app.core import storage
from app.core.db import Session
from app.core.language import N_
from app.runs.generating_tables import Generation
from app.runs.tables import Run
from app.samples.tables import Sample

PAGE = 10
"""Samples that are shown at once."""

TAIL = 512 * 1024
"""Bytes of the end of responses.jsonl that are read while it fills."""

STATES = {"ok": N_("answered"), "refused": N_("refused"), "failed": N_("failed")}
TONES = {"ok": "good", "refused": "warn", "failed": "bad"}


def shown(session: Session, run: Run, after: int = 0) -> dict[str, Any]:
    """The variables of the part: of a run that is done its responses in order, else the last that came in."""
    folder = storage.run_folder(run.id)
    tallies = _tallies(folder / "models.json")
    cells = _kept(session, run, after) if run.result is not None else _latest(folder / "responses.jsonl")
    samples = _samples(session, run, list(cells)[:PAGE])
    rows = [(samples[each], cells[each]) for each in cells if each in samples]
    return {
        "tallies": tallies,
        "asked": sum(each["asked"] for each in tallies),
        "rows": rows,
        "models": [each["name"] for each in tallies],
        "next": rows[-1][0].id if run.result is not None and len(cells) > PAGE else None,
        "after": after,
        "cell_states": STATES,
        "tones": TONES,
    }


Cells = dict[int, dict[str, dict[str, Any]]]
"""By sample and model: what was said."""


def _tallies(path: Path) -> list[dict[str, Any]]:
    return list(orjson.loads(path.read_bytes())) if path.is_file() else []


def _latest(path: Path) -> Cells:
    """The samples that were answered last, newest first."""
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL))
        lines = file.read().replace(b"\\u0000", b"").split(b"\n")
    # The last piece is empty or half a line, and the first one, where the file is longer, the end of one.
    found: Cells = {}
    for line in reversed(lines[1 if size > TAIL else 0 : -1]):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:  # what a killed process left of a line
            continue
        found.setdefault(int(row["sample"].removeprefix("s")), {}).setdefault(row["model"], row)
    return found


def _kept(session: Session, run: Run, after: int) -> Cells:
    """A page of samples, and one more where there is a next page."""
    ids = sa.select(Generation.sample_id).where(Generation.run_id == run.id, Generation.sample_id > after)
    page = session.scalars(ids.distinct().order_by(Generation.sample_id).limit(PAGE + 1)).all()
    query = sa.select(Generation).where(Generation.run_id == run.id, Generation.sample_id.in_(page))
    found: Cells = {each: {} for each in page}
    for row in session.scalars(query.options(joinedload(Generation.response))):
        text = row.response.text if row.response else row.text
        found[row.sample_id][row.model] = {**_columns(row), "text": text, "kept": row.response is not None}
    return found


def _columns(row: Generation) -> dict[str, Any]:
    names = ("state", "prompt", "settings", "finish", "tokens_in", "tokens_out", "cost", "seconds", "tries", "fault")
    return {name: getattr(row, name) for name in names}


def _samples(session: Session, run: Run, ids: list[int]) -> dict[int, Sample]:
    query = sa.select(Sample).where(Sample.project_id == run.project_id, Sample.id.in_(ids))
    return {each.id: each for each in session.scalars(query.options(selectinload(Sample.media)))}
