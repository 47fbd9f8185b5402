"""Files of lines that recipes leave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson


def read_jsonl(path: Path, limit: int | None = None) -> Iterator[dict[str, Any]]:
    """The objects of a file of lines; nothing where there is no file."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if limit is not None and number >= limit:
                return
            # PostgreSQL's text holds no NUL, and no page could show one.
            yield orjson.loads(line.replace(b"\\u0000", b""))
