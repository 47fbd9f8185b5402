"""Why a run is not started, stopped or taken up again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from app.core.errors import Conflict, Invalid, Refusal
from app.core.language import N_, ngettext


class SeveralFaults(Invalid):
    """More than one thing is wrong, each named with its place."""

    def __init__(self, faults: Sequence[Refusal]) -> None:
        what = ngettext("%(num)s field needs another look.", "%(num)s fields need another look.", len(faults))
        super().__init__(what, faults[0].where)
        self.faults = faults

    def as_json(self) -> dict[str, Any]:
        return super().as_json() | {"faults": [each.as_json() for each in self.faults]}


class Faults:
    """Gathers what is wrong with a form, so that all of it is said at once."""

    def __init__(self) -> None:
        self.found: list[Refusal] = []

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """A refusal of the block is kept for `refuse`. Not found stays not found."""
        try:
            yield
        except SeveralFaults as several:
            self.found += several.faults
        except Invalid as refusal:
            self.found.append(refusal)

    def refuse(self) -> None:
        """Raises what was gathered, the first of each place: alone as itself, else as SeveralFaults."""
        firsts = list({each.where: each for each in reversed(self.found)}.values())[::-1]
        if firsts:
            raise firsts[0] if len(firsts) == 1 else SeveralFaults(firsts)


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

    advice = N_("Choose a dataset in which responses are ranked unlike one another.")


class InputMissing(Invalid):
    """The recipe needs an input that was not chosen."""


class WrongInput(Invalid):
    """The chosen input is no input of this recipe, or can no longer leave what is needed."""


class NoApprovedCritiques(Invalid):
    """Nobody approved any of the expanded critiques."""


class TooFewSteps(Invalid):
    """One step is a run, not a chain."""


class SweepFilled(Invalid):
    """A single run was asked for by a form that describes a sweep."""


class NothingVaried(Invalid):
    """A sweep whose fields have one value each."""


class TooManyPoints(Invalid):
    """A sweep's grid is larger than anybody would want to wait for."""


class GroupEnded(Conflict):
    """Every run of the group is over, or none of them failed: there is nothing to stop or to go on with."""


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
