"""Sources: files that hold one record a line, a row or an element, read one after the other with constant memory.

Read: .jsonl, .json (an array, or an object with one), .csv and .tsv, .parquet, and a datasets folder as the Hugging
Face library saves it on disk (Arrow or Parquet shards). Pictures that rows carry within them are put aside as files.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson

from app.core import storage
from app.core.errors import Invalid
from app.core.language import gettext as _
from app.samples.elements import Unreadable, elements_of

LONGEST_LINE = 8 * 2**20
ROWS_AT_ONCE = 64
"""Rows of a columnar file that are in memory together: they may carry pictures."""

EMBEDDED = "embedded:"
"""How the name of a picture begins that a row carried within it."""

LOOKED_AT = 200
"""Records by which a file is judged before it is imported."""

SHARDS = (".arrow", ".parquet")
TABLES = (".jsonl", ".json", ".csv", ".tsv", *SHARDS)
ABOUT = {"card.json", "dataset_info.json", "state.json", "dataset_dict.json", "dataset_infos.json", "package.json"}
"""Files that tell about the records and hold none."""


class BadLine(Invalid):
    """A line, row or element that is no sample."""


class BadSource(Invalid):
    """A file or a folder that holds no records in a way that we read."""


@dataclass(frozen=True)
class Entry:
    """One record, counted from 1 as people count lines. `value()` parses it and raises BadLine."""

    number: int
    value: Callable[[], Any]
    weight: int = 320 * 2**10
    """Bytes that it has about; where that is not known, as many as a record with a picture in it."""


def records(source: Path, aside: Path, skip: int = 0) -> Iterator[Entry]:
    """The records of a file or a datasets folder whose number is beyond `skip`.

    aside: the folder that embedded pictures are written to. Raises BadSource, also in the middle of a damaged file.
    """
    parts = shards_of(source) if source.is_dir() else [source]
    number = 0
    for part in parts:
        for entry in _entries(part, aside, max(0, skip - number)):
            yield Entry(number + entry.number, entry.value, entry.weight) if number else entry
        number += count_of(part) if len(parts) > 1 else 0


def first_few(source: Path, aside: Path) -> Iterator[Any]:
    """Those of the first few hundred records that read well. Raises BadSource."""
    for entry in islice(records(source, aside), LOOKED_AT):
        try:
            yield entry.value()
        except Invalid:
            continue


def find_source(root: Path) -> Path:
    """The one file or datasets folder among what lies in `root` that holds the records. Raises BadSource."""
    saved = [path.parent for name in ("dataset_dict.json", "state.json") for path in sorted(root.rglob(name))]
    if saved:  # the outermost: a folder of splits has a state.json in each
        return saved[0]
    found = [path for path in sorted(root.rglob("*")) if _is_table(path)]
    named = [path for path in found if path.name == "data.jsonl"] or [p for p in found if p.name == "dpo_pairs.jsonl"]
    lines = [path for path in found if path.suffix.lower() == ".jsonl"]
    folders = {path.parent for path in found if path.suffix.lower() in SHARDS}
    for one in (named, lines, found):
        if len(one) == 1:
            return one[0]
    if len(folders) == 1 and all(path.suffix.lower() in SHARDS for path in found):
        return folders.pop()
    raise BadSource(
        _("There must be exactly one file of records among the media; there are %(found)s.", found=len(found)),
        "archive",
        _("Records are read from .jsonl, .json, .csv, .tsv and .parquet, and from a datasets folder."),
    )


def _is_table(path: Path) -> bool:
    """Names that begin with a dot are what a Mac adds to its archives beside each file."""
    return path.suffix.lower() in TABLES and path.name not in ABOUT and not path.name.startswith(".")


def shards_of(folder: Path) -> list[Path]:
    """The shards of a datasets folder in their order; state.json tells it where there is one. Raises BadSource."""
    state = folder / "state.json"
    if state.exists():
        named = [str(each.get("filename", "")) for each in orjson.loads(state.read_bytes()).get("_data_files", [])]
        return [path for name in named if (path := folder / Path(name).name).is_file()]
    found = [path for path in sorted(folder.rglob("*")) if _is_table(path) and path.suffix.lower() in SHARDS]
    if not found:
        raise BadSource(_("The folder holds no Arrow or Parquet shards."), folder.name)
    return found


def fingerprint_of(source: Path) -> str:
    """Changes when the records do; empty where they are gone."""
    try:
        parts = [path.stat() for path in (shards_of(source) if source.is_dir() else [source])]
    except (OSError, BadSource):
        return ""
    return " ".join(f"{part.st_size}:{part.st_mtime_ns}" for part in parts)


def media_root_of(source: Path) -> Path:
    """The folder that the records' paths start from."""
    return source if source.is_dir() else source.parent


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """A file's lines; one beyond the limit is handed on cut, to be named as a fault, and its rest is passed over."""
    while line := file.readline(LONGEST_LINE + 1):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(b"\n") and (line := file.readline(LONGEST_LINE + 1)):
            pass


def parsed(text: str | bytes) -> Any:
    """One line of JSON. Raises BadLine."""
    if len(text) > LONGEST_LINE:
        raise BadLine(_("The line is longer than %(longest_line)s bytes.", longest_line=f"{LONGEST_LINE:,}"), "line")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        raise BadLine(_("This is not JSON: %(problem)s.", problem=problem), "line") from None


def entries_of(lines: Iterable[str | bytes]) -> Iterator[Entry]:
    """Lines of JSON as records; blank ones are counted and passed over."""
    for number, text in enumerate(lines, 1):
        if text.strip():
            yield Entry(number, lambda text=text: parsed(text), len(text))  # type: ignore[misc]


def count_of(part: Path) -> int:
    """How many rows a shard has."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if part.suffix.lower() == ".parquet":
        return int(pq.ParquetFile(part).metadata.num_rows)
    with pa.memory_map(str(part)) as file:
        return sum(batch.num_rows for batch in _arrow_batches(file))


def _entries(part: Path, aside: Path, skip: int) -> Iterator[Entry]:
    kind = part.suffix.lower()
    if kind in SHARDS:
        yield from _columnar(part, aside, skip)
        return
    if kind == ".json":
        found = _array(part)
    elif kind in (".csv", ".tsv"):
        found = _separated(part, "\t" if kind == ".tsv" else ",")
    else:
        found = _lines(part)
    yield from (entry for entry in found if entry.number > skip)


def _lines(part: Path) -> Iterator[Entry]:
    with part.open("rb") as file:
        yield from entries_of(lines_of(file))


def _array(part: Path) -> Iterator[Entry]:
    with part.open("rb") as file:
        file.seek(3 if file.read(3) == b"\xef\xbb\xbf" else 0)
        try:
            for number, element in enumerate(elements_of(file, LONGEST_LINE), 1):
                yield Entry(number, lambda element=element: element)  # type: ignore[misc]
        except Unreadable as problem:
            raise BadSource(str(problem), part.name) from None


def _separated(part: Path, separator: str) -> Iterator[Entry]:
    csv.field_size_limit(LONGEST_LINE)
    with part.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = csv.DictReader(file, delimiter=separator, restkey="")
        try:
            for row in rows:
                weight = sum(map(len, filter(None, row.values())))
                yield Entry(rows.line_num, lambda row=row: _cells(row), weight)  # type: ignore[misc]
        except csv.Error as problem:
            where = f"{part.name}:{rows.line_num}"
            raise BadSource(_("The table is damaged (%(problem)s).", problem=problem), where) from None


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    if "" in row and isinstance(row[""], list):
        raise BadLine(_("The row has more cells than the table has columns."), "row")
    for name, cell in row.items():
        if cell is not None and any(0xDC80 <= ord(letter) <= 0xDCFF for letter in cell):
            raise BadLine(_("The text is not UTF-8."), name)
    return {name: cell for name, cell in row.items() if cell not in (None, "")}


def _columnar(part: Path, aside: Path, skip: int) -> Iterator[Entry]:
    import pyarrow as pa

    number = 0
    try:
        for batch in _batches(part):
            batch.validate(full=True)  # damaged offsets would be followed out of the file, and end the process
            if number + batch.num_rows <= skip:
                number += batch.num_rows
                continue
            for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                for row in batch.slice(start, ROWS_AT_ONCE).to_pylist():
                    number += 1
                    if number > skip:
                        yield Entry(number, lambda row=row: _without_bytes(row, aside), _weight(row))  # type: ignore[misc]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as problem:  # the last: of a column's name
        words = " ".join(str(problem).split())[:200]
        raise BadSource(_("The table is damaged (%(problem)s).", problem=words), part.name) from None


def _batches(part: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if part.suffix.lower() == ".parquet":
        yield from pq.ParquetFile(part).iter_batches(batch_size=ROWS_AT_ONCE)
        return
    with pa.memory_map(str(part)) as file:
        yield from _arrow_batches(file)


def _arrow_batches(file: Any) -> Iterator[Any]:
    import pyarrow as pa

    try:
        yield from pa.ipc.open_stream(file)
    except pa.ArrowInvalid:
        file.seek(0)
        reader = pa.ipc.open_file(file)
        yield from (reader.get_batch(index) for index in range(reader.num_record_batches))


def _weight(value: Any) -> int:
    if isinstance(value, dict | list):
        return sum(map(_weight, value.values() if isinstance(value, dict) else value))
    return len(value) if isinstance(value, str | bytes) else 8


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
