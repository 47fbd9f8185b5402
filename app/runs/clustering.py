"""A run of `cluster` reads every sample of its project, and leaves each a cluster and a place on the map."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from app.core import storage
from app.core.db import Session
from app.core.language import gettext as _
from app.runs.lines import read_jsonl
from app.runs.refusals import OutputMissing
from app.runs.tables import Run
from app.samples import curating
from app.samples.tables import Medium, Sample

BATCH = 5000
LISTED = 200
"""Near-duplicates that a page shows."""


def bring(session: Session, run: Run, inputs: Path) -> None:
    """inputs/samples.jsonl: each sample with its first picture or frame, in the order of samples. Twice is harmless."""
    first = (
        sa.select(Medium.kind, Medium.blob_sha256)
        .where(Medium.sample_id == Sample.id, Medium.kind != "video")
        .order_by(Medium.position)
        .limit(1)
        .lateral()
    )
    query = (
        sa.select(Sample.id, first.c.kind, first.c.blob_sha256)
        .outerjoin(first, sa.true())
        .where(Sample.project_id == run.project_id)
        .order_by(Sample.id)
    )
    aside = inputs / "samples.jsonl.aside"
    with aside.open("wb") as file:
        for number, kind, sha256 in session.execute(query.execution_options(yield_per=BATCH)):
            media = [{"kind": kind, "path": str(storage.blob(sha256).resolve())}] if sha256 else []
            file.write(orjson.dumps({"id": f"s{number}", "media": media}) + b"\n")
    os.replace(aside, inputs / "samples.jsonl")


def keep(session: Session, run: Run, folder: Path) -> None:
    """Give each sample its cluster and place; what an earlier run said is taken back. Raises OutputMissing."""
    path = folder / "output" / "samples.jsonl"
    if not path.is_file():
        raise OutputMissing(_("The process ended well but a file of its output is missing."), "output/samples.jsonl")
    mine = sa.update(Sample).where(Sample.project_id == run.project_id)
    placed = sa.or_(Sample.cluster != "", Sample.map_x.is_not(None))
    session.execute(mine.where(placed).values(cluster="", map_x=None, map_y=None))
    width = len(str(run.config["clusters"]))
    for rows in _batches(read_jsonl(path)):
        session.execute(PLACE, {"project": run.project_id, **_columns(rows, width)})


PLACE = sa.text("""
UPDATE samples SET cluster = placed.cluster, map_x = placed.x, map_y = placed.y
FROM unnest(CAST(:ids AS bigint[]), CAST(:clusters AS text[]), CAST(:xs AS float8[]), CAST(:ys AS float8[]))
  AS placed (id, cluster, x, y)
WHERE samples.id = placed.id AND samples.project_id = :project
""")


def _columns(rows: list[dict[str, Any]], width: int) -> dict[str, list[Any]]:
    return {
        "ids": [int(row["sample"].removeprefix("s")) for row in rows],
        # Names of one width stand in the order of their numbers wherever they are sorted as texts.
        "clusters": [f"{row['cluster']:0{width}}" for row in rows],
        "xs": [row["x"] for row in rows],
        "ys": [row["y"] for row in rows],
    }


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        yield batch


def shown(session: Session, run: Run) -> dict[str, Any]:
    """The variables of the page's part on clusters: walls of samples by cluster, and the nearest duplicates."""
    output = storage.run_folder(run.id) / "output"
    path = output / "clusters.json"
    clusters: list[dict[str, Any]] = orjson.loads(path.read_bytes()) if path.is_file() else []
    duplicates = list(read_jsonl(output / "duplicates.jsonl", LISTED))
    keys = {key for each in clusters for key in each["nearest"][:WALL]}
    keys |= {each[side][0] for each in duplicates for side in ("samples", "of")}
    numbers = [int(key.removeprefix("s")) for key in keys]
    query = sa.select(Sample).where(Sample.project_id == run.project_id, Sample.id.in_(numbers))
    known = {f"s{sample.id}": sample for sample in session.scalars(query.options(selectinload(Sample.media)))}
    points = list(read_jsonl(output / "samples.jsonl", DRAWN))
    twins = {int(key.removeprefix("s")) for each in duplicates for key in each["samples"]}
    aside = {f"s{number}" for number in curating.aside_of(session, sorted(twins))}
    found = {"clusters": clusters, "duplicates": duplicates, "known": known, "wall": WALL, "points": points}
    return {**found, "aside": aside}


DRAWN = 2000
"""Samples that the page's map shows."""

WALL = 8
"""Thumbnails that stand for a cluster."""
