"""Who may: each rule answers True, or the reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from app.annotations.tables import Annotation
from app.core.language import gettext as _
from app.projects.guard import Seat


def may_review(seat: Seat, annotation: Annotation) -> Literal[True] | str:
    """Nobody gives the verdict on their own work."""
    if annotation.user_id == seat.user.id:
        return _("This is your own annotation: somebody else reviews it.")
    return True


def may_adjudicate(seat: Seat, annotations: Sequence[Annotation]) -> Literal[True] | str:
    """Who judged a sample does not decide over it, and there is nothing to decide over fewer than two."""
    if len(annotations) < 2:
        return _("Fewer than two people have judged this sample: there is nothing to decide between.")
    if any(each.user_id == seat.user.id for each in annotations):
        return _("You have annotated this sample yourself: somebody else decides over it.")
    return True
