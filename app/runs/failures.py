"""Why a run failed: kept as an English line, “Name: what (where)”, and told in its reader's language when shown."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from app.core import language
from app.core.language import N_, told
from app.core.language import gettext as _

_NAMED = re.compile(r"([A-Z]\w+): (.*)", re.DOTALL)
_BEGINS_SMALL = re.compile(r"[a-z]+ ")
_PLACED = re.compile(r"(?P<what>.+[.!?]) \((?P<where>[^()]+)\)", re.DOTALL)

ADVICE = {
    "Killed": N_("Go on with fewer samples at once or shorter texts, or ask an admin what ended the process."),
    "Stopped": N_("Let it go on from its last checkpoint."),
    "Failed": N_("Read the log, then let it go on from its last checkpoint."),
    "WorkerFault": N_("Let it go on from its last checkpoint; if it fails again, show an admin this sentence."),
    "InputLost": N_("Let that run go on, or clone this one with another input."),
    "InputAbsent": N_("Let the run that left it go on, or clone this one with another input."),
    "InputDamaged": N_("Ask an operator to look at the storage, then let the run go on."),
    "StorageAway": N_("Go on from its last checkpoint once the storage answers."),
    "OutputMissing": N_("Read the log for what kept the process from writing, and let the run go on."),
    "NoApprovedCritiques": N_("Approve some of the critiques on that run's page, and let this one go on."),
    "ConfigError": N_("Clone the run and change this field."),
    "BaseModelNotFound": N_("Clone the run and name a base model that the trainer can read."),
    "BadCheckpoint": N_("Choose another checkpoint, or train it again."),
    "BadSample": N_("Freeze the dataset again; a folder made by hand has to be mended at this line."),
    "BadPair": N_("Freeze the dataset again; a folder made by hand has to be mended at this line."),
    "BadImage": N_("Import the picture again, then freeze the dataset again."),
    "NoPairs": N_("Choose a dataset in which responses are ranked unlike one another."),
    "NoScores": N_("Score this dataset with a reward model, and choose that run as the input."),
    "MissingCritiques": N_("Choose other critiques to learn from, or a dataset whose annotators gave reasons."),
    "TooLong": N_("Clone the run with a larger budget of tokens, or with shorter texts."),
    "NoPictures": N_("Import samples with pictures or frames that can be read."),
    "BadEndpoint": N_("Look whether the endpoint is there and its key is right, then let the run go on."),
    "Diverged": N_("Clone the run, and change that there."),
}
"""The name of what ended a run → what to do."""


class Failure(NamedTuple):
    """What a page says of a run that failed, in the reader's language; only `name` is the same in all."""

    name: str
    what: str
    where: str
    advice: str


def line(name: str, what: str, where: str = "") -> str:
    """What the run's row keeps. what, where: in English."""
    return f"{name}: {what} ({where})" if where else f"{name}: {what}"


def shown(stored: str, progress: dict[str, Any] | None = None) -> Failure:
    """A kept line for its reader. progress: the run's last report, which is the place where the line names none."""
    named = _NAMED.fullmatch(stored)
    name, text = (named[1], named[2]) if named else ("", stored)
    what, where = _parted(name, text)
    said = str(told(what))
    if name and name != "ConfigError":  # that one says what a field must be
        said = sentence(said)
    return Failure(name, said, str(told(where)) or _reached(progress), str(told(ADVICE.get(name, ""))))


def sentence(text: str) -> str:
    """What a program says, as a sentence: it begins large, but for names and paths, and ends with a full stop."""
    if _BEGINS_SMALL.match(text):
        text = text[0].upper() + text[1:]
    if text and text[-1] not in ".!?…。！？":
        text += "。" if language.language().startswith("zh") else "."
    return text


def _parted(name: str, text: str) -> tuple[str, str]:
    """What and where of a kept sentence, in English."""
    if name == "ConfigError":
        field, _colon, what = text.partition(": ")
        return (what, field) if what else (text, "")
    placed = _PLACED.fullmatch(text)
    return (placed["what"], placed["where"]) if placed else (text, "")


def _reached(progress: dict[str, Any] | None) -> str:
    """How far it had come."""
    if not progress:
        return _("before its first report")
    return _("%(phase)s, %(done)s of %(total)s", **{**progress, "phase": told(progress["phase"])})
