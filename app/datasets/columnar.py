"""Frozen pairs as columns: Parquet with media beside it, and a Hugging Face datasets folder with pictures inside.

Both are written a group of rows at a time, so that a data set of any size takes the memory of one group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from app.core import storage
from app.datasets import members
from app.datasets.members import Margins, Row, key_of, pair_id
from app.datasets.reading import FrozenSample
from app.datasets.tables import Dataset
from app.datasets.zipping import Member, Outlet

ROWS, PICTURES = 1000, 32 * 2**20
"""A group ends at so many rows, or so many bytes of pictures."""
IMAGES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
TEXTS = ("id", "sample", "domain", "question_type", "prompt")
SIDE_TEXTS = ("", "_reason", "_model", "_origin")


def parquet(dataset: Dataset, margins: Margins) -> Iterator[Member]:
    """A table a split with paths into media/."""
    schema = _schema(dataset, ("media", pa.list_(pa.string())))
    for split in members.splits_of(dataset):
        rows = members.rows(dataset, lambda sample, pair: row_of(sample, pair, margins), split)
        yield f"{split}.parquet", written(schema, rows)
    yield from members.cards(dataset)
    yield from members.media(dataset)


def hugging_face(dataset: Dataset, margins: Margins) -> Iterator[Member]:
    """What `datasets.load_dataset(FOLDER)` reads: README.md with its card, a table a split, pictures in a column."""
    schema = _schema(dataset, ("images", IMAGES))
    schema = schema.with_metadata({"huggingface": orjson.dumps({"info": {"features": features(schema)}})})

    def row(sample: FrozenSample, pair: dict[str, Any]) -> Row:
        return row_of(sample, pair, margins) | {"images": _pictures(dataset, sample)}

    yield "README.md", [readme(dataset).encode()]
    for split in members.splits_of(dataset):
        yield f"data/{split}-00000-of-00001.parquet", written(schema, members.rows(dataset, row, split))
    yield from members.cards(dataset)


def _schema(dataset: Dataset, seen: tuple[str, pa.DataType]) -> pa.Schema:
    criteria = members.criteria(dataset)
    fields: list[tuple[str, pa.DataType]] = [(name, pa.string()) for name in TEXTS]
    fields.append(seen)
    for side in ("chosen", "rejected"):
        fields += [(f"{side}{each}", pa.string()) for each in SIDE_TEXTS]
        fields.append((f"{side}_rank", pa.int32()))
        if criteria:
            fields.append((f"{side}_scores", pa.struct([(name, pa.float64()) for name in criteria])))
    fields += [(f"votes_{way}", pa.int32()) for way in ("for", "against", "tied")]
    return pa.schema([*fields, ("confidence", pa.float64()), ("margin", pa.float64())])


def row_of(sample: FrozenSample, pair: dict[str, Any], margins: Margins) -> Row:
    """One pair with everything that the frozen folder knows of it."""
    line = sample.line
    row: Row = {"id": pair_id(pair), "sample": line["id"], "media": members.media_names(sample)}
    row |= {name: line[name] for name in ("domain", "question_type", "prompt")}
    for side in ("chosen", "rejected"):
        response = sample.response(pair[side])
        row |= {side: response["text"], f"{side}_reason": response["critique"]}
        row |= {f"{side}_{name}": response[name] for name in ("model", "origin", "rank", "scores")}
    votes = pair.get("votes") or {}
    row |= {f"votes_{way}": votes.get(way) for way in ("for", "against", "tied")}
    return row | {"confidence": pair.get("confidence"), "margin": margins.get(key_of(pair))}


def _pictures(dataset: Dataset, sample: FrozenSample) -> list[dict[str, Any]]:
    folder = storage.dataset_folder(dataset.id)
    return [{"bytes": (folder / name).read_bytes(), "path": name} for name in members.media_names(sample)]


def written(schema: pa.Schema, rows: Iterable[Row]) -> Iterator[bytes]:
    """The bytes of a Parquet file as it comes to be. A picture that several pairs show lies in a group once."""
    outlet = Outlet()
    sink = pa.PythonFile(outlet, mode="w")
    with pq.ParquetWriter(
        sink, schema, compression="zstd", compression_level=1, dictionary_pagesize_limit=4 * PICTURES
    ) as out:
        for group in _groups(rows):
            out.write_table(pa.Table.from_pylist(group, schema=schema), row_group_size=ROWS)
            yield outlet.take()
    yield outlet.take()


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    weight = 0
    for row in rows:
        group.append(row)
        weight += sum(len(picture["bytes"]) for picture in row.get("images", ()))
        if len(group) >= ROWS or weight >= PICTURES:
            yield group
            group, weight = [], 0
    if group:
        yield group


def features(schema: pa.Schema) -> dict[str, Any]:
    """The columns in the words of `datasets`, so that pictures open as pictures."""
    return {field.name: _feature(field.type) for field in schema}


def _feature(kind: pa.DataType) -> Any:
    if kind == IMAGES:
        return {"feature": {"_type": "Image"}, "_type": "Sequence"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": "float64" if pa.types.is_floating(kind) else str(kind), "_type": "Value"}


def readme(dataset: Dataset) -> str:
    """The card under the front matter by which `datasets` and the Hub find its files."""
    text = (storage.dataset_folder(dataset.id) / "card.md").read_text(encoding="utf-8")
    files = [
        f"  - split: {split}\n    path: data/{split}-00000-of-00001.parquet" for split in members.splits_of(dataset)
    ]
    head = [
        "---",
        f"pretty_name: {orjson.dumps(dataset.name).decode()}",  # a JSON string is a YAML string
        "task_categories:\n- image-text-to-text",
        "tags:\n- preference\n- dpo\n- multimodal",
        f"size_categories:\n- {_size(dataset.counts['pairs'])}",
        "configs:\n- config_name: default\n  data_files:",
        *files,
        "---",
    ]
    return "\n".join(head) + "\n\n" + text


def _size(pairs: int) -> str:
    """The Hub's own steps."""
    steps = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    return next((name for bound, name in steps if pairs < bound), "1M<n<10M")
