"""The dataset folder: samples.jsonl, pairs.jsonl, media, a card and the sums that fix it (docs/folders.md)."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from app.annotations.schemas import Content
from app.core import storage
from app.core.errors import Refusal
from app.datasets import pairs
from app.projects.rubric import Rubric
from app.samples.tables import Medium, Response, Sample

Judgements = Sequence[tuple[int, Content]]


class MediaMissing(Refusal):
    """A picture of a sample is no longer in the storage."""

    status = 500


def sample_line(sample: Sample, judgements: Judgements, rubric: Rubric) -> tuple[dict[str, Any], dict[str, str]]:
    """A line of samples.jsonl without its split, and its media as path → blob hash."""
    ranks = pairs.mean_ranks(judgements)
    media = [{"kind": medium.kind, "path": _media_path(medium)} for medium in sample.media]
    responses = [_response(response, judgements, ranks, rubric) for response in sample.responses]
    line = {
        "id": f"s{sample.id}",
        "split": "train",
        "domain": sample.domain,
        "question_type": sample.question_type,
        "prompt": sample.prompt,
        "media": media,
        "responses": [*responses, *_constructed(judgements, ranks)],
        "tie": all(content.tie for _, content in judgements),
        "rank_reason": judgements[0][1].rank_reason,
    }
    return line, {_media_path(medium): medium.blob_sha256 for medium in sample.media}


def _media_path(medium: Medium) -> str:
    return f"media/{medium.blob_sha256}{mimetypes.guess_extension(medium.media_type) or ''}"


def _response(response: Response, judgements: Judgements, ranks: dict[str, int], rubric: Rubric) -> dict[str, Any]:
    key = str(response.id)
    scores = {
        criterion: sum(content.scores[key][criterion] for _, content in judgements) / len(judgements)
        for criterion in rubric.keys
        if all(criterion in content.scores.get(key, {}) for _, content in judgements)
    }
    return {
        "id": pairs.response_key(key),
        "text": response.text,
        "model": response.model,
        "origin": "model",
        "rank": ranks[pairs.response_key(key)],
        "scores": scores,
        # The earliest accepted annotation speaks for the response; the others stay in the platform.
        "critique": judgements[0][1].reasons.get(key, ""),
    }


def _constructed(judgements: Judgements, ranks: dict[str, int]) -> Iterator[dict[str, Any]]:
    """What annotators wrote to break a tie: it has a rank, but no scores and no critique."""
    for number, content in judgements:
        if content.positive is not None:
            yield _written(pairs.positive_key(number), content.positive, "positive", ranks)
        if content.negative is not None:
            yield _written(pairs.negative_key(number), content.negative.text, "negative", ranks)


def _written(key: str, text: str, origin: str, ranks: dict[str, int]) -> dict[str, Any]:
    return {"id": key, "text": text, "model": None, "origin": origin, "rank": ranks[key], "scores": {}, "critique": ""}


def write(
    place: Path, samples: list[dict[str, Any]], rows: list[dict[str, Any]], blobs: dict[str, str], card: dict[str, Any]
) -> str:
    """Write the folder aside, rename it into place, and return the SHA-256 of its data (hex). Raises MediaMissing."""
    aside = place.with_name(f".aside-{place.name}-{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "media").mkdir(parents=True)
    try:
        _write_lines(aside / "samples.jsonl", samples)
        _write_lines(aside / "pairs.jsonl", rows)
        for path, sha256 in blobs.items():
            _copy_blob(sha256, aside / path)
        sums = "".join(f"{storage.sha256_of(aside / path)}  {path}\n" for path in ["pairs.jsonl", "samples.jsonl", *sorted(blobs)])
        (aside / "SHA256SUMS").write_text(sums)
        sha256 = hashlib.sha256(sums.encode()).hexdigest()
        _write_card(aside, {**card, "sha256": sha256})
        os.replace(aside, place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return sha256


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))


def _copy_blob(sha256: str, path: Path) -> None:
    try:
        os.link(storage.blob_path(sha256), path)  # blobs never change: a second name is as good as a copy
    except FileNotFoundError:
        raise MediaMissing("A picture of the dataset is not in the storage.", sha256) from None
    except OSError:
        shutil.copyfile(storage.blob_path(sha256), path)


def _write_card(place: Path, card: dict[str, Any]) -> None:
    (place / "card.json").write_bytes(orjson.dumps(card, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    (place / "card.md").write_text(card_text(card))


def card_text(card: dict[str, Any]) -> str:
    """The card for people, in Markdown."""
    counts = card["counts"]
    rows = [f"| {kind} | {number} |" for kind, number in {**counts["by_type"], **counts["by_domain"]}.items()]
    left_out = [f"- {number} × {why}" for why, number in counts["left_out"].items()] or ["- nothing"]
    return "\n".join(
        [
            f"# {card['name']}, version {card['version']}",
            "",
            f"{counts['pairs']} preference pairs over {counts['samples']} samples of the project {card['project']}; "
            f"{counts['held_out_samples']} samples ({counts['held_out_pairs']} pairs) are held out, by whole samples.",
            "",
            "| part | samples |",
            "|---|---:|",
            *rows,
            "",
            "Left out:",
            "",
            *left_out,
            "",
            f"SHA-256: `{card['sha256']}`",
            "",
        ]
    )


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)
