"""A dataset folder: samples, responses, pairs and critiques, each line checked, each fault named by file and line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ml.errors import BadPair, BadSample, MissingInput, NoPairs

SPLITS = ("train", "held_out")
LONGEST_LINE = 16 * 1024 * 1024


@dataclass(frozen=True)
class Medium:
    kind: str
    path: Path


@dataclass(frozen=True)
class Response:
    id: str
    text: str
    rank: int | None
    critique: str
    """The human reason; may be empty."""
    model: str | None
    origin: str
    scores: Mapping[str, float] = field(default_factory=dict)
    """What people gave it, by criterion."""


@dataclass(frozen=True)
class Sample:
    id: str
    split: str
    domain: str
    question_type: str
    prompt: str
    media: tuple[Medium, ...]
    responses: tuple[Response, ...]

    def response(self, id: str) -> Response:
        return next(each for each in self.responses if each.id == id)

    def asking(self, prompt: str) -> Sample:
        """The same pictures under another prompt."""
        return replace(self, prompt=prompt)


@dataclass(frozen=True)
class Pair:
    sample: str
    chosen: str
    rejected: str


@dataclass(frozen=True)
class Dataset:
    """Samples in the order of their file, and each one's pairs."""

    samples: dict[str, Sample]
    pairs: dict[str, tuple[Pair, ...]]

    def of(self, split: str) -> list[Sample]:
        """The samples of a split; "all" is every one."""
        return [each for each in self.samples.values() if split in ("all", each.split)]

    def paired(self, split: str) -> list[Sample]:
        """The samples of a split that have a pair."""
        return [each for each in self.of(split) if self.pairs.get(each.id)]

    def rank_distance(self, pair: Pair) -> int:
        """Steps of rank between the two; 1 where a response has no rank."""
        sample = self.samples[pair.sample]
        better, worse = sample.response(pair.chosen).rank, sample.response(pair.rejected).rank
        return max(1, worse - better) if better is not None and worse is not None else 1

    def score_difference(self, pair: Pair) -> float | None:
        """Mean human score of the chosen less that of the rejected, over criteria that both have; None without any."""
        sample = self.samples[pair.sample]
        better, worse = sample.response(pair.chosen).scores, sample.response(pair.rejected).scores
        both = better.keys() & worse.keys()
        return sum(better[name] - worse[name] for name in sorted(both)) / len(both) if both else None

    def ties(self, sample: Sample) -> list[tuple[str, str]]:
        """Responses of equal rank, two by two."""
        ranked = [each for each in sample.responses if each.rank is not None]
        return [(a.id, b.id) for i, a in enumerate(ranked) for b in ranked[i + 1 :] if a.rank == b.rank]


def read_dataset(folder: Path) -> Dataset:
    """The dataset of a folder, or of one in the published format: its pairs, else its samples.

    Raises MissingInput, BadSample or BadPair with file and line.
    """
    from ml import judged, published  # which read by what stands here

    if published.is_there(folder):
        return published.read(folder)
    if judged.is_there(folder):
        return judged.read(folder)
    samples: dict[str, Sample] = {}
    for line, row in rows_of(folder / "samples.jsonl", BadSample):
        sample = _sample(folder, row, f"samples.jsonl line {line}")
        if sample.id in samples:
            raise BadSample(f"samples.jsonl line {line}: the id {sample.id!r} stands on an earlier line too")
        samples[sample.id] = sample
    pairs: dict[str, list[Pair]] = {}
    for line, row in rows_of(folder / "pairs.jsonl", BadPair):
        pair = _pair(samples, row, f"pairs.jsonl line {line}")
        pairs.setdefault(pair.sample, []).append(pair)
    return Dataset(samples, {id: tuple(each) for id, each in pairs.items()})


def need_pairs(dataset: Dataset, split: str) -> list[Sample]:
    """The samples of a split that have a pair. Raises NoPairs where none has."""
    found = dataset.paired(split)
    if not found:
        raise NoPairs(f"pairs.jsonl has no pair of the split {split!r}: rank responses unlike one another first")
    return found


def read_critiques(path: Path, dataset: Dataset) -> dict[tuple[str, str], str]:
    """Approved critiques by (sample, response). Lines of samples outside the dataset are left out."""
    found: dict[tuple[str, str], str] = {}
    for line, row in rows_of(path, BadSample):
        where = f"{path.name} line {line}"
        sample, response, text = (text_of(row, name, where) for name in ("sample", "response", "text"))
        if sample in dataset.samples and text.strip():
            if response not in {each.id for each in dataset.samples[sample].responses}:
                raise BadSample(f"{where}: sample {sample!r} has no response {response!r}")
            found[sample, response] = text
    return found


def read_margins(path: Path) -> dict[Pair, float]:
    """δ of every scored pair, from a score run's margins.jsonl."""
    found: dict[Pair, float] = {}
    for line, row in rows_of(path, BadPair):
        where = f"{path.name} line {line}"
        margin = row.get("margin")
        if not is_number(margin):
            raise BadPair(f"{where}: margin must be a finite number")
        found[Pair(*(text_of(row, name, where) for name in ("sample", "chosen", "rejected")))] = float(row["margin"])
    return found


def rows_of(path: Path, error: type[BadSample] | type[BadPair]) -> Iterator[tuple[int, dict[str, Any]]]:
    if not path.is_file():
        raise MissingInput(f"{path.name} is not in {path.parent}")
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if len(line) > LONGEST_LINE:
                raise error(f"{path.name} line {number}: longer than {LONGEST_LINE} bytes")
            if line.strip():
                yield number, _object(line, f"{path.name} line {number}", error)


def _object(line: bytes, where: str, error: type[BadSample] | type[BadPair]) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as fault:
        raise error(f"{where}: no JSON ({fault})") from None
    if not isinstance(row, dict):
        raise error(f"{where}: must be an object, not {type(row).__name__}")
    return row


def text_of(row: Mapping[str, Any], name: str, where: str, default: str | None = None) -> str:
    value = row.get(name, default)
    if not isinstance(value, str):
        raise BadSample(f"{where}: {name} must be text")
    if any(0xD800 <= ord(letter) < 0xE000 for letter in value):
        raise BadSample(f"{where}: {name} holds half a character (a lone surrogate)")
    return value


def _sample(folder: Path, row: Mapping[str, Any], where: str) -> Sample:
    split = text_of(row, "split", where)
    if split not in SPLITS:
        raise BadSample(f"{where}: split {split!r} is none of {', '.join(SPLITS)}")
    responses = tuple(_response(each, where) for each in _list(row, "responses", where))
    ids = [each.id for each in responses]
    if len(set(ids)) != len(ids):
        raise BadSample(f"{where}: two responses have one id")
    return Sample(
        id=text_of(row, "id", where),
        split=split,
        domain=text_of(row, "domain", where, "image"),
        question_type=text_of(row, "question_type", where, "short"),
        prompt=text_of(row, "prompt", where),
        media=tuple(medium_of(folder, each, where) for each in _list(row, "media", where)),
        responses=responses,
    )


def _list(row: Mapping[str, Any], name: str, where: str) -> list[Mapping[str, Any]]:
    value = row.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise BadSample(f"{where}: {name} must be a list of objects")
    return value


def _response(row: Mapping[str, Any], where: str) -> Response:
    rank = row.get("rank")
    if rank is not None and (isinstance(rank, bool) or not isinstance(rank, int) or rank < 1):
        raise BadSample(f"{where}: rank must be a whole number from 1, or null")
    model = row.get("model")
    return Response(
        id=text_of(row, "id", where),
        text=text_of(row, "text", where),
        rank=rank,
        critique=text_of(row, "critique", where, "") if row.get("critique") is not None else "",
        model=model if isinstance(model, str) else None,
        origin=text_of(row, "origin", where, "model"),
        scores=_scores(row, where),
    )


def _scores(row: Mapping[str, Any], where: str) -> dict[str, float]:
    scores = row.get("scores") or {}
    if not isinstance(scores, dict) or not all(is_number(each) for each in scores.values()):
        raise BadSample(f"{where}: scores must be an object of finite numbers")
    return {name: float(each) for name, each in scores.items()}


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def medium_of(folder: Path, row: Mapping[str, Any], where: str) -> Medium:
    name = PurePosixPath(text_of(row, "path", where))
    if name.is_absolute() or ".." in name.parts:
        raise BadSample(f"{where}: the path {str(name)!r} leaves the dataset folder")
    if not (folder / name).is_file():
        raise BadSample(f"{where}: {name} is not in the dataset folder")
    return Medium(text_of(row, "kind", where, "image"), folder / name)


def _pair(samples: Mapping[str, Sample], row: Mapping[str, Any], where: str) -> Pair:
    pair = Pair(*(text_of(row, name, where) for name in ("sample", "chosen", "rejected")))
    if pair.sample not in samples:
        raise BadPair(f"{where}: samples.jsonl has no sample {pair.sample!r}")
    known = {each.id for each in samples[pair.sample].responses}
    for id in (pair.chosen, pair.rejected):
        if id not in known:
            raise BadPair(f"{where}: sample {pair.sample!r} has no response {id!r}")
    if pair.chosen == pair.rejected:
        raise BadPair(f"{where}: a response is paired with itself")
    return pair
