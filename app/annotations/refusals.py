"""The named noes of the annotations room; `schemas.BadAnnotation` is the one about content."""

from __future__ import annotations

from typing import Any

from app.annotations.tables import Draft
from app.core.errors import Conflict, Forbidden, Invalid
from app.core.language import gettext as _


class StaleDraft(Conflict):
    """Another window or device saved the same draft meanwhile."""

    def __init__(self, draft: Draft) -> None:
        super().__init__(_("This draft was changed in another window or on another device."), "version")
        self.draft = draft

    def as_json(self) -> dict[str, Any]:
        return {**super().as_json(), "version": self.draft.version, "content": self.draft.content}


class KeyReused(Conflict):
    """One idempotency key for two different submissions."""


class NotYours(Forbidden):
    """A verdict on one's own work."""


class AlreadyReviewed(Conflict):
    """The annotation has a verdict, or changed while the reviewer looked at it."""


class CommentMissing(Invalid):
    """A verdict that the annotator can only understand with a comment, without one."""


class BadReview(Invalid):
    """A review whose parts do not fit the annotation."""


class TooLate(Conflict):
    """A submission can be taken back for a minute."""


class SetChanged(Conflict):
    """What was counted is not what is there any more."""


class Begun(Conflict):
    """Somebody has taken up work that was to be taken back."""
