"""The model card of a checkpoint: what it is, what it was trained from, on and with, and how well it did."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ml.config import Config
from ml.folder import RunFolder, write_text

INPUTS = ("dataset", "critiques.jsonl", "scores", "reward", "policy")
NAMING = ("SHA256SUMS", "meta.json", "margins.jsonl")
"""Files that tell an input folder from every other; the first that is there is hashed."""


def write(folder: RunFolder, checkpoint: Path, meta: Mapping[str, Any], config: Config) -> None:
    """README.md beside the weights, as hubs show it."""
    title = f"A {meta['kind']} model from {meta['base']}"
    lines = ["---", "library_name: transformers", f"tags: [{meta['kind']}, {meta['recipe']}]", "---", "", f"# {title}"]
    lines += ["", *_how(meta, getattr(config, "adapter", "") == "qlora")]
    lines += [
        "",
        "## Lineage",
        "",
        f"- base: `{meta['base']}`",
        *(f"- {name}: {told}" for name, told in _inputs(folder)),
    ]
    lines += ["", "## Results", "", "| figure | value |", "|---|---|"]
    lines += [f"| {name} | {_shown(value)} |" for name, value in meta["result"].items() if value is not None]
    lines += ["", "## Config", "", "| field | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in asdict(config).items() if value != ""]
    write_text(checkpoint / "README.md", "\n".join(lines) + "\n")


def _how(meta: Mapping[str, Any], quantised: bool) -> list[str]:
    name = "PeftModel.from_pretrained(base, FOLDER)" if meta["adapter"] == "lora" else "from_pretrained(FOLDER)"
    lines = [f"Loads outside the platform: `{name}` with the classes AutoModelForImageTextToText and AutoProcessor."]
    if quantised:
        lines.append(
            "It was trained above weights of four bits (nf4) of the base's language model; figures below are theirs."
        )
    if meta["kind"] == "reward":
        lines.append(
            "The scoring head (linear, tanh, linear on the last token's last hidden state) is head.safetensors."
        )
    return lines


def _inputs(folder: RunFolder) -> list[tuple[str, str]]:
    return [(name, _named(folder.path / "inputs" / name)) for name in INPUTS if folder.has(name)]


def _named(path: Path) -> str:
    file = path if path.is_file() else next((path / name for name in NAMING if (path / name).is_file()), None)
    if file is None:
        return "no file that names it"
    return f"{file.name}, sha256 `{hashlib.sha256(file.read_bytes()).hexdigest()}`"


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
