"""A project's rules for its queue: overlap and priority by stratum, languages and skills, quotas, gold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.core import faults
from app.core.language import N_
from app.core.language import gettext as _
from app.projects.tables import Project
from app.samples.tables import Sample
from app.tasks.refusals import BadRule

Word = Field(default="", max_length=100)
Quota = Field(default=None, ge=1, le=1_000_000)
Percent = Field(default=None, ge=1, le=100)


class Stratum(BaseModel):
    """Samples that fit all of its words (an empty word fits all); a sample belongs to the first stratum that fits."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    domain: Literal["", "image", "video", "safety"] = ""
    question_type: Literal["", "mcq", "long", "short"] = ""
    language: str = Word
    cluster: str = Word
    overlap: int = Field(default=1, ge=1, le=20)
    priority: int = Field(default=0, ge=-1000, le=1000)
    skill: str = Word

    def fits(self) -> sa.ColumnElement[bool]:
        named = {name: getattr(self, name) for name in ("domain", "question_type", "language", "cluster")}
        return sa.and_(sa.true(), *[getattr(Sample, name) == word for name, word in named.items() if word])

    @property
    def is_general(self) -> bool:
        return not (self.domain or self.question_type or self.language or self.cluster)


class Rules(BaseModel):
    """As they are by default, everybody may have every task, as many as they like, and no gold is mixed in."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    strata: list[Stratum] = Field(default=[], max_length=50)
    by_language: bool = False
    """Samples that name a language go only to people who have it."""
    daily_quota: int | None = Quota
    """Annotations a person and day (UTC)."""
    total_quota: int | None = Quota
    cluster_quota: int | None = Quota
    """Annotations a person and cluster."""
    gold_percent: float = Field(default=0, ge=0, le=50, allow_inf_nan=False)
    """How many of a hundred tasks that somebody takes are gold, as long as there is gold that is new to them."""
    pass_mark: int | None = Percent
    """Share of the qualification set, in percent, that opens the queue; null: the queue is open to all."""
    pause_below: int | None = Percent
    """Share of a person's latest gold, in percent, under which they are paused; null: nobody is."""
    pause_of: int = Field(default=10, ge=2, le=100)
    """How many of the latest gold tasks are looked at."""
    pause_from: int = Field(default=4, ge=1, le=100)
    """How many there must be before somebody can be paused."""

    @model_validator(mode="after")
    def _can_pause(self) -> Rules:
        if self.pause_from > self.pause_of:
            raise ValueError(N_("Nobody can be paused: more gold is needed than is looked at."))
        return self

    def of_stratum(self, value: Callable[[Stratum], Any], otherwise: Any) -> Any:
        """What holds for a Sample, as an expression of the database."""
        cases = [(stratum.fits(), sa.literal(value(stratum))) for stratum in self.strata]
        return sa.case(*cases, else_=otherwise) if cases else sa.literal(otherwise)


def rules_of(project: Project) -> Rules:
    return Rules.model_validate(project.queue_rules)


def read(fields: dict[str, Any]) -> Rules:
    """Raises BadRule."""
    try:
        return Rules.model_validate(fields)
    except ValidationError as problem:
        where, what = faults.first(problem)
        raise BadRule(what, where, _("Mend the field and save again.")) from None
