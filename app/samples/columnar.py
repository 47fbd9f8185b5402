"""The confined reader of tables: rows of Parquet and Arrow as lines of JSON, the pictures within them as files aside.

Reads one order from its standard input and sets its own limits before it opens anything, since a table of a few
kilobytes may unpack to terabytes, whatever its own head says: a page of zeros, one value that a million rows share.
Never imported by the web: `app.samples.confined` starts it.
"""

from __future__ import annotations

import hashlib
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from app.core import storage
from app.samples.confined import EMBEDDED, MEMORY, REFUSED

ROWS_AT_ONCE = 16
"""Rows that are in memory together: they may carry pictures."""

CONVERTED_ONE_BY_ONE = 64 * 2**20
"""Bytes of a batch from which on its rows become Python's one at a time."""

CPU_SECONDS, PER_MEGABYTE = 60, 5
"""Seconds of processor time that reading may take, and those for each megabyte on disk: honest tables need far less."""

MOST_INFLATION, FREE = 200, 2**30
"""A table that says of itself to unpack to more bytes than FREE, and than so many times its size on disk, is taken for
a bomb without being read: the same bound as for archives."""


class Bomb(Exception):
    """A table that says itself how far it unpacks."""


def confine(parts: list[Path]) -> None:
    """What is mapped counts as memory too, so that Arrow files are added: they are read where they lie."""
    sizes = [(part.suffix.lower(), part.stat().st_size) for part in parts]
    memory = MEMORY + max((size for kind, size in sizes if kind != ".parquet"), default=0)
    seconds = CPU_SECONDS + PER_MEGABYTE * sum(size for _kind, size in sizes) // 2**20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))  # the first is a signal that tells itself apart
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pa.set_cpu_count(1)


def main() -> None:
    order = orjson.loads(sys.stdin.buffer.read())
    parts = [Path(part) for part in order["parts"]]
    confine(parts)
    if order["work"] == "count":
        sys.stdout.buffer.writelines(_refusing(parts, lambda part: iter([b"%d\n" % count_of(part)])))
        return
    sys.stdout.buffer.writelines(lines(parts, Path(order["aside"]), order["skip"]))


def lines(parts: list[Path], aside: Path, skip: int) -> Iterator[bytes]:
    """A line a row beyond the first `skip`, and what is wrong with the table as a last line that begins otherwise."""
    left = skip

    def of(part: Path) -> Iterator[bytes]:
        nonlocal left
        if part.suffix.lower() == ".parquet" and (rows := count_of(part)) <= left:
            left -= rows
            return
        for batch in _batches(part):
            passed = min(left, batch.num_rows)
            left -= passed
            yield from _lines_of(batch.slice(passed), aside)

    yield from _refusing(parts, of)


def _refusing(parts: list[Path], read: Any) -> Iterator[bytes]:
    for part in parts:
        try:
            yield from read(part)
        except (MemoryError, Bomb):  # before the next, of which Arrow's own is one too
            yield _refusal("memory", part)
            return
        except (pa.ArrowException, OSError, ArithmeticError, TypeError, ValueError) as problem:
            # The last three: of a text or a column's name that is no UTF-8, of a date that no calendar has.
            yield _refusal("damaged", part, " ".join(str(problem).split())[:200])
            return


def _refusal(kind: str, part: Path, words: str = "") -> bytes:
    return REFUSED + orjson.dumps({"kind": kind, "part": part.name, "words": words}) + b"\n"


def count_of(part: Path) -> int:
    """How many rows a shard has, or says that it has."""
    if part.suffix.lower() == ".parquet":
        return int(pq.ParquetFile(part).metadata.num_rows)
    with pa.memory_map(str(part)) as file:
        return sum(batch.num_rows for batch in _arrow_batches(file))


def _batches(part: Path) -> Iterator[Any]:
    if part.suffix.lower() == ".parquet":
        # With a buffer, pages are read one after the other: without, all of a group's, however large it is.
        file = pq.ParquetFile(part, buffer_size=2**20, pre_buffer=False)
        _look_at(file.metadata, part.stat().st_size)
        yield from map(_sound, file.iter_batches(ROWS_AT_ONCE, use_threads=False))
        return
    with pa.memory_map(str(part)) as mapped:
        for batch in map(_sound, _arrow_batches(mapped)):
            yield from (batch.slice(start, ROWS_AT_ONCE) for start in range(0, batch.num_rows, ROWS_AT_ONCE))


def _look_at(head: Any, packed: int) -> None:
    """What the head says need not be true, nor all: a value counts once in it that many rows share."""
    unpacked = sum(head.row_group(place).total_byte_size for place in range(head.num_row_groups))
    if unpacked > max(FREE, MOST_INFLATION * packed):
        raise Bomb


def _sound(batch: Any) -> Any:
    batch.validate(full=True)  # damaged offsets would be followed out of the file, and end the process
    return batch


def _arrow_batches(file: IO[bytes]) -> Iterator[Any]:
    try:
        yield from pa.ipc.open_stream(file)
    except pa.ArrowInvalid:
        file.seek(0)
        reader = pa.ipc.open_file(file)
        yield from (reader.get_batch(index) for index in range(reader.num_record_batches))


def _lines_of(batch: Any, aside: Path) -> Iterator[bytes]:
    step = 1 if batch.nbytes > CONVERTED_ONE_BY_ONE else ROWS_AT_ONCE
    for start in range(0, batch.num_rows, step):
        for row in batch.slice(start, step).to_pylist():
            yield orjson.dumps(_without_bytes(row, aside), default=str) + b"\n"


def _without_bytes(value: Any, aside: Path) -> Any:
    """The value with bytes replaced by the names of files that hold them, and without what is null."""
    if isinstance(value, bytes):
        name = hashlib.sha256(value).hexdigest()
        storage.write_whole(aside / name, value)
        return EMBEDDED + name
    if isinstance(value, dict):
        if value.keys() == {"bytes", "path"}:
            return _without_bytes(value["bytes"], aside) if value["bytes"] else value["path"]
        return {key: _without_bytes(inner, aside) for key, inner in value.items() if inner is not None}
    return [_without_bytes(inner, aside) for inner in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
