"""The map: every sample's place with what it may be coloured by, as arrays that a browser reads without parsing."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import sqlalchemy as sa

from app.annotations.tables import Disagreement
from app.core.db import Session
from app.core.language import N_
from app.projects.guard import Seat
from app.samples.queries import is_aside
from app.samples.tables import DOMAINS, QUESTION_TYPES, Sample
from app.tasks.tables import Task

STATES = (N_("not cut"), N_("to do"), N_("done"), N_("set aside"))
NONE = 255
"""Of a disagreement: fewer than two people judged the sample."""


def points(session: Session, seat: Seat) -> bytes:
    """Little-endian: a uint32, the bytes of a JSON head that is filled up with spaces to a multiple of 8, less those
    four; the head; then columns of `n` numbers each, in the order of the head's `columns`, each a name and a type.

    The head names what codes mean. `disagreement` is 0 to 250 for 0 to 1, or NONE.
    """
    rows = session.execute(_query(seat)).all()
    ids, xs, ys, clusters, types, domains, states, apart = zip(*rows, strict=True) if rows else ((),) * 8
    names = sorted(set(clusters))
    columns: dict[str, Any] = {
        "id": np.asarray(ids, "<f8"),
        "x": np.asarray(xs, "<f4"),
        "y": np.asarray(ys, "<f4"),
        "cluster": np.searchsorted(names, clusters).astype("<u2") if names else np.zeros(0, "<u2"),
        "type": _codes(types, QUESTION_TYPES),
        "domain": _codes(domains, DOMAINS),
        "state": np.asarray(states, "u1"),
        "disagreement": np.asarray([NONE if each is None else round(250 * each) for each in apart], "u1"),
    }
    head = {
        "n": len(ids),
        "columns": [[name, column.dtype.str.lstrip("<|")] for name, column in columns.items()],
        "cluster": names,
        "type": QUESTION_TYPES,
        "domain": DOMAINS,
        "state": STATES,
    }
    text = orjson.dumps(head)
    text += b" " * (-(len(text) + 4) % 8)
    return len(text).to_bytes(4, "little") + text + b"".join(column.tobytes() for column in columns.values())


def _codes(values: tuple[str, ...], names: tuple[str, ...]) -> Any:
    place = {name: number for number, name in enumerate(names)}
    return np.asarray([place[each] for each in values], "u1")


def _query(seat: Seat) -> sa.Select[Any]:
    """One row a mapped sample."""
    tasks = (
        sa.select(Task.sample_id, sa.func.bool_and(Task.done_at.is_not(None)).label("done"))
        .where(Task.project_id == seat.project.id, Task.gold_id.is_(None))
        .group_by(Task.sample_id)
        .subquery()
    )
    state = sa.case((is_aside(), 3), (tasks.c.done.is_(None), 0), (tasks.c.done, 2), else_=1)
    return (
        sa.select(
            Sample.id,
            Sample.map_x,
            Sample.map_y,
            Sample.cluster,
            sa.cast(Sample.question_type, sa.Text),
            sa.cast(Sample.domain, sa.Text),
            state,
            Disagreement.value,
        )
        .outerjoin(tasks, tasks.c.sample_id == Sample.id)
        .outerjoin(Disagreement, Disagreement.sample_id == Sample.id)
        .where(Sample.project_id == seat.project.id, Sample.map_x.is_not(None))
        .order_by(Sample.id)
    )
