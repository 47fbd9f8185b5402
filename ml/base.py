"""Which base model is meant, and whether it can be there: answered before torch is imported."""

from __future__ import annotations

import os
from pathlib import Path

from ml.errors import BaseModelNotFound


def base_of(named: str) -> str:
    """The base model's id or absolute path: the one named, else BASE_MODEL. Raises BaseModelNotFound."""
    base = named or os.environ.get("BASE_MODEL", "").strip()
    if not base:
        raise BaseModelNotFound("no base model is named: set the field base, or BASE_MODEL in the environment")
    folder = Path(base).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise BaseModelNotFound(f"{base!r} is a folder without a model's config.json")
        return str(folder.resolve())
    if base.startswith((".", "/", "~")) or base.count("/") > 1:
        raise BaseModelNotFound(f"the path {base!r} does not exist")
    return base
