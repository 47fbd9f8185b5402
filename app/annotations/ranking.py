"""A ranking as people type it: letters in order of preference, `=` between equals, such as A C B=D."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

from app.annotations.desk import Reply
from app.core.errors import Invalid
from app.core.language import gettext as _


class BadRanking(Invalid):
    """Letters that are not all the responses, each once."""


def read(text: str, shown: Sequence[Reply], whole: bool = True) -> list[list[str]]:
    """Groups of response ids, best first; [] for an empty text. Raises BadRanking.

    whole: every response must be named; else those that are named are ordered among themselves.
    """
    if not text.strip():
        return []
    ids = {reply.letter: reply.id for reply in shown}
    groups = [group.split("=") for group in re.sub(r"\s*=\s*", "=", text.upper().replace(">", " ")).split()]
    letters = [letter for group in groups for letter in group]
    if len(set(letters)) != len(letters) or not set(letters) <= set(ids) or (whole and len(letters) != len(ids)):
        raise BadRanking(
            _("“%(text)s” does not rank these responses: name each letter once, such as A C B=D.", text=text[:60]),
            "ranking",
        )
    return [[ids[letter] for letter in group] for group in groups]


def pairs(ranking: Sequence[Sequence[str]]) -> list[list[str]]:
    """Every (better, worse) that a ranking says."""
    return [[better, worse] for above, below in combinations(ranking, 2) for better in above for worse in below]
