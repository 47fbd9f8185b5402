"""Gathering: the published pairs of one question stand on several lines, which need not follow one another.

They are put into a small database beside the upload and come back sample by sample, so that memory stays flat.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from app.core.errors import Invalid
from app.samples.sources import BadLine, Entry

SCHEMA = "CREATE TABLE lines (key BLOB, number INTEGER, text BLOB)"
SAMPLES = """
    SELECT firsts.first, lines.text FROM lines
    JOIN (SELECT key, min(number) AS first FROM lines GROUP BY key) AS firsts USING (key)
    WHERE firsts.first > ? ORDER BY firsts.first, lines.number
"""


def gathered(entries: Iterable[Entry], aside: Path, skip: int = 0) -> Iterator[Entry]:
    """A record {"pairs": [...]} for each question and medium, numbered as its first line. A bad line is its own record.

    aside: a folder for the database, which is made once. skip: the number up to which records are passed over.
    """
    path = aside / "pairs.sqlite"
    if not path.exists():
        _write(entries, path)
    with closing(sqlite3.connect(path)) as database:
        for first, group in groupby(database.execute(SAMPLES, (skip,)), key=lambda found: found[0]):
            texts = [text for _first, text in group]
            yield Entry(first, lambda texts=texts: _together(texts), sum(map(len, texts)))  # type: ignore[misc]


def _together(texts: list[bytes]) -> Any:
    rows = [orjson.loads(text) for text in texts]
    if "fault" in rows[0]:
        raise BadLine(rows[0]["fault"], rows[0]["where"])
    return {"pairs": rows}


def _write(entries: Iterable[Entry], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".aside")
    aside.unlink(missing_ok=True)
    with closing(sqlite3.connect(aside)) as database, database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute(SCHEMA)
        database.executemany("INSERT INTO lines VALUES (?, ?, ?)", map(_row, entries))
        database.execute("CREATE INDEX by_key ON lines (key, number)")
    aside.replace(path)


def _row(entry: Entry) -> tuple[bytes, int, bytes]:
    try:
        row = entry.value()
        if not isinstance(row, dict):
            raise BadLine("This is no JSON object.", "line")
    except Invalid as problem:
        return b"fault %d" % entry.number, entry.number, orjson.dumps({"fault": problem.what, "where": problem.where})
    about = [row.get("prompt"), row.get("video") or row.get("image")]
    return hashlib.sha256(orjson.dumps(about)).digest(), entry.number, orjson.dumps(row)
