"""A data set in the published format, `dpo_pairs.jsonl` with its media beside it, as a dataset folder is read.

A line is a pair: `id, image | video, prompt, chosen, rejected, chosen_reason, rejected_reason`. Lines of one prompt
about the same media are one sample, equal texts one response. A video is a folder of frames. The first folder of a path
tells the category; elsewhere the question and the longest response do, as the paper sorts them. Everything is of the
split `train`, but for samples of the pairs that `held_out.txt` names, an id a line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ml.data import Dataset, Medium, Pair, Response, Sample, medium_of, rows_of, text_of
from ml.errors import BadPair, BadSample

PAIRS, HELD_OUT = "dpo_pairs.jsonl", "held_out.txt"
TYPES = ("long", "mcq", "short")
SIDES = ("chosen", "rejected")
FRAMES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
LONG = 128
"""Characters from which a response counts as long."""
OPTIONS = re.compile(r"^\s*\(?A[.):].*^\s*\(?B[.):]", re.DOTALL | re.MULTILINE)


def is_there(folder: Path) -> bool:
    return not (folder / "samples.jsonl").is_file() and (folder / PAIRS).is_file()


@dataclass
class _Gathered:
    """One sample as its lines come."""

    id: str
    prompt: str
    media: tuple[Medium, ...]
    named: str
    """The path of its first medium, whose folder tells the category."""
    split: str = "train"
    responses: dict[str, Response] = field(default_factory=dict)
    """By text."""
    pairs: dict[Pair, None] = field(default_factory=dict)

    def response(self, text: str, reason: str) -> str:
        """The id of the response of that text. A reason given on any of its lines is its critique."""
        known = self.responses.get(text)
        if known is None:
            known = Response(f"{self.id}-{len(self.responses) + 1}", text, None, reason, None, "model")
        self.responses[text] = known if known.critique else replace(known, critique=reason)
        return known.id

    def sample(self) -> Sample:
        domain, kind = category_of(self.named, self.media, self.prompt, list(self.responses))
        return Sample(self.id, self.split, domain, kind, self.prompt, self.media, tuple(self.responses.values()))


def read(folder: Path) -> Dataset:
    """Raises BadSample or BadPair with file and line."""
    held_out = held_out_of(folder)
    found: dict[tuple[str, str], _Gathered] = {}
    ids: set[str] = set()
    for number, row in rows_of(folder / PAIRS, BadPair):
        where = f"{PAIRS} line {number}"
        key = text_of(row, "prompt", where), repr(row.get("video") or row.get("image"))
        if key not in found:
            id = _free(str(row.get("id", number)), ids)
            media, named = media_of(folder, row, where)
            found[key] = _Gathered(id, key[0], media, named)
        _add(found[key], row, where)
        if str(row.get("id")) in held_out:
            found[key].split = "held_out"
    each = found.values()
    return Dataset({one.id: one.sample() for one in each}, {one.id: tuple(one.pairs) for one in each})


def _add(one: _Gathered, row: Mapping[str, Any], where: str) -> None:
    chosen, rejected = text_of(row, "chosen", where), text_of(row, "rejected", where)
    if chosen == rejected:
        raise BadPair(f"{where}: chosen and rejected are the same text")
    reasons = [text_of(row, f"{side}_reason", where, "") if row.get(f"{side}_reason") else "" for side in SIDES]
    one.pairs[Pair(one.id, one.response(chosen, reasons[0]), one.response(rejected, reasons[1]))] = None


def category_of(named: str, media: tuple[Medium, ...], prompt: str, texts: list[str]) -> tuple[str, str]:
    """Domain and question type, told by the first folder of the first medium's path, else by the words."""
    top = PurePosixPath(named).parts[0] if named else ""
    kind = top if top in TYPES else _type_of(prompt, texts)
    frames = any(each.kind == "frame" for each in media)
    return "safety" if top == "safety" else "video" if frames else "image", kind


def media_of(folder: Path, row: Mapping[str, Any], where: str) -> tuple[tuple[Medium, ...], str]:
    """The media of a line, and the path of the first."""
    if row.get("video"):
        name = text_of(row, "video", where)
        frames = sorted(path.name for path in (folder / name).glob("*") if path.suffix.lower() in FRAMES)
        if not frames:
            raise BadSample(f"{where}: {name} is no folder of frames")
        paths = [(f"{name}/{each}", "frame") for each in frames]
    else:
        images = row.get("image") or []
        paths = [(each, "image") for each in (images if isinstance(images, list) else [images])]
    media = tuple(medium_of(folder, {"path": path, "kind": kind}, where) for path, kind in paths)
    return media, str(paths[0][0]) if paths else ""


def _type_of(prompt: str, texts: list[str]) -> str:
    if OPTIONS.search(prompt):
        return "mcq"
    return "long" if max(map(len, texts), default=0) > LONG else "short"


def held_out_of(folder: Path) -> set[str]:
    """The ids that `held_out.txt` names, a line each."""
    path = folder / HELD_OUT
    return set(path.read_text(encoding="utf-8").split("\n")) - {""} if path.is_file() else set()


def _free(id: str, taken: set[str]) -> str:
    """The id, or with a number behind it where another sample has it."""
    name, number = id, 1
    while name in taken:
        number += 1
        name = f"{id}#{number}"
    taken.add(name)
    return name
