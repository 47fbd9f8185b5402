"""Reading a frozen folder again, a sample at a time: its pairs stand in the order of its samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from app.core import storage

Key = tuple[str, str, str]
"""Sample, chosen, rejected."""


class FrozenSample(NamedTuple):
    """A line of samples.jsonl with its lines of pairs.jsonl."""

    line: dict[str, Any]
    pairs: list[dict[str, Any]]

    def response(self, key: str) -> dict[str, Any]:
        return next(each for each in self.line["responses"] if each["id"] == key)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)


def samples(dataset_id: int) -> Iterator[FrozenSample]:
    """Every sample with its pairs, one in memory at a time."""
    folder = storage.dataset_folder(dataset_id)
    rows = lines(folder / "pairs.jsonl")
    row = next(rows, None)
    for line in lines(folder / "samples.jsonl"):
        pairs = []
        while row is not None and row["sample"] == line["id"]:
            pairs.append(row)
            row = next(rows, None)
        yield FrozenSample(line, pairs)


def brought(dataset_id: int) -> dict[Key, float]:
    """δ by pair, of those pairs whose margin came with the imported data."""
    return {
        (row["sample"], row["chosen"], row["rejected"]): row["margin"]
        for row in lines(storage.dataset_folder(dataset_id) / "pairs.jsonl")
        if "margin" in row
    }


def margins(path: Path) -> dict[Key, float]:
    """δ by pair from a score run's margins.jsonl; pairs without one are left out."""
    return {
        (row["sample"], row["chosen"], row["rejected"]): float(row["margin"])
        for row in lines(path)
        if row["margin"] is not None
    }
