"""Judgements that an import brings: annotations of people elsewhere, kept as they are under one name.

They belong to a person who cannot sign in and stands for all of them, are accepted with the remark that they came with
the data, and hold what was published: what was not said (a score, a reason) is not made up.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.accounts.tables import User
from app.annotations.measuring import measure
from app.annotations.tables import Annotation, Review
from app.core.db import Session, insert_of, now
from app.projects.tables import Project
from app.samples.importing import Judged
from app.samples.schemas import Judgement
from app.samples.tables import Import, Margin, Response
from app.tasks.cutting import plain_lane
from app.tasks.tables import Task

REMARK = "Came with the imported data."


def keep(session: Session, row: Import, judged: Judged) -> None:
    """An accepted annotation for each judged sample of one import's batch."""
    if not judged:
        return
    person = stand_in(session, row.project)
    lane = plain_lane(session, row.project_id)
    replies = _replies(session, [sample_id for sample_id, _judgement in judged])
    for sample_id, judgement in judged:
        _annotate(session, row, person, lane, sample_id, replies[sample_id], judgement)
    _keep_margins(session, judged, replies)
    measure(session, row.project_id, list(replies))


def stand_in(session: Session, project: Project) -> User:
    """The person under whose name a project's imported annotations stand; they have no password and cannot sign in."""
    email = f"imported@project-{project.id}.invalid"
    known = session.scalar(sa.select(User).filter_by(email=email))
    if known is not None:
        return known
    person = User(email=email, name="Imported annotations", password_hash="", is_admin=False, deactivated_at=now())
    session.add(person)
    session.flush()
    return person


def _replies(session: Session, sample_ids: list[int]) -> dict[int, list[str]]:
    """Each sample's response ids in their order."""
    query = sa.select(Response.sample_id, Response.id).where(Response.sample_id.in_(sample_ids))
    found: dict[int, list[str]] = {}
    for sample_id, response_id in session.execute(query.order_by(Response.sample_id, Response.position)):
        found.setdefault(sample_id, []).append(str(response_id))
    return found


def _annotate(
    session: Session, row: Import, person: User, lane: int, sample_id: int, replies: list[str], judgement: Judgement
) -> None:
    task = Task(
        project_id=row.project_id, sample_id=sample_id, slot=0, lane_id=lane, done_at=now(), done_by_id=person.id
    )
    session.add(task)
    session.flush()
    annotation = Annotation(
        project_id=row.project_id,
        task_id=task.id,
        sample_id=sample_id,
        user_id=person.id,
        order=[int(reply) for reply in replies],
        idempotency_key=f"import-{row.id}-{sample_id}",
        active_seconds=0.0,
    )
    revision = annotation.revise(person, content_of(replies, judgement))
    session.add(annotation)
    session.flush()
    session.add(
        Review(
            revision_id=revision.id,
            reviewed_revision_id=revision.id,
            reviewer_id=row.author_id,
            verdict="accept",
            comment=REMARK,
        )
    )
    session.flush()


def _keep_margins(session: Session, judged: Judged, replies: dict[int, list[str]]) -> None:
    """The responses' and no person's: what a reward model gave them is no part of anybody's annotation."""
    rows = [
        {"chosen_id": int(of[better]), "rejected_id": int(of[worse]), "sample_id": sample_id, "value": margin}
        for sample_id, judgement in judged
        for of in [replies[sample_id]]
        for better, worse, margin in judgement.margins
    ]
    if rows:
        session.execute(insert_of(Margin, rows).on_conflict_do_nothing())


def content_of(replies: list[str], judgement: Judgement) -> dict[str, object]:
    """The judgement as an annotation's content, its lists turned into entries by response."""
    ranks = sorted(set(judgement.ranks))
    ranked = list(zip(replies, judgement.ranks, strict=True))
    ranking = [[reply for reply, own in ranked if own == rank] for rank in ranks]
    return {
        "scores": {reply: marks for reply, marks in zip(replies, judgement.scores, strict=False) if marks},
        "reasons": {reply: reason for reply, reason in zip(replies, judgement.reasons, strict=False) if reason},
        "ranking": ranking,
        "tie": len(ranking) == 1 and len(replies) > 1,
        "rank_reason": judgement.rank_reason,
        "positive": None,
        "negative": None,
        "cannot_judge": None,
        "spans": [],
    }
