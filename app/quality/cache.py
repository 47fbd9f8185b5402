"""What was computed of a project, kept in this process until anything is judged, reviewed or undone."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from app.core.db import Session
from app.projects.guard import Seat
from app.quality import queries
from app.quality.columns import Columns, joined

Found = TypeVar("Found")
MOST_KEPT = 8
"""Projects; about 60 MB each where there are 100,000 annotations."""


class Kept:
    """A project's columns as of a mark, and everything that was computed from them."""

    def __init__(self, mark: queries.Mark, rubric: tuple[str, ...], columns: Columns) -> None:
        self.mark, self.rubric, self.columns = mark, rubric, columns
        self._found: dict[Hashable, Any] = {}

    def once(self, name: Hashable, compute: Callable[[], Found]) -> Found:
        """`compute()`, or what it gave before."""
        if name not in self._found:
            self._found[name] = compute()
        found: Found = self._found[name]
        return found


_kept: OrderedDict[tuple[str, int], Kept] = OrderedDict()
_lock = threading.Lock()


def of(session: Session, seat: Seat) -> Kept:
    """What is known of the seat's project, never older than the session's view of the database."""
    mark, rubric = queries.mark(session, seat), tuple(seat.rubric.keys)
    place = (str(session.get_bind().engine.url), seat.project.id)
    with _lock:  # of two who ask at once the second finds what the first has loaded
        old = _kept.pop(place, None)
        if old is None or old.mark != mark or old.rubric != rubric:
            old = Kept(mark, rubric, _columns(session, seat, old, mark, rubric))
        _kept[place] = old
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
        return old


def _columns(session: Session, seat: Seat, old: Kept | None, mark: queries.Mark, rubric: tuple[str, ...]) -> Columns:
    """Only what is new where rows have only been added since; else everything."""
    if old is not None and old.rubric == rubric:
        changed, revisions, reviews = queries.changed_since(session, seat, old.mark)
        added = (old.mark.revisions + revisions, old.mark.reviews + reviews)
        if added == (mark.revisions, mark.reviews) and len(changed) < MOST_ADDED:
            found = joined(old.columns, queries.columns(session, seat, changed)) if changed else old.columns
            if found is not None:
                return found
    return queries.columns(session, seat)


MOST_ADDED = 5000
