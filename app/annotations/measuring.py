"""Keeping each sample's disagreement up to date, in the transaction that changes what counts of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from app.annotations import disagreement
from app.annotations.schemas import DraftContent
from app.annotations.tables import COUNTS_NO_MORE, Annotation, Disagreement, Review, Revision
from app.core.db import Session
from app.tasks.tables import Task

AT_ONCE = 500


def measure(session: Session, project_id: int, sample_ids: Iterable[int]) -> None:
    """Measure how far the people who judged these samples are apart.

    The rows are locked before the judgements are read: of two people who submit at once, the second sees the first.
    """
    ids = sorted(set(sample_ids))
    for begin in range(0, len(ids), AT_ONCE):
        _measure(session, project_id, ids[begin : begin + AT_ONCE])


def _measure(session: Session, project_id: int, ids: list[int]) -> None:
    rows = [{"sample_id": each, "project_id": project_id, "people": 0} for each in ids]
    session.execute(insert(Disagreement).on_conflict_do_nothing(), rows)
    lock = sa.select(Disagreement.sample_id).where(Disagreement.sample_id.in_(ids)).order_by(Disagreement.sample_id)
    session.execute(lock.with_for_update())
    judged = contents(session, ids)
    session.execute(
        sa.update(Disagreement),
        [{"sample_id": i, "people": len(judged[i]), "value": disagreement.overall(judged[i])} for i in ids],
    )


def contents(session: Session, sample_ids: list[int]) -> dict[int, list[DraftContent]]:
    """What counts of each sample now: the latest revisions, without those set aside and those that could not judge."""
    newer = aliased(Revision)
    later = sa.exists().where(newer.annotation_id == Revision.annotation_id, newer.number > Revision.number)
    rows = session.execute(
        sa.select(Annotation.sample_id, Revision.content)
        .join(Revision, Revision.annotation_id == Annotation.id)
        .outerjoin(Review, Review.revision_id == Revision.id)
        .where(
            Annotation.sample_id.in_(sample_ids),
            ~later,
            sa.func.coalesce(Review.verdict, "").not_in(COUNTS_NO_MORE),
        )
        .order_by(Annotation.id)
    )
    found: dict[int, list[DraftContent]] = defaultdict(list)
    for sample_id, content in rows:
        if not content.get("cannot_judge"):
            found[sample_id].append(DraftContent.model_construct(**content))
    return found


def may_be_compared(session: Session, sample_id: int) -> bool:
    """Whether the sample has a second task: where it has none, nobody else's judgement can come.

    Tasks that test people do not count: everybody meets them, and they are compared with what is known to be right.
    """
    return len(session.scalars(_tasks(), {"sample": sample_id}).all()) > 1


@cache
def _tasks() -> sa.Select[int]:
    return sa.select(Task.id).where(Task.sample_id == sa.bindparam("sample"), Task.gold_id.is_(None)).limit(2)
