"""Why a run is not started, stopped or taken up again."""

from __future__ import annotations

from app.core.errors import Conflict, Invalid
from app.core.language import N_


class UnknownRecipe(Invalid):
    """No recipe has this name."""


class BadConfig(Invalid):
    """A field of the config is unknown, of the wrong type or out of bounds."""


class BadName(Invalid):
    """A run's name is empty or too long."""


class BaseModelNotFound(Invalid):
    """The base model's path does not exist, or is no model."""


class NoExpander(Invalid):
    """Neither an endpoint nor a local model is there to expand reasons."""


class NoPairs(Invalid):
    """The dataset has no pair to learn from."""


class InputMissing(Invalid):
    """The recipe needs an input that was not chosen."""


class WrongInput(Invalid):
    """The chosen input is no input of this recipe, or can no longer leave what is needed."""


class NoApprovedCritiques(Invalid):
    """Nobody approved any of the expanded critiques."""


class RunEnded(Conflict):
    """The run is over; there is nothing to cancel."""


class NotResumable(Conflict):
    """Only a run that failed or was cancelled can go on."""


class NotANumber(Invalid):
    """Something else than the number of a run stands where runs are chosen."""


class TooManyRuns(Invalid):
    """More runs are chosen than can be told apart in one figure."""

    advice = N_("Leave some out: more curves than colours cannot be told apart.")


class CheckpointGone(Conflict):
    """The checkpoint's weights were deleted."""


class ReasonMissing(Invalid):
    """What others will ask about later was given no reason."""


class AlreadyStands(Conflict):
    """The checkpoint has this standing already."""


class NotPromoted(Conflict):
    """The checkpoint has no standing that could be withdrawn."""


class CheckpointIsCurrent(Conflict):
    """A current checkpoint is not deleted."""

    advice = N_("Make another one current first, or withdraw its standing.")


class CheckpointInUse(Conflict):
    """Something that goes on needs the checkpoint."""

    advice = N_("Wait until they have ended or cancel them; an adapter needs its base for as long as it is there.")


class BadRule(Invalid):
    """A rule of retention that cannot be meant."""


class BadTarget(Invalid):
    """A place to which checkpoints are not pushed here."""


class TargetTaken(Conflict):
    """Something else lies at the place already."""

    advice = N_("Choose another name: nothing is overwritten.")


class OutputMissing(Invalid):
    """A run ended well without leaving what its recipe leaves."""


class ClaimLost(Conflict):
    """Another worker has taken the run over; this one may write nothing more."""
