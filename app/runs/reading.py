"""What the run pages read from files: the frozen dataset's lines, and what recipes leave in `output/`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any

import orjson

from app.core import storage
from app.core.language import gettext as _
from app.core.language import ngettext
from app.runs.lines import read_jsonl
from app.runs.tables import Run
from ml import config as recipes

MOST = 200
"""Rows of an output that a page shows."""


@dataclass(frozen=True)
class Size:
    """How much a dataset holds in one split."""

    samples: int = 0
    responses: int = 0
    reasons: int = 0
    pairs: int = 0
    paired: int = 0
    """Samples that have a pair."""
    letters: int = 0
    """Bytes of UTF-8: each sample's prompt once, and all of its responses."""
    pictures: int = 0
    """Images, and frames of videos."""


@lru_cache(maxsize=4)
def samples_of(dataset_id: int) -> dict[str, dict[str, Any]]:
    """The dataset's samples by key. A dataset never changes, so a copy may be kept."""
    return {row["id"]: row for row in read_jsonl(storage.dataset_folder(dataset_id) / "samples.jsonl")}


def response_text(dataset_id: int, sample: str, response: str) -> str:
    replies = samples_of(dataset_id).get(sample, {}).get("responses", [])
    return next((str(each["text"]) for each in replies if each["id"] == response), "")


def prompt_of(dataset_id: int, sample: str) -> str:
    return str(samples_of(dataset_id).get(sample, {}).get("prompt", sample))


@lru_cache(maxsize=64)
def size_of(dataset_id: int, split: str) -> Size:
    """Counts of a split: train, held_out or all."""
    rows = [row for row in samples_of(dataset_id).values() if split in ("all", row["split"])]
    pairs = [p for p in read_jsonl(storage.dataset_folder(dataset_id) / "pairs.jsonl") if split in ("all", p["split"])]
    return Size(
        samples=len(rows),
        responses=sum(len(row["responses"]) for row in rows),
        reasons=sum(bool(reply.get("critique", "").strip()) for row in rows for reply in row["responses"]),
        pairs=len(pairs),
        paired=len({pair["sample"] for pair in pairs}),
        letters=sum(len(text.encode()) for row in rows for text in _texts(row)),
        pictures=sum(len(each.get("frames") or [1]) for row in rows for each in row.get("media", [])),
    )


def _texts(row: dict[str, Any]) -> list[str]:
    return [str(row.get("prompt", "")), *(str(reply.get("text", "")) for reply in row["responses"])]


def split_of(config: recipes.Config) -> str:
    """The part of a dataset that a run reads."""
    return "train" if isinstance(config, recipes.Reward | recipes.MmDpo) else str(getattr(config, "split", "all"))


def estimate(config: recipes.Config, dataset_id: int) -> str:
    """What a run will do, in one sentence: sequences, pairs and steps."""
    if isinstance(config, recipes.Reward | recipes.MmDpo):
        return _training(config, size_of(dataset_id, split_of(config)))
    size = size_of(dataset_id, split_of(config))
    if isinstance(config, recipes.Expand):
        return _(
            "%(reasons)s human reasons will be expanded.",
            reasons=f"{min(size.reasons, config.limit or size.reasons):,}",
        )
    if isinstance(config, recipes.Evaluate):
        many = min(size.samples, config.limit or size.samples)
        return _("%(many)s samples will be answered twice, by the policy and by its base.", many=f"{many:,}")
    return _(
        "%(responses)s responses will be scored, and %(pairs)s pairs get a margin.",
        responses=f"{size.responses:,}",
        pairs=f"{size.pairs:,}",
    )


def _training(config: recipes.Reward | recipes.MmDpo, size: Size) -> str:
    samples = min(size.paired, config.train_limit or size.paired)
    steps = config.epochs * ceil(ceil(samples / config.samples_per_batch) / config.accumulate)
    steps = min(steps, config.max_steps or steps)
    sequences = round(size.responses / size.samples * samples) if size.samples else 0
    return ngettext(
        "%(samples)s training samples with about %(sequences)s sequences and %(pairs)s pairs an epoch: "
        "%(num)s optimiser step.",
        "%(samples)s training samples with about %(sequences)s sequences and %(pairs)s pairs an epoch: "
        "%(num)s optimiser steps.",
        steps,
        samples=f"{samples:,}",
        sequences=f"{sequences:,}",
        pairs=f"{size.pairs:,}",
    )


def evaluation(run: Run) -> dict[str, Any]:
    """output/evaluation.json, or nothing."""
    path = storage.run_folder(run.id) / "output" / "evaluation.json"
    return dict(orjson.loads(path.read_bytes())) if path.is_file() else {}


def outputs(run: Run, limit: int = 40) -> list[dict[str, Any]]:
    """Both sides' outputs, a row a sample."""
    return list(read_jsonl(storage.run_folder(run.id) / "output" / "outputs.jsonl", limit))


def scored(run: Run) -> list[dict[str, Any]]:
    """A score run's pairs that have a margin."""
    rows = read_jsonl(storage.run_folder(run.id) / "output" / "margins.jsonl")
    return [row for row in rows if row["margin"] is not None]


def contradicted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Scored pairs in which the reward model prefers what people rejected, the clearest first."""
    return sorted((row for row in rows if row["margin"] <= 0), key=lambda row: row["margin"])[:MOST]
