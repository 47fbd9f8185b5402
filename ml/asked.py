"""The models that a run of `generate` asks: endpoints with their prices and limits, and local ones."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ml.base import base_of
from ml.errors import NoModels
from ml.generate_config import Generate

KEY_NAME = re.compile(r"GENERATOR_KEY_[A-Z0-9_]{1,40}")
"""Names of environment variables that hold keys; no other variable is ever sent anywhere."""

LOCAL = "local"


@dataclass(frozen=True)
class Asked:
    """One model. Prices are of a million tokens; a limit of 0 is none."""

    name: str
    url: str = ""
    """The endpoint's address up to /v1; empty for a local model."""
    model: str = ""
    """What the endpoint calls it, or a local model's id or path."""
    key_name: str = ""
    price_in: float = 0.0
    price_out: float = 0.0
    requests_per_minute: float = 0.0
    tokens_per_minute: float = 0.0
    concurrency: int = 4
    key: str = field(default="", repr=False)

    @property
    def is_local(self) -> bool:
        return not self.url

    def cost(self, tokens_in: int | None, tokens_out: int | None) -> float | None:
        """None where the model has no price, or nobody said how many tokens it took."""
        if not (self.price_in or self.price_out) or tokens_in is None or tokens_out is None:
            return None
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6


def models_of(path: Path, config: Generate, environ: Mapping[str, str] = os.environ) -> list[Asked]:
    """Those of a models.json that the config names, and its own local one. Raises NoModels, BaseModelNotFound."""
    known = {each.name: each for each in _read(path)} if path.exists() else {}
    names = [name.strip() for name in config.models.split(",") if name.strip()]
    if config.base:
        own = LOCAL if config.base not in known else config.base
        known[own] = Asked(own, model=config.base)
        names += [own] if names else []
    if unknown := [name for name in names if name not in known]:
        raise NoModels(f"models.json has no model named {', '.join(unknown)}; it has {', '.join(known) or 'none'}")
    found = [known[name] for name in dict.fromkeys(names or known)]
    if not found:
        raise NoModels("name a model: in inputs/models.json, or a local one by the field base")
    return [_ready(each, environ) for each in found]


def _ready(each: Asked, environ: Mapping[str, str]) -> Asked:
    if each.is_local:
        return _with(each, model=base_of(each.model))
    return _with(each, key=key_of(each, environ)) if each.key_name else each


def _with(each: Asked, **more: Any) -> Asked:
    return Asked(**{one.name: getattr(each, one.name) for one in fields(Asked)} | more)


def key_of(each: Asked, environ: Mapping[str, str]) -> str:
    """The key that the environment holds for this endpoint: `GENERATOR_KEY_NAME="https://its.host KEY"`.

    It names the host that it is for, so that nobody who may describe models can have it sent elsewhere.
    """
    if not KEY_NAME.fullmatch(each.key_name):
        raise NoModels(f"{each.name}: the key's name {each.key_name[:60]!r} does not begin with GENERATOR_KEY_")
    host, _, key = environ.get(each.key_name, "").strip().partition(" ")
    if not key.strip():
        raise NoModels(f'{each.name}: set {each.key_name} to "https://its.host KEY" where runs are executed')
    if _origin(host) != _origin(each.url):
        raise NoModels(f"{each.name}: {each.key_name} is for {host}, not for {each.url}")
    return key.strip()


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _read(path: Path) -> list[Asked]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise NoModels(f"{path.name} is no JSON: {error}") from None
    if not isinstance(rows, list):
        raise NoModels(f"{path.name} must hold a list of models")
    found = [_described(row, f"{path.name}, model {place}") for place, row in enumerate(rows, 1)]
    if len({each.name for each in found}) < len(found):
        raise NoModels(f"{path.name} names a model twice")
    return found


def _described(row: Any, where: str) -> Asked:
    known = {one.name: one for one in fields(Asked) if one.name != "key"}
    if not isinstance(row, dict) or not isinstance(row.get("name"), str) or not row["name"].strip():
        raise NoModels(f"{where} has no name")
    for name, value in row.items():
        if name not in known:
            raise NoModels(f"{where}: {name} is no field of a model; those are {', '.join(known)}")
        text = isinstance(known[name].default, str) or name == "name"
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
        if not (isinstance(value, str) if text else number):
            raise NoModels(f"{where}: {name} must be {'text' if text else 'a number, 0 or more'}")
    if row.get("url") and urlsplit(row["url"]).scheme not in ("http", "https"):
        raise NoModels(f"{where}: url must begin with https:// or http://")
    if not row.get("model"):
        raise NoModels(f"{where}: model must say what the endpoint calls it, or a local model's id or path")
    return Asked(**row | {"url": row.get("url", "").rstrip("/"), "concurrency": max(1, int(row.get("concurrency", 4)))})
