"""Who may: each rule answers True, or the reason why not."""

from __future__ import annotations

from typing import Literal

from app.annotations.tables import Annotation
from app.projects.guard import Seat


def may_review(seat: Seat, annotation: Annotation) -> Literal[True] | str:
    """Nobody gives the verdict on their own work."""
    if annotation.user_id == seat.user.id:
        return "This is your own annotation: somebody else reviews it."
    return True
