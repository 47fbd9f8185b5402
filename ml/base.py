"""Which base model is meant, and whether it can be there: answered before torch is imported."""

from __future__ import annotations

import os
from pathlib import Path

from ml.errors import BaseModelNotFound

STORAGE = "STORAGE_ROOT"
"""Names the platform's storage on this machine, set by whoever starts the process."""


def base_of(named: str) -> str:
    """The base model's id or absolute path: the one named, else BASE_MODEL. Raises BaseModelNotFound."""
    base = named or os.environ.get("BASE_MODEL", "").strip()
    if not base:
        raise BaseModelNotFound("no base model is named: set the field base, or BASE_MODEL in the environment")
    try:
        folder = Path(base).expanduser()
        is_there = folder.is_dir()
    except (OSError, RuntimeError):  # a name too long for any file, the home of nobody
        raise BaseModelNotFound(f"the path {base!r} does not exist") from None
    if is_there:
        if not (folder / "config.json").is_file():
            raise BaseModelNotFound(f"{base!r} is a folder without a model's config.json")
        return str(folder.resolve())
    if found := _elsewhere(folder):
        return found
    if base.startswith((".", "/", "~")) or base.count("/") > 1:
        raise BaseModelNotFound(f"the path {base!r} does not exist")
    return base


def _elsewhere(folder: Path) -> str:
    """The same folder of the platform's storage as it lies on this machine, where another machine named it."""
    root = os.environ.get(STORAGE, "")
    ends = [Path(root, *folder.parts[place:]) for place in range(1, len(folder.parts) - 1)] if root else []
    return next((str(each) for each in ends if (each / "config.json").is_file()), "")
