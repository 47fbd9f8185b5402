"""Having a set of annotations made again by others: counted first, ordered with a reason, undone while nobody began."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased, joinedload

from app.accounts.actions import audit
from app.annotations.choosing import Chosen, matching
from app.annotations.measuring import measure
from app.annotations.refusals import BadReview, Begun, CommentMissing, SetChanged
from app.annotations.sampling import settle
from app.annotations.selecting import NOTHING
from app.annotations.tables import (
    Adjudication,
    Annotation,
    Disagreement,
    Reannotated,
    Reannotation,
    Review,
    Revision,
    Waiting,
)
from app.core.db import Session, among, now
from app.core.errors import NotFound
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.tasks import replacing
from app.tasks.tables import Task

LONGEST_REASON = 2000


def order(session: Session, seat: Seat, chosen: Chosen, reason: str, expected: int) -> Reannotation:
    """Set the annotations aside and cut a task in place of each. expected: how many the person was told.

    Raises CommentMissing, BadReview, SetChanged.
    """
    reason = _readable(reason)
    lock = matching(seat, chosen).order_by(Annotation.id).with_for_update(of=Annotation)
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
    overtaken = _decisions([each.sample_id for each in rows]).values(set_aside_by_id=row.id)
    session.execute(overtaken.execution_options(synchronize_session=False))
    _measure(session, seat, [each.sample_id for each in rows])
    audit(
        session, seat.user, "annotations.reannotation", f"reannotation {row.id}", seat.project.id,
        annotations=len(rows), reason=reason[:200], filters=row.filters,
    )  # fmt: skip
    return row


def _decisions(sample_ids: Sequence[int]) -> sa.Update:
    """Decisions over these samples that hold, to be changed: they were made over what is set aside now."""
    held = sa.update(Adjudication).where(Adjudication.set_aside_by_id.is_(None))
    return held.where(among(Adjudication.sample_id, sample_ids))


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
        ["annotation_id", "number", "author_id", "content"], copies.where(among(Revision.id, judged))
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
                among(before.id, judged),
            ),
        )
        .where(sa.or_(among(Revision.id, bare), before.id.is_not(None)))
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
    session.execute(sa.delete(Waiting).where(among(Waiting.annotation_id, ids)))
    session.expire_all()


def _measure(session: Session, seat: Seat, sample_ids: list[int]) -> None:
    known = sa.select(Disagreement.sample_id).where(among(Disagreement.sample_id, sample_ids))
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
    back = sa.update(Adjudication).where(Adjudication.set_aside_by_id == row.id).values(set_aside_by_id=None)
    session.execute(back.execution_options(synchronize_session=False))
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
    orders = orders.where(among(Revision.annotation_id, ids), Review.verdict == "reannotate")
    carrying = session.scalars(orders).all()
    session.execute(sa.delete(Review).where(among(Review.revision_id, carrying)))
    added = [each.id for each in items if each.added_revision]
    session.execute(sa.delete(Revision).where(among(Revision.id, carrying), among(Revision.annotation_id, added)))


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
