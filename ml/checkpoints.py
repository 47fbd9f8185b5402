"""Checkpoints that others load: a policy or a reward model, as safetensors and a meta.json that says what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ml.base import base_of
from ml.config import Config
from ml.errors import BadCheckpoint
from ml.folder import as_json, write_text
from ml.heads import ScoreHead, score_head
from ml.models import VisionLanguage, load

META = "meta.json"


def save(folder: Path, model: VisionLanguage, meta: dict[str, Any], head: ScoreHead | None = None) -> None:
    """Fill the folder: the adapter (LoRA) or the whole model, its scoring head, and meta.json."""
    if model.lora is not None:
        model.lora.save_pretrained(folder)
    else:
        model.net.save_pretrained(folder)
    model.processor.save_pretrained(folder)
    if head is not None:
        save_file(head.state_dict(), folder / "head.safetensors")
    adapter = "lora" if model.lora is not None else "full"
    write_text(folder / META, as_json({**meta, "base": model.base, "adapter": adapter}) + "\n")


def read_meta(folder: Path, kind: str) -> dict[str, Any]:
    """What a checkpoint says of itself. Raises BadCheckpoint where it is none, or of another kind."""
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{folder.name}/{META} cannot be read: {error}") from None
    if not isinstance(meta, dict) or meta.get("kind") != kind:
        raise BadCheckpoint(f"{folder.name} is no checkpoint of the kind {kind!r}")
    return meta


def open_model(folder: Path, meta: dict[str, Any], config: Config) -> VisionLanguage:
    """The model of a checkpoint: its own weights, or its base (config.base, where that has moved) under its adapter."""
    if meta["adapter"] == "full":
        model = load(str(folder), config)
        model.base = config.base or meta["base"]
        return model
    from peft import PeftModel

    model = load(base_of(config.base or meta["base"]), config)
    try:
        model.lora = PeftModel.from_pretrained(model.net, str(folder)).eval()
    except (OSError, ValueError, SafetensorError) as error:
        raise BadCheckpoint(f"the adapter in {folder.name} cannot be loaded: {error}") from None
    return model


def open_head(folder: Path, model: VisionLanguage) -> ScoreHead:
    """The scoring head of a reward checkpoint."""
    head = score_head(model, 0.0)
    try:
        head.load_state_dict(load_file(folder / "head.safetensors"))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise BadCheckpoint(f"{folder.name}/head.safetensors cannot be loaded: {error}") from None
    return head.to(model.device).eval()
