"""Sources: files that hold one record a line, a row or an element, read one after the other with constant memory.

Read: .jsonl, .json (an array, or an object with one), .csv and .tsv, .parquet, and a datasets folder as the Hugging
Face library saves it on disk (Arrow or Parquet shards). Pictures that rows carry within them are put aside as files.
"""

from __future__ import annotations

import csv
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson

from app.core.errors import Invalid
from app.core.language import gettext as _
from app.samples import confined
from app.samples.elements import Unreadable, elements_of

LONGEST_LINE = 8 * 2**20
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


class UnpacksTooFar(BadSource):
    """A table that unpacks to more than reading one may take: it may be a few kilobytes that stand for terabytes."""


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
    if source.is_dir() or source.suffix.lower() in SHARDS:
        yield from _columnar(source, aside, skip)
    else:
        yield from (entry for entry in _entries(source) if entry.number > skip)


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


def _entries(part: Path) -> Iterator[Entry]:
    kind = part.suffix.lower()
    if kind == ".json":
        return _array(part)
    return _separated(part, "\t" if kind == ".tsv" else ",") if kind in (".csv", ".tsv") else _lines(part)


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


def _columnar(source: Path, aside: Path, skip: int) -> Iterator[Entry]:
    """The rows of a table or of a datasets folder's, which a confined process unpacks: see `columnar`."""
    parts = [str(part.resolve()) for part in (shards_of(source) if source.is_dir() else [source])]
    number = skip
    with confined.reading(work="rows", parts=parts, aside=str(aside.resolve()), skip=skip) as (out, process):
        for line in lines_of(out):
            if line.startswith(confined.REFUSED):
                raise _refusal(orjson.loads(line[1:]), number + 1)
            if line.endswith(b"\n") or len(line) > LONGEST_LINE:  # else it was ended in the middle of a row
                number += 1
                yield Entry(number, lambda line=line: parsed(line), len(line))  # type: ignore[misc]
        if (code := process.wait()) > 0:
            raise BadSource(_("The file could not be prepared; the worker's log says why."), source.name)
        if code:
            kind = "time" if code == -signal.SIGXCPU else "memory"
            raise _refusal({"kind": kind, "part": source.name}, number + 1)


def _refusal(told: dict[str, str], number: int) -> BadSource:
    where = f"{told['part']}:{number}"
    if told["kind"] == "damaged":
        return BadSource(_("The table is damaged (%(problem)s).", problem=told["words"]), told["part"])
    advice = _("Write the table anew without what is so large, or its records as .jsonl with their media as files.")
    if told["kind"] == "time":
        return UnpacksTooFar(
            _("From row %(row)s on the table takes longer to unpack than one of its size may.", row=number),
            where,
            advice,
        )
    limit = f"{confined.MEMORY / 2**30:g} GiB"
    return UnpacksTooFar(
        _(
            "From row %(row)s on the table unpacks to far more than it packs, or than %(limit)s.",
            row=number,
            limit=limit,
        ),
        where,
        advice,
    )


def count_of(source: Path) -> int | None:
    """How many rows a table or a datasets folder has; None where that cannot be told."""
    parts = [str(part.resolve()) for part in (shards_of(source) if source.is_dir() else [source])]
    with confined.reading(work="count", parts=parts) as (out, _process):
        counts = out.read().split()
    return sum(map(int, counts)) if len(counts) == len(parts) and all(map(bytes.isdigit, counts)) else None
