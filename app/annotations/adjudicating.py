"""Adjudication: over what several people made of a sample a reviewer decides once; the originals remain."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import aliased, joinedload

from app.accounts.actions import audit
from app.annotations import comparison, queries, rules
from app.annotations.disagreement import level
from app.annotations.refusals import AlreadyReviewed, BadReview, NotYours
from app.annotations.schemas import read_content
from app.annotations.tables import Adjudication, Annotation, Disagreement, Review, Waiting
from app.core.db import Session
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.samples import queries as samples
from app.samples.tables import Sample

PAGE = 50
LONGEST_REASON = 10_000


def side_by_side(session: Session, sample_id: int) -> list[Annotation]:
    """The annotations that a decision is made over: those that count, in the order in which they came."""
    return comparison.counting(queries.of_sample(session, sample_id))


def adjudicate(
    session: Session, seat: Seat, sample_id: int, content: object, reason: str = "", seen: list[int] | None = None
) -> Adjudication:
    """Decide over a sample. What nobody had reviewed waits no more; decided again, the new decision holds.

    seen: ids of the revisions that lay on the page.
    Raises NotFound, NotYours, BadReview, BadAnnotation, AlreadyReviewed.
    """
    sample = samples.sample(session, seat, sample_id)
    session.execute(sa.select(Sample.id).where(Sample.id == sample_id).with_for_update(key_share=True))
    annotations = side_by_side(session, sample_id)
    if (why := rules.may_adjudicate(seat, annotations)) is not True:
        raise NotYours(why, "sample")
    revisions = [each.latest.id for each in annotations]
    if seen is not None and sorted(seen) != sorted(revisions):
        raise AlreadyReviewed(
            _("An annotation of this sample came or changed while you decided."), "sample", _("Open it again.")
        )
    if len(reason) > LONGEST_REASON or "\0" in reason:
        raise BadReview(
            _("A reason has at most %(n)s characters, and no NUL.", n=f"{LONGEST_REASON:,}"),
            "reason",
        )
    decided = read_content(content, sample, seat.rubric).model_dump()
    made = sa.select(sa.func.max(Adjudication.number)).where(Adjudication.sample_id == sample_id)
    row = Adjudication(
        project_id=seat.project.id,
        sample_id=sample_id,
        number=(session.scalar(made) or 0) + 1,
        author_id=seat.user.id,
        content=decided,
        reason=reason.strip(),
        revisions=revisions,
    )
    session.add(row)
    _settle(session, seat, annotations)
    session.flush()
    audit(session, seat.user, "sample.adjudicated", f"sample {sample_id}", seat.project.id, number=row.number)
    return row


def _settle(session: Session, seat: Seat, annotations: list[Annotation]) -> None:
    """The originals without a verdict are marked as decided over: they wait no more, and stand as they are."""
    for each in annotations:
        if each.latest.review is None and each.task.done_at is not None:
            latest = each.latest
            latest.review = Review(reviewed_revision_id=latest.id, reviewer_id=seat.user.id, verdict="adjudicate")
            session.execute(sa.delete(Waiting).where(Waiting.annotation_id == each.id))


class Case(NamedTuple):
    """A sample that several people judged."""

    sample: Sample
    people: int
    disagreement: float
    decision: Adjudication | None

    @property
    def heat(self) -> int:
        return level(self.disagreement)


def cases(
    session: Session, seat: Seat, decided: bool, after: tuple[float, int] | None = None, limit: int = PAGE
) -> list[Case]:
    """Samples that people judge differently, the most disputed first; decided ones apart. By keys, not by offset.

    A sample whose decision an order to annotate again has set aside is there too, once two people have judged it.
    """
    value = Disagreement.value
    query = (
        sa.select(Sample, Disagreement.people, value, Adjudication)
        .join(Disagreement, Disagreement.sample_id == Sample.id)
        .outerjoin(Adjudication, sa.and_(Adjudication.sample_id == Sample.id, _holds()))
        .where(Disagreement.project_id == seat.project.id, _disputed())
        .where(Adjudication.id.is_not(None) if decided else Adjudication.id.is_(None))
        .options(joinedload(Adjudication.author))
        .order_by(value.desc(), Sample.id)
        .limit(limit)
    )
    if after:
        query = query.where(sa.or_(value < after[0], sa.and_(value == after[0], Sample.id > after[1])))
    return [Case(sample, people, far or 0.0, decision) for sample, people, far, decision in session.execute(query)]


def _holds() -> sa.ColumnElement[bool]:
    later = aliased(Adjudication)
    newer = sa.exists().where(later.sample_id == Adjudication.sample_id, later.number > Adjudication.number)
    return sa.and_(Adjudication.set_aside_by_id.is_(None), ~newer)


def _decided() -> sa.ColumnElement[bool]:
    """A decision over the Disagreement's sample holds."""
    some = aliased(Adjudication)
    return sa.exists().where(some.sample_id == Disagreement.sample_id, some.set_aside_by_id.is_(None))


def _overtaken() -> sa.ColumnElement[bool]:
    some = aliased(Adjudication)
    return sa.exists().where(some.sample_id == Disagreement.sample_id, some.set_aside_by_id.is_not(None))


def _disputed() -> sa.ColumnElement[bool]:
    """What a reviewer is asked to decide over: people differ, or an earlier decision was set aside."""
    return sa.or_(Disagreement.value > 0, sa.and_(Disagreement.people > 1, _overtaken()))


def count(session: Session, project_id: int) -> dict[Literal["open", "decided"], int]:
    """How many samples people judge differently, and over how many of them somebody has decided."""
    row = session.execute(
        sa.select(sa.func.count().filter(~_decided()), sa.func.count().filter(_decided())).where(
            Disagreement.project_id == project_id, _disputed()
        )
    ).one()
    return {"open": row[0], "decided": row[1]}


def next_case(session: Session, seat: Seat, sample_id: int) -> int | None:
    """The next undecided sample after this one in order of disagreement that the seat may decide, else the first."""
    mine = sa.exists().where(Annotation.sample_id == Disagreement.sample_id, Annotation.user_id == seat.user.id)
    query = (
        sa.select(Disagreement.sample_id)
        .where(Disagreement.project_id == seat.project.id, _disputed(), ~_decided(), ~mine)
        .where(Disagreement.sample_id != sample_id)
        .order_by(Disagreement.value.desc(), Disagreement.sample_id)
        .limit(1)
    )
    value = session.scalar(sa.select(Disagreement.value).where(Disagreement.sample_id == sample_id))
    if value is not None:
        behind = sa.and_(Disagreement.value == value, Disagreement.sample_id > sample_id)
        ahead: int | None = session.scalar(query.where(sa.or_(Disagreement.value < value, behind)))
        if ahead:
            return ahead
    return session.scalar(query)


def choices(annotations: list[Annotation]) -> list[dict[str, Any]]:
    """What each person answered, for the page's script to take over from."""
    return [{"id": each.id, "who": each.user.name, "content": each.latest.content} for each in annotations]
