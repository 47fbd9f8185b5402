"""Having a set of annotations made again by others: counted first, ordered with a reason, undone while nobody began."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased, joinedload

from app.accounts.actions import audit
from app.annotations.measuring import measure
from app.annotations.refusals import BadReview, Begun, CommentMissing, SetChanged
from app.annotations.sampling import settle
from app.annotations.selecting import NOTHING
from app.annotations.tables import Annotation, Disagreement, Reannotated, Reannotation, Review, Revision, Waiting
from app.core.db import Session, now
from app.core.errors import NotFound
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.projects.tables import Membership
from app.samples.tables import Sample
from app.tasks import replacing
from app.tasks.tables import Skip, Task

State = Literal["", "submitted", "accepted", "by_rule", "corrected", "adjudicated"]
LONGEST_REASON = 2000
_VERDICTS = {"accepted": "accept", "corrected": "correct", "adjudicated": "adjudicate"}


@dataclass(frozen=True)
class Chosen:
    """Which annotations. What is empty narrows nothing; days are UTC and inclusive; agreement is 1 − disagreement."""

    annotator: int = 0
    state: State = ""
    question_type: str = ""
    domain: str = ""
    since: dt.date | None = None
    until: dt.date | None = None
    agreement_from: float | None = None
    agreement_to: float | None = None

    @property
    def given(self) -> dict[str, Any]:
        """The filters that narrow something, as they stand in an address."""
        return {
            name: value.isoformat() if isinstance(value, dt.date) else value
            for name, value in asdict(self).items()
            if value not in ("", 0, None) or (name.startswith("agreement") and value is not None)
        }


class Outlook(NamedTuple):
    """What an order would do. stuck: samples that every annotator of the project has judged or skipped already."""

    annotations: int
    samples: int
    people: int
    stuck: int


def outlook(session: Session, seat: Seat, chosen: Chosen) -> Outlook:
    rows = _matching(seat, chosen).subquery()
    tried = sa.union(
        sa.select(Annotation.sample_id, Annotation.user_id),
        sa.select(Skip.sample_id, Skip.user_id),
    ).subquery()
    left = sa.exists(
        sa.select(Membership.id)
        .where(Membership.project_id == seat.project.id, Membership.role == "annotator")
        .where(~sa.exists().where(tried.c.sample_id == rows.c.sample_id, tried.c.user_id == Membership.user_id))
    )
    many = sa.func.count
    found = session.execute(
        sa.select(
            many(),
            many(sa.distinct(rows.c.sample_id)),
            many(sa.distinct(rows.c.user_id)),
            many(sa.distinct(rows.c.sample_id)).filter(~left),
        ).select_from(rows)
    ).one()
    return Outlook(*found)


def examples(session: Session, seat: Seat, chosen: Chosen, limit: int = 10) -> list[Annotation]:
    rows = _matching(seat, chosen).subquery()
    query = sa.select(Annotation).where(Annotation.id.in_(sa.select(rows.c.annotation_id)))
    whole = [joinedload(Annotation.user), joinedload(Annotation.sample)]
    return list(session.scalars(query.options(*whole).order_by(Annotation.id).limit(limit)))


def _matching(seat: Seat, chosen: Chosen) -> sa.Select[*tuple[Any, ...]]:
    """annotation_id, sample_id, user_id, task_id, revision_id, review_id: what counts and is in nobody's hands."""
    newer = aliased(Revision)
    later = sa.exists().where(newer.annotation_id == Revision.annotation_id, newer.number > Revision.number)
    query: sa.Select[*tuple[Any, ...]] = (
        sa.select(
            Annotation.id.label("annotation_id"),
            Annotation.sample_id,
            Annotation.user_id,
            Annotation.task_id,
            Revision.id.label("revision_id"),
            Review.id.label("review_id"),
        )
        .join(Revision, Revision.annotation_id == Annotation.id)
        .outerjoin(Review, Review.revision_id == Revision.id)
        .join(Task, Task.id == Annotation.task_id)
        .join(Sample, Sample.id == Annotation.sample_id)
        .outerjoin(Disagreement, Disagreement.sample_id == Annotation.sample_id)
        .where(Annotation.project_id == seat.project.id, ~later, Task.done_at.is_not(None))
        .where(sa.or_(Review.id.is_(None), Review.verdict.in_(list(_VERDICTS.values()))))
    )
    for condition in _conditions(chosen):
        query = query.where(condition)
    return query


def _conditions(chosen: Chosen) -> list[sa.ColumnElement[bool]]:
    agreement = 1 - Disagreement.value
    by_rule = sa.and_(Review.id.is_not(None), Review.reviewer_id.is_(None))
    person = sa.and_(Review.verdict == _VERDICTS.get(chosen.state, ""), Review.reviewer_id.is_not(None))
    states = {"": sa.true(), "submitted": Review.id.is_(None), "by_rule": by_rule}
    day_after = chosen.until + dt.timedelta(days=1) if chosen.until else None
    wanted: list[tuple[object, sa.ColumnElement[bool]]] = [
        (chosen.state, states.get(chosen.state, person)),
        (chosen.annotator, Annotation.user_id == chosen.annotator),
        (chosen.question_type, sa.cast(Sample.question_type, sa.Text) == chosen.question_type),
        (chosen.domain, sa.cast(Sample.domain, sa.Text) == chosen.domain),
        (chosen.since, Annotation.submitted_at >= _midnight(chosen.since)),
        (day_after, Annotation.submitted_at < _midnight(day_after)),
        (chosen.agreement_from is not None, agreement >= (chosen.agreement_from or 0)),
        (chosen.agreement_to is not None, agreement <= (chosen.agreement_to or 0)),
    ]
    return [condition for asked, condition in wanted if asked]


def _midnight(day: dt.date | None) -> dt.datetime:
    return dt.datetime.combine(day or dt.date.min, dt.time(), dt.UTC)


def order(session: Session, seat: Seat, chosen: Chosen, reason: str, expected: int) -> Reannotation:
    """Set the annotations aside and cut a task in place of each. expected: how many the person was told.

    Raises CommentMissing, BadReview, SetChanged.
    """
    reason = _readable(reason)
    lock = _matching(seat, chosen).order_by(Annotation.id).with_for_update(of=Annotation)
    rows = session.execute(lock).all()
    if len(rows) != expected:
        raise SetChanged(
            _("The set has %(n)s annotations by now, not %(expected)s.", n=f"{len(rows):,}", expected=f"{expected:,}"),
            "expected",
            _("Look at it again."),
        )
    if not rows:
        raise BadReview(_("No annotation fits these filters."), "filters")
    row = Reannotation(project_id=seat.project.id, author_id=seat.user.id, reason=reason, filters=chosen.given)
    session.add(row)
    session.flush()
    _set_aside(session, seat, row, rows)
    replacing.replace_all(session, [each.task_id for each in rows])
    _measure(session, seat, [each.sample_id for each in rows])
    audit(
        session, seat.user, "annotations.reannotation", f"reannotation {row.id}", seat.project.id,
        annotations=len(rows), reason=reason[:200], filters=row.filters,
    )  # fmt: skip
    return row


def _readable(reason: str) -> str:
    if not reason.strip():
        raise CommentMissing(_("Say why these annotations are made again."), "reason")
    if len(reason) > LONGEST_REASON or "\0" in reason:
        raise BadReview(_("A reason has at most %(n)s characters, and no NUL.", n=f"{LONGEST_REASON:,}"), "reason")
    return reason.strip()


def _set_aside(session: Session, seat: Seat, order: Reannotation, rows: Sequence[sa.Row[*tuple[Any, ...]]]) -> None:
    """A verdict stays with the revision that it judged: the order goes to a further revision of the same content."""
    judged = [each.revision_id for each in rows if each.review_id is not None]
    copies = sa.select(Revision.annotation_id, Revision.number + 1, sa.literal(seat.user.id), Revision.content)
    copy = insert(Revision).from_select(
        ["annotation_id", "number", "author_id", "content"], copies.where(Revision.id.in_(judged))
    )
    session.execute(copy)
    bare = [each.revision_id for each in rows if each.review_id is None]
    before = aliased(Revision)
    carrying = (
        sa.select(Revision.id, sa.func.coalesce(before.id, Revision.id))
        .outerjoin(
            before,
            sa.and_(
                before.annotation_id == Revision.annotation_id,
                before.number == Revision.number - 1,
                before.id.in_(judged),
            ),
        )
        .where(sa.or_(Revision.id.in_(bare), before.id.is_not(None)))
        .add_columns(sa.literal(seat.user.id), sa.literal("reannotate"), sa.literal(order.reason), NOTHING, NOTHING)
    )
    names = ["revision_id", "reviewed_revision_id", "reviewer_id", "verdict", "comment", "remarks", "verified"]
    session.execute(insert(Review).from_select(names, carrying))
    session.execute(
        insert(Reannotated),
        [
            {"reannotation_id": order.id, "annotation_id": e.annotation_id, "added_revision": e.review_id is not None}
            for e in rows
        ],
    )
    ids = [each.annotation_id for each in rows]
    session.execute(sa.delete(Waiting).where(Waiting.annotation_id.in_(ids)))
    session.expire_all()


def _measure(session: Session, seat: Seat, sample_ids: list[int]) -> None:
    known = sa.select(Disagreement.sample_id).where(Disagreement.sample_id.in_(sample_ids))
    measure(session, seat.project.id, session.scalars(known).all())


def undo(session: Session, seat: Seat, reannotation_id: int) -> Reannotation:
    """Everything is as it was before the order. Raises NotFound, SetChanged, Begun."""
    row = session.scalar(
        sa.select(Reannotation)
        .where(Reannotation.id == reannotation_id, Reannotation.project_id == seat.project.id)
        .with_for_update()
    )
    if row is None:
        raise NotFound(where="reannotation")
    if row.undone_at:
        raise SetChanged(_("This order has been undone already."), "reannotation")
    items = session.execute(
        sa.select(Annotation.id, Annotation.task_id, Annotation.sample_id, Reannotated.added_revision)
        .join(Reannotated, Reannotated.annotation_id == Annotation.id)
        .where(Reannotated.reannotation_id == row.id)
        .order_by(Annotation.id)
        .with_for_update(of=Annotation)
    ).all()
    tasks = [each.task_id for each in items]
    if many := replacing.begun(session, tasks):
        raise Begun(
            _("%(many)s of the %(all)s have been begun: the order can no longer be undone.", many=many, all=len(items)),
            "reannotation",
        )
    replacing.take_back(session, tasks)
    _take_back(session, items)
    row.undone_at, row.undone_by_id = now(), seat.user.id
    session.flush()
    session.expire_all()
    samples = sorted({each.sample_id for each in items})
    _measure(session, seat, samples)
    settle(session, seat.project, samples)
    audit(session, seat.user, "annotations.reannotation_undone", f"reannotation {row.id}", seat.project.id)
    return row


def _take_back(session: Session, items: Sequence[sa.Row[*tuple[Any, ...]]]) -> None:
    ids = [each.id for each in items]
    orders = sa.select(Review.revision_id).join(Revision, Revision.id == Review.revision_id)
    orders = orders.where(Revision.annotation_id.in_(ids), Review.verdict == "reannotate")
    carrying = session.scalars(orders).all()
    session.execute(sa.delete(Review).where(Review.revision_id.in_(carrying)))
    added = [each.id for each in items if each.added_revision]
    session.execute(sa.delete(Revision).where(Revision.id.in_(carrying), Revision.annotation_id.in_(added)))


class Ordered(NamedTuple):
    """An order with how far it is."""

    row: Reannotation
    many: int
    begun: int
    done: int


def orders(session: Session, seat: Seat, limit: int = 50) -> list[Ordered]:
    """The project's orders, newest first."""
    stand_in = aliased(Task)
    query = (
        sa.select(
            Reannotation,
            sa.func.count(),
            sa.func.count().filter(replacing.touched(stand_in)),
            sa.func.count().filter(stand_in.done_at.is_not(None)),
        )
        .join(Reannotated, Reannotated.reannotation_id == Reannotation.id)
        .join(Annotation, Annotation.id == Reannotated.annotation_id)
        .outerjoin(stand_in, stand_in.replaces_id == Annotation.task_id)
        .where(Reannotation.project_id == seat.project.id)
        .group_by(Reannotation.id)
        .order_by(Reannotation.id.desc())
        .limit(limit)
        .options(joinedload(Reannotation.author), joinedload(Reannotation.undone_by))
    )
    return [Ordered(*row) for row in session.execute(query)]
