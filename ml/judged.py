"""The published samples, `data.jsonl` with its media beside it, read as a dataset folder is.

A line is a sample: `id, image | video, prompt` (or `question`) and its responses, either a list of objects with
`model, text, scores, rank, reason`, or texts by model with `scores, ranks, reasons` by model beside them. Every two
responses of unlike rank make a pair; a sample in which one lacks its rank has none. What is not said of category and
split is told as for pairs (`published.py`); `held_out.txt` names samples here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from ml import published
from ml.data import Dataset, Pair, Response, Sample, is_number, rows_of, text_of
from ml.errors import BadSample

SAMPLES = "data.jsonl"
TEXTS = ("text", "response", "answer", "content", "value")
MODELS = ("model", "name", "model_name")
RANKS = ("rank", "ranking", "ranks")
REASONS = ("reason", "critique", "score_reason", "scores_reason", "reasons")
DOMAINS = ("image", "video", "safety")


def is_there(folder: Path) -> bool:
    return not (folder / "samples.jsonl").is_file() and (folder / SAMPLES).is_file()


def read(folder: Path) -> Dataset:
    """Raises BadSample with file and line."""
    held_out = published.held_out_of(folder)
    samples: dict[str, Sample] = {}
    for number, row in rows_of(folder / SAMPLES, BadSample):
        sample = _sample(folder, row, number, held_out)
        if sample.id in samples:
            raise BadSample(f"{SAMPLES} line {number}: the id {sample.id!r} stands on an earlier line too")
        samples[sample.id] = sample
    return Dataset(samples, {id: pairs for id, sample in samples.items() if (pairs := _pairs(sample))})


def _sample(folder: Path, row: Mapping[str, Any], number: int, held_out: set[str]) -> Sample:
    where = f"{SAMPLES} line {number}"
    id = str(row.get("id", number))
    prompt = text_of(row, "prompt" if row.get("prompt") else "question", where)
    media, named = published.media_of(folder, row, where)
    replies = _listed(row, where)
    responses = _ranked([_response(id, reply, place, where) for place, reply in enumerate(replies, 1)], replies, where)
    domain, kind = published.category_of(named, media, prompt, [each.text for each in responses])
    return Sample(
        id=id,
        split="held_out" if id in held_out else "train",
        domain=_one_of(row, "domain", DOMAINS, domain, where),
        question_type=_one_of(row, "question_type", published.TYPES, kind, where),
        prompt=prompt,
        media=media,
        responses=tuple(responses),
    )


def _one_of(row: Mapping[str, Any], name: str, known: tuple[str, ...], told: str, where: str) -> str:
    """What the line says, else what its folder and words tell."""
    value = row.get(name) or told
    if value not in known:
        raise BadSample(f"{where}: {name} {value!r} is none of {', '.join(known)}")
    return str(value)


def _listed(row: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
    """The responses as objects, whichever way they are written."""
    replies = row.get("responses")
    if isinstance(replies, dict):
        beside = [name for name in ("scores", *RANKS, *REASONS) if isinstance(row.get(name), dict)]
        replies = [
            {"model": model, "text": text, **{name: row[name].get(model) for name in beside}}
            for model, text in replies.items()
        ]
    if not isinstance(replies, list) or not all(isinstance(each, dict) for each in replies):
        raise BadSample(f"{where}: responses must be a list of objects, or texts by model")
    return replies


def _response(sample: str, row: Mapping[str, Any], place: int, where: str) -> Response:
    inside = f"{where}, response {place}"
    model, reason = _first(row, MODELS), _first(row, REASONS) or ""
    return Response(
        id=f"{sample}-{place}",
        text=text_of({"text": _first(row, TEXTS)}, "text", inside),
        rank=None,
        critique=text_of({"reason": reason}, "reason", inside),
        model=None if model is None else str(model),
        origin="model",
        scores=_scores(row.get("scores") or {}, inside),
    )


def _scores(scores: Any, where: str) -> dict[str, float]:
    if not isinstance(scores, dict):
        raise BadSample(f"{where}: scores must be an object of finite numbers")
    given = {str(name).lower(): score for name, score in scores.items() if score is not None}
    if not all(is_number(score) for score in given.values()):
        raise BadSample(f"{where}: scores must be an object of finite numbers")
    return {name: float(score) for name, score in given.items()}


def _ranked(responses: list[Response], rows: list[Mapping[str, Any]], where: str) -> list[Response]:
    """With ranks 1, 2, … without gaps, in the given order with the given ties; without any where one lacks its rank."""
    ranks = [_first(row, RANKS) for row in rows]
    for place, rank in enumerate(ranks, 1):
        if rank is not None and not is_number(rank):
            raise BadSample(f"{where}, response {place}: rank must be a finite number, 1 for the best")
    if None in ranks:
        return responses
    places = {rank: place for place, rank in enumerate(sorted(set(ranks)), 1)}
    return [replace(each, rank=places[rank]) for each, rank in zip(responses, ranks, strict=True)]


def _pairs(sample: Sample) -> tuple[Pair, ...]:
    ranked = sorted((each for each in sample.responses if each.rank is not None), key=lambda each: each.rank or 0)
    return tuple(Pair(sample.id, a.id, b.id) for a, b in combinations(ranked, 2) if a.rank != b.rank)


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)
