"""A project's review rules at work: what they select waits for a reviewer; the rest waits or is accepted by rule."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm.attributes import set_committed_value

from app.accounts.actions import audit
from app.annotations.measuring import may_be_compared, measure
from app.annotations.selecting import NOTHING, PROJECT, SAMPLES, Rules, rules_of, selecting, undecided, values
from app.annotations.tables import Annotation, Review, Revision, Waiting
from app.core.db import Session
from app.projects.tables import Project
from app.tasks.tables import Flag, Task


def arrive(session: Session, project: Project, annotation: Annotation) -> None:
    """A submitted annotation takes its place: compared with others of its sample, in the queue or accepted by rule."""
    if may_be_compared(session, annotation.sample_id):
        measure(session, project.id, [annotation.sample_id])
    if not settle(session, project, [annotation.sample_id]):
        set_committed_value(annotation.latest, "review", None)  # nobody has judged it yet: nothing is to be looked up


def leave(session: Session, annotation: Annotation) -> None:
    """Its author takes the latest revision back: it waits no more, and what a rule said of it is gone."""
    session.execute(sa.delete(Waiting).where(Waiting.annotation_id == annotation.id))
    rule = sa.delete(Review).where(Review.revision_id == annotation.latest.id, Review.reviewer_id.is_(None))
    session.execute(rule.execution_options(synchronize_session=False))


def settle(session: Session, project: Project, sample_ids: Sequence[int] | None = None) -> int:
    """Apply the rules to annotations without a person's verdict: of some samples, or of all. Twice is harmless.

    What is selected waits for a reviewer, also where a rule had accepted it before the reason was known.
    Returns how many were accepted.
    """
    rules = rules_of(project)
    bound = values(session, project, rules, sample_ids)
    made, back = session.execute(_settling(rules, sample_ids is not None), bound).one()
    if made or back:
        what = {"accepted": made, "withdrawn": back, "samples": list(sample_ids or [])[:20]}
        audit(session, None, "reviews.by_rule", f"project {project.id}", project.id, **what)
    return int(made)


Condition = sa.ColumnElement[bool]


@lru_cache(maxsize=256)  # each submission settles its sample: building the statement costs more than running it
def _settling(rules: Rules, of_some: bool) -> sa.Select[int, int]:
    """One statement: the rules are worked out once, and nothing comes between their parts."""
    rows = sa.select(undecided(rules, of_some)).cte("undecided").prefix_with("MATERIALIZED")
    free = rows.c.why == NOTHING
    kept = sa.and_(sa.literal(rules.accepting), free, sa.or_(rows.c.complete, rows.c.review_id.is_not(None)))
    withdrawn = _withdrawn(rows, ~kept).cte("withdrawn")
    accepted = _accepted(rows, kept).cte("accepted")
    waiting = _waiting(rows, ~kept).cte("waits")
    settled = _settled(rows, kept, of_some).cte("settled")
    counts = [sa.select(sa.func.count()).select_from(part).scalar_subquery() for part in (accepted, withdrawn)]
    return sa.select(*counts).add_cte(waiting, settled)


def _withdrawn(rows: sa.CTE, gone: Condition) -> Any:
    """Acceptances by rule are taken back where a rule now selects, or where rules no longer accept."""
    ids = sa.select(rows.c.review_id).where(rows.c.review_id.is_not(None), gone)
    return sa.delete(Review).where(Review.id.in_(ids)).returning(Review.id)


def _accepted(rows: sa.CTE, kept: Condition) -> Any:
    columns = [rows.c.revision_id, rows.c.revision_id, sa.literal("accept"), sa.literal(""), NOTHING, NOTHING]
    names = ["revision_id", "reviewed_revision_id", "verdict", "comment", "remarks", "verified"]
    put = insert(Review).from_select(names, sa.select(*columns).where(kept, rows.c.review_id.is_(None)))
    return put.on_conflict_do_nothing().returning(Review.id)


def _waiting(rows: sa.CTE, waits: Condition) -> Any:
    names = ["annotation_id", "project_id", "sample_id", "user_id", "why"]
    columns = [rows.c.annotation_id, PROJECT, rows.c.sample_id, rows.c.user_id, rows.c.why]
    put = insert(Waiting).from_select(names, sa.select(*columns).where(waits))
    why = put.excluded.why
    put = put.on_conflict_do_update(index_elements=["annotation_id"], set_={"why": why}, where=Waiting.why != why)
    return put.returning(Waiting.annotation_id)


def _settled(rows: sa.CTE, kept: Condition, of_some: bool) -> Any:
    inside = Waiting.project_id == PROJECT
    inside &= (Waiting.sample_id == sa.any_(SAMPLES)) if of_some else sa.true()
    ids = sa.select(rows.c.annotation_id).where(kept)
    return sa.delete(Waiting).where(inside, Waiting.annotation_id.in_(ids)).returning(Waiting.annotation_id)


class Preview(NamedTuple):
    """What rules would do with what is there now.

    by_rule: name → how many it selects of all. open_*: of those without a person's verdict.
    """

    total: int
    selected: int
    by_rule: dict[str, int]
    open_total: int
    open_selected: int
    accepted: int
    """Would be accepted by rule now."""
    back: int
    """Accepted by rule at present, and would wait for a reviewer again."""


def preview(session: Session, project: Project, rules: Rules) -> Preview:
    """Counts over the whole project, without changing anything."""
    named = selecting(rules)
    bound = values(session, project, rules)
    everything = (
        sa.select(Annotation.id, *[rule.label(name) for name, rule in named.items()])
        .where(Annotation.project_id == PROJECT)
        .offset(0)  # as in `undecided`
        .subquery()
    )
    any_rule = sa.or_(sa.false(), *[everything.c[name] for name in named])
    counts = [sa.func.count().filter(everything.c[name]) for name in named]
    total, selected, *each = session.execute(
        sa.select(sa.func.count(), sa.func.count().filter(any_rule), *counts).select_from(everything), bound
    ).one()
    rows = undecided(rules)
    free = rows.c.why == NOTHING
    kept = sa.and_(free, rows.c.complete, sa.literal(rules.accepting))
    open_total, open_selected, accepted, back = session.execute(
        sa.select(
            sa.func.count(),
            sa.func.count().filter(~free),
            sa.func.count().filter(kept),
            sa.func.count().filter(rows.c.review_id.is_not(None), ~kept),
        ).select_from(rows),
        bound,
    ).one()
    return Preview(total, selected, dict(zip(named, each, strict=True)), open_total, open_selected, accepted, back)


def reconsider(session: Session) -> None:
    """Look again at samples that were flagged after the rules had passed over them; the sweep does this."""
    told = Waiting.why.contains(["flagged"])
    late = (
        sa.select(Annotation.project_id, Annotation.sample_id)
        .join(Project, Project.id == Annotation.project_id)
        .join(Revision, Revision.annotation_id == Annotation.id)
        .outerjoin(Review, Review.revision_id == Revision.id)
        .outerjoin(Waiting, Waiting.annotation_id == Annotation.id)
        .join(Task, Task.sample_id == Annotation.sample_id)
        .join(Flag, Flag.task_id == Task.id)
        .where(
            Flag.created_at > sa.func.now() - sa.text("interval '1 day'"),
            Project.review_rules["flagged"].as_boolean(),
            sa.or_(
                sa.and_(Waiting.annotation_id.is_not(None), ~told),
                sa.and_(Review.id.is_not(None), Review.reviewer_id.is_(None)),
            ),
        )
        .distinct()
    )
    found: dict[int, list[int]] = {}
    for project_id, sample_id in session.execute(late):
        found.setdefault(project_id, []).append(sample_id)
    for project_id, sample_ids in found.items():
        settle(session, session.get_one(Project, project_id), sample_ids)
