"""What a run reported, as the database knows it: what a resumed one says again is not kept twice.

A run that goes on from a checkpoint does the steps since then once more, and reports them once more; it also looks at
its data again, and warns of the same things.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from app.core.db import Session
from app.runs.tables import Metric

KINDS = ("metric", "sample", "checkpoint")
NOTE, WARNING = "note", "warning"
Key = tuple[str, str, str]
"""Kind, split, title or words, and the names of the values."""


def key_of(payload: dict[str, Any]) -> Key:
    values = payload.get("values")
    names = ",".join(sorted(values)) if isinstance(values, dict) else ""
    about = payload.get("text") if payload.get("kind") == NOTE else payload.get("split") or payload.get("title")
    return str(payload.get("kind")), str(about or ""), names


def last_steps(session: Session, run_id: int) -> dict[Key, int]:
    """The last step of everything that has steps; and the warnings, which have none."""
    found: dict[Key, int] = {}
    kinds = (*KINDS, NOTE)
    said = sa.select(Metric.payload).where(Metric.run_id == run_id, Metric.kind.in_(kinds)).order_by(Metric.line)
    for payload in session.scalars(said.execution_options(yield_per=1000)):
        step = 0 if _warns(payload) else payload.get("step")
        if isinstance(step, int):
            found[key_of(payload)] = max(step, found.get(key_of(payload), step))
    return found


def _warns(payload: dict[str, Any]) -> bool:
    return payload.get("kind") == NOTE and payload.get("level") == WARNING


def is_repeated(payload: dict[str, Any], known: dict[Key, int]) -> bool:
    if _warns(payload):
        return key_of(payload) in known
    step = payload.get("step")
    return isinstance(step, int) and payload.get("kind") in KINDS and step <= known.get(key_of(payload), step - 1)


def restore(session: Session, run_id: int, path: Path) -> None:
    """Have metrics.jsonl hold what the database has, each line at its byte; a file that does is left alone.

    Lines are known by where they begin. A file that another machine went on with elsewhere would grow over the
    beginnings of lines that were reported already, and what is written there would be taken for known.
    """
    said = sa.select(Metric.line, Metric.payload).where(Metric.run_id == run_id)
    last = session.execute(said.order_by(Metric.line.desc()).limit(1)).one_or_none()
    if last is None or _holds(path, last.line, last.payload):
        return
    aside = path.with_name(f"{path.name}.aside")
    with aside.open("wb") as file:
        for line, payload in session.execute(said.order_by(Metric.line).execution_options(yield_per=1000)):
            if (here := file.tell()) or line:
                file.write(b" " * (line - here - 1) + b"\n")
            file.write(orjson.dumps(payload))
        file.write(b"\n")
    aside.replace(path)


def _holds(path: Path, line: int, payload: dict[str, Any]) -> bool:
    if not path.exists():
        return False
    with path.open("rb") as file:
        file.seek(line)
        raw = file.readline()
    try:
        return bool(raw.endswith(b"\n") and orjson.loads(raw) == payload)
    except orjson.JSONDecodeError:
        return False
