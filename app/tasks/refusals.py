"""The named noes of the tasks room."""

from __future__ import annotations

from app.core.errors import Conflict, Invalid


class TaskDone(Conflict):
    """Somebody has annotated this task already."""


class TaskTaken(Conflict):
    """Somebody else holds this task, and the sample has no other that is free."""


class AlreadyJudged(Conflict):
    """A person judges a sample once."""


class Crowded(Conflict):
    """Every task that this person found was taken by somebody else at that very moment."""


class WasReturned(Conflict):
    """A returned annotation waits for the one who made it, and for nobody else."""


class ReasonMissing(Invalid):
    """Something that is only understood with a reason, without one."""


class BadReason(Invalid):
    """A reason too long or of no known kind."""


class BadRule(Invalid):
    """A rule of the queue outside its bounds, or at odds with another."""


class BadGold(Invalid):
    """Gold that expects nothing, or something that the sample does not have."""


class AlreadyGold(Conflict):
    """A sample's answer is known once."""


class AlreadyPaused(Conflict):
    """Who is paused cannot be paused again, and who is not cannot go on."""


class AlreadyResolved(Conflict):
    """A flag is resolved once."""
