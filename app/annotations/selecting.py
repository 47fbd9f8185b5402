"""What a project's review rules select, as conditions that the database evaluates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, array
from sqlalchemy.orm import aliased

from app.annotations import contradiction
from app.annotations.tables import Annotation, Disagreement, Review, Revision
from app.core.db import Session, among
from app.core.language import N_
from app.projects.tables import Project
from app.tasks.record_tables import GoldCheck
from app.tasks.tables import Flag, Task

NOTHING = sa.cast(sa.literal("[]", sa.Text), JSONB)
DRAWN_OF = 2**24
BY_MODEL = "contradicted"
"""The rule that goes by the reward model's opinion."""
NAMES = {
    "all": N_("everything is reviewed"),
    "newcomer": N_("a newcomer's"),
    "drawn": N_("drawn"),
    "disagreement": N_("disagreement"),
    "flagged": N_("flagged"),
    "gold": N_("failed gold"),
    BY_MODEL: N_("against the reward model"),
}
"""The rules' names, as people read why something is in the queue."""


class Rules(BaseModel):
    """A project's rules. As they are by default, they select everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    newcomer_first: int = Field(default=0, ge=0, le=10_000)
    """How many of a person's first annotations are all reviewed."""
    later_percent: float = Field(default=100, ge=0, le=100, allow_inf_nan=False)
    """How many of a hundred later ones are drawn."""
    disagreement_above: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    flagged: bool = False
    gold_failures: bool = False
    """Annotations of gold samples that miss what is expected there."""
    contradiction_above: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    """How far the offered reward model contradicts the ranking (`contradiction.of`)."""
    unselected: Literal["wait", "accept"] = "wait"
    """What becomes of the others: they wait as they are, or are accepted by rule once their sample is done."""

    @property
    def select_all(self) -> bool:
        return self.later_percent >= 100

    @property
    def has_reasons(self) -> bool:
        """Whether anything but the draw selects."""
        thresholds = (self.disagreement_above, self.contradiction_above)
        return bool(self.newcomer_first or self.flagged or self.gold_failures or set(thresholds) - {None})

    @property
    def accepting(self) -> bool:
        return self.unselected == "accept" and not self.select_all


def rules_of(project: Project) -> Rules:
    return Rules.model_validate(project.review_rules)


PROJECT = sa.bindparam("project", type_=sa.BigInteger)
SAMPLES = sa.bindparam("samples", type_=ARRAY(sa.BigInteger))


def values(
    session: Session, project: Project, rules: Rules, sample_ids: Sequence[int] | None = None
) -> dict[str, object]:
    """What `undecided` and `selecting` leave open: the project, the samples, and where each newcomer's time ends."""
    bound: dict[str, object] = {"project": project.id, "salt": project.draw_salt}
    if sample_ids is not None:
        bound["samples"] = list(sample_ids)
    if rules.newcomer_first:
        bound["newcomers"] = _newcomers(session, project, rules.newcomer_first, sample_ids)
    return bound


def undecided(rules: Rules, of_some: bool = False) -> sa.Subquery:
    """Annotations without a person's verdict: annotation_id, sample_id, user_id, revision_id, review_id, why, complete.

    of_some: of the samples in `values` alone. review_id: of an acceptance by rule. complete: no task of the sample is
    open, so that its disagreement is known.
    """
    rows = _latest(of_some).where(Review.reviewer_id.is_(None))
    to_do = sa.exists().where(Task.sample_id == Annotation.sample_id, Task.done_at.is_(None), Task.gold_id.is_(None))
    rows = rows.add_columns(_why(rules).label("why"), (~to_do).label("complete"))
    # An offset keeps the planner from working the rules out again at every mention of `why`.
    return rows.offset(0).subquery()


def _latest(of_some: bool) -> sa.Select[*tuple[Any, ...]]:
    newer = aliased(Revision)
    later = sa.exists().where(newer.annotation_id == Revision.annotation_id, newer.number > Revision.number)
    rows = (
        sa.select(
            Annotation.id.label("annotation_id"),
            Annotation.sample_id,
            Annotation.user_id,
            Revision.id.label("revision_id"),
            Review.id.label("review_id"),
        )
        .join(Revision, Revision.annotation_id == Annotation.id)
        .outerjoin(Review, Review.revision_id == Revision.id)
        .where(Annotation.project_id == PROJECT, ~later)
    )
    return rows.where(Annotation.sample_id == sa.any_(SAMPLES)) if of_some else rows


def _why(rules: Rules) -> sa.ColumnElement[Any]:
    """The names of the rules that select an annotation, as a JSON array."""
    if rules.select_all and not rules.has_reasons:
        return sa.cast(sa.literal('["all"]', sa.Text), JSONB)
    named = [sa.case((rule, name)) for name, rule in selecting(rules).items()]
    return sa.func.to_jsonb(sa.func.array_remove(array(named), sa.cast(sa.null(), sa.Text))) if named else NOTHING


def selecting(rules: Rules) -> dict[str, sa.ColumnElement[bool]]:
    """Each rule that is switched on, as a condition on Annotation."""
    found: dict[str, sa.ColumnElement[bool]] = {}
    if rules.newcomer_first:
        found["newcomer"] = _is_newcomers()
    if rules.later_percent:
        found["all" if rules.select_all else "drawn"] = _is_drawn(rules.later_percent)
    if rules.disagreement_above is not None:
        found["disagreement"] = sa.exists().where(
            Disagreement.sample_id == Annotation.sample_id, Disagreement.value > rules.disagreement_above
        )
    if rules.flagged:
        found["flagged"] = is_flagged()
    if rules.gold_failures:
        found["gold"] = sa.exists().where(GoldCheck.task_id == Annotation.task_id, ~GoldCheck.passed)
    if rules.contradiction_above is not None:
        found[BY_MODEL] = sa.func.coalesce(contradiction.expression() > rules.contradiction_above, sa.false())
    return found


def _newcomers(session: Session, project: Project, first: int, sample_ids: Sequence[int] | None) -> dict[str, int]:
    """Person → the id of their n-th annotation in this project; those who have fewer are left out."""
    of, theirs = aliased(Annotation), aliased(Annotation)
    authors = sa.select(of.user_id).where(of.project_id == project.id).distinct()
    if sample_ids is not None:
        authors = authors.where(among(of.sample_id, sample_ids))
    people = authors.subquery()
    nth = (
        sa.select(theirs.id)
        .where(theirs.project_id == project.id, theirs.user_id == people.c.user_id)
        .order_by(theirs.id)
        .offset(first - 1)
        .limit(1)
        .correlate(people)
        .scalar_subquery()
    )
    # Looked up once and handed over: beside each row, the database would look for them again and again.
    return {str(user): number for user, number in session.execute(sa.select(people.c.user_id, nth)) if number}


def _is_newcomers() -> sa.ColumnElement[bool]:
    """Among the first so many of its author in this project."""
    last = sa.bindparam("newcomers", type_=JSONB)[sa.cast(Annotation.user_id, sa.Text)].as_integer()
    return sa.func.coalesce(Annotation.id <= sa.cast(last, sa.BigInteger), sa.true())


def _is_drawn(percent: float) -> sa.ColumnElement[bool]:
    """A draw by a hash of the annotation's number and the project's salt: the same for ever, and foreseen by nobody.

    Who is drawn at some percentage is drawn at every higher one.
    """
    text = sa.func.convert_to(sa.func.concat(sa.bindparam("salt", type_=sa.Text), ":", Annotation.id), "UTF8")
    digest = sa.func.sha256(text)
    number = sa.func.get_byte(digest, 0) * 65536 + sa.func.get_byte(digest, 1) * 256 + sa.func.get_byte(digest, 2)
    return number < round(percent / 100 * DRAWN_OF)


def is_flagged(kind: str = "") -> sa.ColumnElement[bool]:
    """Whether somebody remarked on the annotation's sample."""
    flags = sa.exists().where(Flag.task_id == Task.id, Task.sample_id == Annotation.sample_id)
    return flags.where(sa.cast(Flag.kind, sa.Text) == kind) if kind else flags
