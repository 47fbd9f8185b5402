"""Frozen pairs as two trainers lay out their preference data: LLaMA-Factory and ms-swift (docs/exports.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from app.datasets.members import (
    Margins,
    Row,
    cards,
    is_video,
    jsonl,
    key_of,
    media,
    media_names,
    plain_name,
    splits_of,
)
from app.datasets.reading import FrozenSample
from app.datasets.tables import Dataset
from app.datasets.zipping import Member

PLACEHOLDER = re.compile(r"<(?=(?:image|video|audio)>)")


def worded(text: str) -> str:
    """Both trainers put a medium wherever a text says <image>: what a person wrote keeps its words, not that effect."""
    return PLACEHOLDER.sub("< ", text)


def asked(sample: FrozenSample) -> str:
    """The prompt behind one placeholder for each picture, or one for the whole video."""
    marks = "<video>" if is_video(sample) else "<image>" * len(sample.line["media"])
    return marks + worded(sample.line["prompt"])


def _seen(sample: FrozenSample) -> Row:
    """images and videos in every line, so that a reader of tables finds one type; a video is a list of its frames."""
    names = media_names(sample)
    return {"images": [], "videos": [names]} if is_video(sample) else {"images": names, "videos": []}


def llama_factory(dataset: Dataset, margins: Margins) -> Iterator[Member]:
    """dataset_info.json with a data set a split, in its sharegpt form with ranking. It has no place for margins."""
    yield "dataset_info.json", [orjson.dumps(dataset_info(dataset), option=orjson.OPT_INDENT_2) + b"\n"]
    for split in splits_of(dataset):
        yield f"{split}.jsonl", jsonl(dataset, llama_factory_line, split)
    yield from cards(dataset)
    yield from media(dataset)


def dataset_info(dataset: Dataset) -> dict[str, Any]:
    columns = {each: each for each in ("chosen", "rejected", "images", "videos")}
    return {
        f"{plain_name(dataset)}-{split}": {
            "file_name": f"{split}.jsonl",
            "formatting": "sharegpt",
            "ranking": True,
            "columns": {"messages": "conversations", **columns},
        }
        for split in splits_of(dataset)
    }


def llama_factory_line(sample: FrozenSample, pair: dict[str, str]) -> Row:
    chosen, rejected = (
        {"from": "gpt", "value": worded(sample.response(pair[side])["text"])} for side in ("chosen", "rejected")
    )
    said = [{"from": "human", "value": asked(sample)}]
    return {"conversations": said, "chosen": chosen, "rejected": rejected, **_seen(sample)}


def swift(dataset: Dataset, margins: Margins) -> Iterator[Member]:
    """A file a split for `--dataset` and `--val_dataset`; margin where the pair was scored."""
    for split in splits_of(dataset):
        yield f"{split}.jsonl", jsonl(dataset, lambda sample, pair: swift_line(sample, pair, margins), split)
    yield from cards(dataset)
    yield from media(dataset)


def swift_line(sample: FrozenSample, pair: dict[str, str], margins: Margins) -> Row:
    chosen, rejected = (worded(sample.response(pair[side])["text"]) for side in ("chosen", "rejected"))
    messages = [{"role": "user", "content": asked(sample)}, {"role": "assistant", "content": chosen}]
    line = {"messages": messages, "rejected_response": rejected, **_seen(sample)}
    margin = margins.get(key_of(pair))
    return line if margin is None else {**line, "margin": margin}
