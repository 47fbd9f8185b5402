"""Looking for words in a run's log: places a page at a time, read line by line, so that no log is held whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PAGE = 50
LINE = 2000
"""Characters of a line that are looked at and sent."""


def found(path: Path, words: str, after: int = 0) -> dict[str, Any]:
    """Up to PAGE lines after line number `after` that hold the words, whatever their case, with their number; and more,
    the number to go on from, where there are others. Lines are counted from 1.
    """
    wanted = words.casefold()
    lines: list[dict[str, Any]] = []
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if number <= after:
                continue
            text = raw.decode(errors="replace").rstrip("\r\n")[:LINE]
            if wanted not in text.casefold():
                continue
            if len(lines) == PAGE:
                return {"lines": lines, "more": lines[-1]["number"]}
            lines.append({"number": number, "text": text})
    return {"lines": lines, "more": None}
