"""How large a model is, read off its folder without loading it: the headers of its safetensors files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path

import orjson

LONGEST_HEADER = 100_000_000
"""Bytes of a safetensors header, as its format bounds it."""
_SIZE = re.compile(r"(?<![\d.])(\d{1,4}(?:\.\d{1,3})?)\s?([bBmM])(?![a-zA-Z])")
_SEES = re.compile(r"(^|\.)(visual|vision|vision_tower|vision_model|image_encoder)(\.|$)")
_ATTENDS = re.compile(r"\.(q|k|v|o|out|qkv)(_proj)?\.weight$")
_HEADS = re.compile(r"(embed|lm_head|norm)")


@dataclass(frozen=True)
class Weights:
    """Counts of parameters. `linear`: (inputs + outputs) summed over the language model's linear layers, `attention`
    over those of its attention: LoRA of rank r learns r times as many. `exact`: whether they were counted.
    """

    parameters: int
    vision: int = 0
    linear: int = 0
    attention: int = 0
    hidden: int = 0
    layers: int = 0
    vocabulary: int = 0
    exact: bool = True


def folder_of(base: str) -> Path | None:
    """The folder that a base model's field names; None where there is none, as for a hub's id."""
    try:
        folder = Path(base).expanduser()
        return folder if base.strip() and folder.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # a name too long for any file, the home of nobody, a NUL
        return None


def of(base: str) -> Weights | None:
    """What a model's folder or its name tells; None where neither does."""
    if folder := folder_of(base):
        files = sorted(folder.glob("*.safetensors"))
        return _counted(folder, tuple((path.name, path.stat().st_mtime_ns) for path in files)) if files else None
    return _named(base)


def _named(base: str) -> Weights | None:
    """The last number of the id that is followed by B or M: 7B is seven billion."""
    found = _SIZE.findall(base.rsplit("/", 1)[-1])
    if not found:
        return None
    number, unit = found[-1]
    return Weights(round(float(number) * (1e9 if unit in "bB" else 1e6)), exact=False)


@lru_cache(maxsize=32)
def _counted(folder: Path, files: tuple[tuple[str, int], ...]) -> Weights | None:
    """Counted anew when a file changes. None where a file is no safetensors file."""
    shapes: dict[str, list[int]] = {}
    try:
        for name, _when in files:
            shapes |= _shapes(folder / name)
        text = orjson.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    text = text.get("text_config", text)
    linear = {name: sum(shape) for name, shape in shapes.items() if _adaptable(name, shape)}
    return Weights(
        parameters=sum(prod(shape) for shape in shapes.values()),
        vision=sum(prod(shape) for name, shape in shapes.items() if _SEES.search(name)),
        linear=sum(linear.values()),
        attention=sum(many for name, many in linear.items() if _ATTENDS.search(name)),
        hidden=int(text.get("hidden_size") or 0),
        layers=int(text.get("num_hidden_layers") or 0),
        vocabulary=int(text.get("vocab_size") or 0),
    )


def _adaptable(name: str, shape: list[int]) -> bool:
    return len(shape) == 2 and name.endswith(".weight") and not _SEES.search(name) and not _HEADS.search(name)


def _shapes(path: Path) -> dict[str, list[int]]:
    """Tensor → its shape. A safetensors file begins with the length of its JSON header, eight bytes, little-endian."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= LONGEST_HEADER:
            raise ValueError(f"{path.name} is no safetensors file")
        header = orjson.loads(file.read(length))
    return {name: list(each["shape"]) for name, each in header.items() if name != "__metadata__"}
