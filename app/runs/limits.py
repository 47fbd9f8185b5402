"""What a run may use, and what it has used so far: hours, processor time, memory. A trainer looks and sees to it.

Hours and processor time count over all trainers that had the run, and begin afresh where somebody resumes it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import sqlalchemy as sa

from app.core.db import Session
from app.core.errors import Invalid, Refusal
from app.core.language import gettext as _
from app.core.settings import settings
from app.runs.tables import Run

HOUR = 3600.0
GIB = 2**30
LONGEST = 10_000.0
"""Hours that a form may ask for: more than a year is a slip of the hand."""


class BadLimit(Invalid):
    """A limit that is no number of hours."""


class LimitReached(Refusal):
    """The run used all that it may."""


class Limits(NamedTuple):
    """What a run may use; infinite where nobody set a limit. memory in bytes, the others in seconds."""

    seconds: float = math.inf
    cpu_seconds: float = math.inf
    memory: float = math.inf
    is_own: bool = False
    """Whether the hours are those that the run's own form asked for."""

    def reached(self, used: Used) -> LimitReached | None:
        """The limit that is reached, by a sentence that says what to do."""
        if used.memory > self.memory:
            return LimitReached(
                _(
                    "It held %(used)s GiB of memory and may hold %(limit)s. Start it again with fewer batch tokens or "
                    "samples at once, or ask an operator for more.",
                    used=_gib(used.memory),
                    limit=_gib(self.memory),
                ),
                "RUN_MEMORY_GIB",
            )
        if used.cpu_seconds > self.cpu_seconds:
            return LimitReached(
                _(
                    "It used the %(hours)s hours of processor time that it may use. Going on from the last checkpoint "
                    "gives it as many again; an operator can allow more.",
                    hours=_hours(self.cpu_seconds),
                ),
                "RUN_CPU_HOURS",
            )
        if used.seconds > self.seconds:
            return LimitReached(
                _(
                    "It ran for the %(hours)s hours that it may run. Going on from the last checkpoint gives it as "
                    "many again.",
                    hours=_hours(self.seconds),
                ),
                "max_hours" if self.is_own else "RUN_HOURS",
            )
        return None


class Used(NamedTuple):
    """memory: bytes that the run's processes hold now; the others in seconds."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory: int = 0


def _hours(seconds: float) -> str:
    return f"{seconds / HOUR:.3g}"


def _gib(memory: float) -> str:
    return f"{memory / GIB:.3g}"


def of(session: Session, run_id: int) -> tuple[Limits, Used]:
    """What the run may use, by the operator's settings and its own form, and what it has used."""
    own, seconds, cpu_seconds = session.execute(
        sa.select(Run.max_hours, Run.seconds_used, Run.cpu_seconds_used).where(Run.id == run_id)
    ).one()
    hours = min(own or math.inf, settings().run_hours or math.inf)
    cpu_hours, memory_gib = settings().run_cpu_hours or math.inf, settings().run_memory_gib or math.inf
    return Limits(hours * HOUR, cpu_hours * HOUR, memory_gib * GIB, hours == own), Used(seconds, cpu_seconds)


def note(session: Session, run_id: int, used: Used) -> None:
    """Keep what a run has used, for whoever takes it up next."""
    values = {"seconds_used": used.seconds, "cpu_seconds_used": used.cpu_seconds}
    session.execute(sa.update(Run).where(Run.id == run_id).values(**values))


def afresh(run: Run) -> None:
    run.seconds_used = run.cpu_seconds_used = 0.0


def read(text: str) -> float | None:
    """The hours of a form's field; None where it is empty. Raises BadLimit."""
    if not text.strip():
        return None
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours <= LONGEST:
        raise BadLimit(
            _("A run may have more than 0 and at most %(most)s hours.", most=int(LONGEST)),
            "max_hours",
            _("Leave it empty for no limit of its own."),
        )
    return hours
