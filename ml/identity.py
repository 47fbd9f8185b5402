"""Hashes of what decides a number: a model's files, a picture's bytes. What is kept by content is found by them."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path

from ml.models import VisionLanguage

FORMAT = 1
"""Counts up when the encoding of prompts or responses changes, so that older values are not taken for newer ones."""


def cache_folder() -> Path:
    named = os.environ.get("ML_CACHE", "").strip()
    return Path(named) if named else Path.home() / ".cache" / "assay"


def model_hash(model: VisionLanguage) -> str:
    """A hash of the weights' files (the commit, where they come from a hub) and of the arithmetic."""
    source = Path(model.source)
    files = sorted(p for p in source.glob("*") if p.suffix in (".safetensors", ".json", ".jinja", ".txt", ".model"))
    content = [(path.name, file_hash(path)) for path in files] if source.is_dir() else []
    commit = getattr(model.net.config, "_commit_hash", None)
    quantised = "nf4, language model" if getattr(model.net, "is_quantized", False) else False
    arithmetic = [str(model.net.dtype), model.autocast, model.device.type, quantised]
    return hash_of([FORMAT, content or [model.source, commit], *arithmetic])


@cache
def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_of(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
