"""What differs between two texts, word by word."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

CHARACTERS = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Of scripts that do not part their words: each is compared on its own."""

WORD = re.compile(rf"[{CHARACTERS}]|[^\s{CHARACTERS}]+")
PARTED = re.compile(rf"(?<=[{CHARACTERS}]) (?=[{CHARACTERS}])")


def word_diff(before: str, after: str) -> list[tuple[str, str]]:
    """[("kept" | "removed" | "added", words), …] in the order of reading."""
    old, new = WORD.findall(before), WORD.findall(after)
    parts: list[tuple[str, str]] = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(("kept", _joined(old[a:b])))
        else:
            parts += [(name, _joined(words)) for name, words in (("removed", old[a:b]), ("added", new[c:d])) if words]
    return parts


def _joined(words: list[str]) -> str:
    return PARTED.sub("", " ".join(words))
