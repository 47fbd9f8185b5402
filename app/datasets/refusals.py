"""The named noes of the datasets room."""

from __future__ import annotations

from app.core.errors import Conflict, Invalid


class NoPairs(Conflict):
    """No accepted annotation makes a pair: there is nothing to learn from."""


class BadFreeze(Invalid):
    """A name, share or seed that a dataset cannot have."""


class MediumMissing(Conflict):
    """The file of a picture is gone from the storage."""


class BadFormat(Invalid):
    """A download format that does not exist."""
