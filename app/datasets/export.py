"""A frozen dataset in the forms that others read. Here: the published dpo_pairs.jsonl, TRL's and the folder itself.

`layouts.py` has those of two trainers, `columnar.py` Parquet and a Hugging Face datasets folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from app.core import storage
from app.core.language import N_
from app.core.language import gettext as _
from app.datasets import columnar, layouts, reading
from app.datasets.folder import line_of
from app.datasets.members import (
    Margins,
    cards,
    is_video,
    jsonl,
    key_of,
    media,
    media_names,
    pair_id,
    plain_name,
    splits_of,
)
from app.datasets.reading import FrozenSample
from app.datasets.refusals import BadFormat
from app.datasets.tables import Dataset
from app.datasets.zipping import Member, archive


class Format(NamedTuple):
    """What a download is called, and how its members come to be."""

    title: str
    sentence: str
    members: Callable[[Dataset, Margins], Iterator[Member]]


def stream(dataset: Dataset, kind: str, margins: Margins | None = None) -> Iterator[bytes]:
    """The bytes of the ZIP. Raises BadFormat before any byte.

    margins: δ by pair, of a score run; without one, those that came with the imported data.
    """
    write = _format(kind).members
    if margins is None:
        margins = reading.brought(dataset.id) if dataset.counts.get("margins") else {}
    return archive(write(dataset, margins))


def write_zip(dataset: Dataset, kind: str, file: Path, margins: Margins | None = None) -> int:
    """Write the ZIP aside and rename it into place; returns how many pairs are in it. Raises BadFormat."""
    pieces = stream(dataset, kind, margins)
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.aside")
    try:
        with aside.open("wb") as out:
            out.writelines(pieces)
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)
    return int(dataset.counts["pairs"])


def file_name(dataset: Dataset, kind: str) -> str:
    return f"{plain_name(dataset)}-{kind}.zip"


def _format(kind: str) -> Format:
    if kind not in FORMATS:
        raise BadFormat(
            _("“%(kind)s” is none of the formats %(formats)s.", kind=kind[:40], formats=", ".join(FORMATS)), "format"
        )
    return FORMATS[kind]


def published(dataset: Dataset, margins: Margins) -> Iterator[Member]:
    """The two published files with their keys; media in folders that tell a sample's category, videos as folders."""
    yield "dpo_pairs.jsonl", jsonl(dataset, lambda sample, pair: published_line(sample, pair, margins))
    yield "data.jsonl", (line_of(judged_line(sample, margins)) for sample in reading.samples(dataset.id))
    yield "held_out.txt", _held_out_ids(dataset)
    yield from cards(dataset)
    sent: set[str] = set()
    for sample in reading.samples(dataset.id):
        for name, path in zip(_published_media(sample), _media_paths(dataset, sample), strict=True):
            if name not in sent:
                sent.add(name)
                yield name, path


def published_line(sample: FrozenSample, pair: dict[str, str], margins: Margins) -> dict[str, Any]:
    """One line of dpo_pairs.jsonl. ls_factor, the reward margin δ, is there where the pair has one."""
    chosen, rejected = sample.response(pair["chosen"]), sample.response(pair["rejected"])
    line = {
        "id": pair_id(pair),
        **_medium(sample),
        "prompt": sample.line["prompt"],
        "chosen": chosen["text"],
        "rejected": rejected["text"],
        "chosen_reason": chosen["critique"],
        "rejected_reason": rejected["critique"],
    }
    margin = margins.get(key_of(pair))
    return line if margin is None else {**line, "ls_factor": margin}


def judged_line(sample: FrozenSample, margins: Margins) -> dict[str, Any]:
    """One line of data.jsonl: what people said of a sample, in ties too. Scores are means where several said them.

    ls_factors: the margins of its pairs that have one, each behind the places of its two responses.
    """
    line = sample.line
    replies = [
        {
            "model": each["model"] or f"annotator-{each['origin']}",
            "text": each["text"],
            "scores": {name: int(score) if score == int(score) else score for name, score in each["scores"].items()},
            "rank": each["rank"],
            "reason": each["critique"],
        }
        for each in line["responses"]
    ]
    about: dict[str, Any] = {
        name: line[name] for name in ("domain", "danger", "question_type", "prompt") if name in line
    }
    found = {"id": line["id"], **_medium(sample), **about, "responses": replies, "rank_reason": line["rank_reason"]}
    places = {each["id"]: place for place, each in enumerate(line["responses"])}
    scored = [
        [places[pair["chosen"]], places[pair["rejected"]], margins[key_of(pair)]]
        for pair in sample.pairs
        if key_of(pair) in margins
    ]
    return {**found, "ls_factors": scored} if scored else found


def _medium(sample: FrozenSample) -> dict[str, Any]:
    names = _published_media(sample)
    if is_video(sample):
        return {"video": names[0].rpartition("/")[0]}
    return {"image": names[0] if len(names) == 1 else names} if names else {}


def _published_media(sample: FrozenSample) -> list[str]:
    line = sample.line
    paths = [Path(medium["path"]) for medium in line["media"]]
    if is_video(sample):
        folder = "safety" if line["domain"] == "safety" else "video"
        return [f"{folder}/{line['id']}/{place:05d}{path.suffix}" for place, path in enumerate(paths, 1)]
    folder = "safety" if line["domain"] == "safety" else line["question_type"]
    return [f"{folder}/{path.name}" for path in paths]


def _media_paths(dataset: Dataset, sample: FrozenSample) -> list[Path]:
    return [storage.dataset_folder(dataset.id) / medium["path"] for medium in sample.line["media"]]


def _held_out_ids(dataset: Dataset) -> Iterator[bytes]:
    """The ids of the pairs to keep away from training: the published keys have no place for it."""
    for sample in reading.samples(dataset.id):
        for pair in sample.pairs:
            if pair["split"] == "held_out":
                yield f"{pair_id(pair)}\n".encode()


def trl(dataset: Dataset, margins: Margins) -> Iterator[Member]:
    """TRL's preference format with messages: a file a split, pictures under media/."""
    for split in splits_of(dataset):
        yield f"{split}.jsonl", jsonl(dataset, lambda sample, pair: trl_line(sample, pair, margins), split)
    yield from cards(dataset)
    yield from media(dataset)


def trl_line(sample: FrozenSample, pair: dict[str, str], margins: Margins) -> dict[str, Any]:
    """prompt, images, chosen and rejected as messages; `margin` where the pair was scored."""
    names = media_names(sample)
    asked = [*[{"type": "image"} for _ in names], {"type": "text", "text": sample.line["prompt"]}]
    line = {
        "prompt": [{"role": "user", "content": asked}],
        "images": names,
        "chosen": _said(sample.response(pair["chosen"])["text"]),
        "rejected": _said(sample.response(pair["rejected"])["text"]),
    }
    margin = margins.get(key_of(pair))
    return line if margin is None else {**line, "margin": margin}


def _said(text: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": [{"type": "text", "text": text}]}]


def whole_folder(dataset: Dataset, margins: Margins) -> Iterator[Member]:
    """The frozen folder as it lies: `python -m ml` reads it."""
    folder = storage.dataset_folder(dataset.id)
    for name in ("samples.jsonl", "pairs.jsonl", "SHA256SUMS"):
        yield name, folder / name
    yield from cards(dataset)
    yield from media(dataset)


FORMATS = {
    "mm-rlhf": Format("dpo_pairs.jsonl", N_("The published keys, with media in a folder a category."), published),
    "trl": Format(N_("TRL preference"), N_("Messages and images, a file a split."), trl),
    "llama-factory": Format(
        "LLaMA-Factory", N_("dataset_info.json, a conversation a line, media beside it."), layouts.llama_factory
    ),
    "ms-swift": Format("ms-swift", N_("Messages with a rejected response, media beside them."), layouts.swift),
    "parquet": Format("Parquet", N_("A row a pair with all that is known of it, media beside it."), columnar.parquet),
    "hugging-face": Format(
        N_("Hugging Face datasets"),
        N_("Parquet with the pictures inside, and the card as README.md."),
        columnar.hugging_face,
    ),
    "folder": Format(N_("Dataset folder"), N_("The frozen files themselves, with their sums."), whole_folder),
}
