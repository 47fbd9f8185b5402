"""Who reads a dataset. Rooms above tell it here, so that a dataset's page can show readers that it does not know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from app.core.db import Session
from app.datasets.tables import Dataset
from app.projects.guard import Seat


class Use(NamedTuple):
    """One reader; `margins` is the file in which it left a reward margin for each pair, if it did."""

    id: int
    kind: str
    name: str
    state: str
    href: str
    margins: Path | None = None


Teller = Callable[[Session, Seat, Dataset], list[Use]]
TELLERS: list[Teller] = []


Drawer = Callable[[Session, Seat, Dataset], Any]
DRAWERS: list[Drawer] = []
"""At most one: draws what the dataset came from and what came from it (`templates/runs/_lineage_graph.html`)."""


def drawn(session: Session, seat: Seat, dataset: Dataset) -> Any:
    """The drawing of the dataset's lineage; None where no room above draws it."""
    return next((draw(session, seat, dataset) for draw in DRAWERS), None)


def uses_of(session: Session, seat: Seat, dataset: Dataset) -> list[Use]:
    """Every reader, oldest first."""
    return [use for tell in TELLERS for use in tell(session, seat, dataset)]
