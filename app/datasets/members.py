"""What the forms of a download share: pairs one at a time, ids, cards and media."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.core import storage
from app.datasets import reading
from app.datasets.folder import line_of
from app.datasets.reading import FrozenSample, Key
from app.datasets.tables import Dataset
from app.datasets.zipping import Member

Margins = Mapping[Key, float]
"""δ by pair."""
Row = dict[str, Any]
Writer = Callable[[FrozenSample, dict[str, Any]], Row]
SPLITS = ("train", "held_out")


def splits_of(dataset: Dataset) -> list[str]:
    """Those that have pairs: an empty file is more than most readers take."""
    return [split for split in SPLITS if dataset.counts[split]["pairs"]]


def rows(dataset: Dataset, write: Writer, split: str = "") -> Iterator[Row]:
    """A row a pair, a sample in memory at a time; of every split where none is named."""
    for sample in reading.samples(dataset.id):
        for pair in sample.pairs:
            if split in ("", pair["split"]):
                yield write(sample, pair)


def jsonl(dataset: Dataset, write: Writer, split: str = "") -> Iterator[bytes]:
    yield from map(line_of, rows(dataset, write, split))


def pair_id(pair: dict[str, str]) -> str:
    return f"{pair['sample']}-{pair['chosen']}-{pair['rejected']}"


def key_of(pair: dict[str, str]) -> Key:
    return pair["sample"], pair["chosen"], pair["rejected"]


def is_video(sample: FrozenSample) -> bool:
    return any(medium["kind"] == "frame" for medium in sample.line["media"])


def media_names(sample: FrozenSample) -> list[str]:
    """media/… in order; of a video its frames."""
    return [medium["path"] for medium in sample.line["media"]]


def cards(dataset: Dataset) -> Iterator[Member]:
    folder = storage.dataset_folder(dataset.id)
    for name in ("card.md", "card.json"):
        yield name, folder / name


def criteria(dataset: Dataset) -> list[str]:
    """The keys of the criteria by which any response was scored, sorted."""
    responses = (each for sample in reading.samples(dataset.id) for each in sample.line["responses"])
    return sorted({key for response in responses for key in response["scores"]})


def media(dataset: Dataset) -> Iterator[Member]:
    for path in sorted((storage.dataset_folder(dataset.id) / "media").iterdir()):
        yield f"media/{path.name}", path


def plain_name(dataset: Dataset) -> str:
    """A name that every file system and every shell takes."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in dataset.name)
    return f"{plain.strip('-') or 'dataset'}-v{dataset.version}"
