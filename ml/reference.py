"""log π_ref of responses, computed once before training and kept by content: a second run on the same pairs reads them.

Kept in the folder that ML_CACHE names (else ~/.cache/assay), a file a model. The key of a value is a hash of
everything that decides it: question, pictures, response, and how both are cut.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path

import torch

from ml import parallel
from ml.data import Sample
from ml.folder import RunFolder, append_lines, read_lines, write_jsonl
from ml.models import VisionLanguage
from ml.policy import Policy

Key = tuple[str, str]
FORMAT = 1
"""Counts up when the encoding of prompts or responses changes, so that older values are not taken for newer ones."""


def reference_of(folder: RunFolder, policy: Policy, groups: list[list[Sample]]) -> dict[Key, float]:
    """log π_ref of every response of the groups; the run folder lists them, whether computed or read."""
    path = folder.path / "reference.jsonl"
    if path.exists():
        return {(row["sample"], row["response"]): row["log_probability"] for row in read_lines(path)}
    store = cache_folder() / "reference" / f"{model_hash(policy.model)}.jsonl"
    known = {row["key"]: row["value"] for row in read_lines(store)}
    hashes = {key: each for group in groups for sample in group for key, each in hashes_of(policy, sample).items()}
    missing = [g for g in groups if any(hashes[s.id, r.id] not in known for s in g for r in s.responses)]
    fresh = _computed(folder, policy, missing)
    if missing and parallel.leads():
        append_lines(store, ({"key": hashes[key], "value": value} for key, value in fresh.items()))
    if len(missing) < len(groups):
        folder.note(f"reference log-probabilities: {len(hashes) - len(fresh)} read from {store.parent}")
    found = {key: fresh[key] if key in fresh else known[each] for key, each in hashes.items()}
    if parallel.leads():
        rows = ({"sample": s, "response": r, "log_probability": value} for (s, r), value in found.items())
        write_jsonl(path, rows)
    return found


def _computed(folder: RunFolder, policy: Policy, groups: list[list[Sample]]) -> dict[Key, float]:
    """Each process computes its share."""
    found: dict[Key, float] = {}
    for done in range(parallel.rank(), len(groups), parallel.world()):
        with torch.no_grad():
            told = policy.tell(groups[done])
        values = told.sums.tolist()
        found |= {key: values[place] for key, place in told.index.items()}
        folder.progress("reference", done + 1, len(groups))
        folder.halt()
    return {key: value for some in parallel.gathered(found) if isinstance(some, dict) for key, value in some.items()}


def cache_folder() -> Path:
    named = os.environ.get("ML_CACHE", "").strip()
    return Path(named) if named else Path.home() / ".cache" / "assay"


def hashes_of(policy: Policy, sample: Sample) -> dict[Key, str]:
    """A hash of everything but the model that decides each response's log-probability."""
    config = policy.prompts.config
    media = [(each.kind, file_hash(each.path)) for each in sample.media]
    asked = [sample.prompt, media, config.max_pixels, config.max_frames, policy.limit]
    return {(sample.id, r.id): _hash([*asked, r.text]) for r in sample.responses}


def model_hash(model: VisionLanguage) -> str:
    """A hash of the base's files (the commit, where it comes from a hub) and of the arithmetic."""
    base = Path(model.base)
    files = sorted(p for p in base.glob("*") if p.suffix in (".safetensors", ".json", ".jinja", ".txt", ".model"))
    content = [(path.name, file_hash(path)) for path in files] if base.is_dir() else []
    commit = getattr(model.net.config, "_commit_hash", None)
    quantised = bool(getattr(model.net, "is_quantized", False))
    arithmetic = [str(model.net.dtype), model.autocast, model.device.type, quantised]
    return _hash([FORMAT, content or [model.base, commit], *arithmetic])


@cache
def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
