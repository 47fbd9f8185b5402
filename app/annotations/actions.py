"""Annotations' verbs: keep a draft, submit, revise; a reviewer's verdicts stand in `reviewing`."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.accounts.actions import audit
from app.accounts.tables import User
from app.annotations import queries, sampling
from app.annotations.refusals import AlreadyReviewed, BadReview, KeyReused, StaleDraft
from app.annotations.reviewing import accept, correct, reject, return_
from app.annotations.schemas import DraftContent, read_content, read_draft
from app.annotations.tables import Annotation, Draft
from app.core.db import Session, now
from app.core.errors import NotFound
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.tasks import actions as tasks
from app.tasks import ahead, gold
from app.tasks import queries as task_queries
from app.tasks.refusals import AlreadyJudged, TaskTaken
from app.tasks.tables import Task

__all__ = ["accept", "correct", "reject", "return_", "save_draft", "submit"]
LONGEST_ACTIVE = 8 * 3600.0


def save_draft(
    session: Session,
    seat: Seat,
    task_id: int,
    content: object,
    version: int | None = None,
    active_seconds: float = 0.0,
    revision: int | None = None,
) -> Draft:
    """Keep what is filled in so far, and the hold on the task where nobody else has taken it.

    version: the draft's version that the content builds on (0: none yet); None overwrites whatever is there.
    revision: for second thoughts on a submitted annotation, the revision that they build on.
    Raises NotFound, BadAnnotation, StaleDraft, AlreadyJudged, AlreadyReviewed.
    """
    task = task_queries.task_to_judge(session, seat, task_id)
    draft = read_draft(content, task.sample, seat.rubric)
    if revision is None:
        _refuse_if_never_held(session, seat, task)
    else:
        refuse_if_changed(queries.own_of_task(session, seat.user, task_id), revision)
    row = lock_draft(session, seat.user, task_id)
    if version is not None and row.version != version:
        raise StaleDraft(row)
    _put(session, row, draft, active_seconds)
    if revision is None:
        ahead.renew(session, seat, task)
    return row


def keep(session: Session, seat: Seat, task_id: int, content: object, active_seconds: float) -> None:
    """Refused work as the sender's draft of the task, also where they never held it; whatever is there is replaced.

    Raises NotFound, BadAnnotation, AlreadyJudged.
    """
    task = task_queries.task(session, seat, task_id)
    if task.done_at and task.done_by_id == seat.user.id:
        raise AlreadyJudged(_("You have submitted your annotation of this sample."), f"task {task.id}")
    draft = read_draft(content, task.sample, seat.rubric)
    row = lock_draft(session, seat.user, task_id)
    _put(session, row, draft, active_seconds)
    if task_queries.latest_lease(session, seat.user, task.sample_id):
        ahead.renew(session, seat, task)


def _put(session: Session, row: Draft, draft: DraftContent, active_seconds: float) -> None:
    row.content, row.version, row.updated_at = draft.model_dump(), row.version + 1, now()
    row.active_seconds = max(row.active_seconds, plausible(active_seconds))
    session.flush()


def refuse_if_changed(annotation: Annotation | None, revision: int) -> Annotation:
    """One's own annotation, if it is as one saw it and nobody has judged it. Raises NotFound, AlreadyReviewed."""
    if annotation is None:
        raise NotFound(where="annotation")
    if (review := annotation.latest.review) and review.reviewer:
        raise AlreadyReviewed(
            _(
                "%(name)s has judged this annotation meanwhile: it is %(state)s.",
                name=review.reviewer.name,
                state=annotation.state,
            ),
            "annotation",
        )
    if annotation.latest.number != revision:
        raise AlreadyReviewed(_("The annotation was changed while you looked at it."), "revision", _("Open it again."))
    return annotation


def _refuse_if_never_held(session: Session, seat: Seat, task: Task) -> None:
    if task.done_at and task.done_by_id == seat.user.id:
        raise AlreadyJudged(_("You have submitted your annotation of this sample."), f"task {task.id}")
    if task_queries.latest_lease(session, seat.user, task.sample_id) is None:
        raise TaskTaken(
            _("You do not hold this task."), f"task {task.id}", _("Open your next task from the project's page.")
        )


def lock_draft(session: Session, user: User, task_id: int) -> Draft:
    """The person's draft of the task, made where there is none, locked."""
    session.execute(
        insert(Draft)
        .values(task_id=task_id, user_id=user.id, content={}, version=0, active_seconds=0.0)
        .on_conflict_do_nothing()
    )
    query = sa.select(Draft).where(Draft.task_id == task_id, Draft.user_id == user.id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def plausible(seconds: float) -> float:
    """Seconds of one sitting: not negative, not NaN, at most LONGEST_ACTIVE."""
    return min(max(seconds, 0.0), LONGEST_ACTIVE) if seconds == seconds else 0.0  # a NaN differs from itself


def submit(
    session: Session, seat: Seat, task_id: int, content: object, key: str, active_seconds: float = 0.0
) -> Annotation:
    """Turn finished work into an annotation, or into a new revision of one that a reviewer returned.

    key: chosen by the sender; the same submission sent again answers with the annotation that it made.
    Raises NotFound, BadAnnotation, KeyReused, AlreadyJudged, TaskDone, TaskTaken.
    """
    task = task_queries.task_to_judge(session, seat, task_id)
    if not 1 <= len(key) <= 200 or "\0" in key:
        raise BadReview(_("An idempotency key has 1 to 200 characters."), "key")
    tasks.one_at_a_time(session, seat)
    if known := queries.by_key(session, seat.user, key):
        if known.sample_id != task.sample_id:
            raise KeyReused(_("This key belongs to another submission."), "key")
        return known
    finished = read_content(content, task.sample, seat.rubric)
    lease = tasks.hold_for_submission(session, seat, task_id)
    # Whoever has judged the sample before holds the same task again: it was sent back to them.
    known = queries.own_of_sample(session, seat.user, task.sample_id) if lease.task.done_by_id else None
    annotation = known or Annotation(
        project_id=seat.project.id,
        task_id=lease.task_id,
        sample_id=task.sample_id,
        user_id=seat.user.id,
        order=lease.order,
    )
    annotation.idempotency_key = key
    annotation.active_seconds = plausible(active_seconds)
    session.add(annotation)
    annotation.revise(seat.user, finished.model_dump())
    tasks.finish(session, lease)
    session.flush()
    gold.record(session, seat, seat.user, lease.task, finished.model_dump())
    sampling.arrive(session, seat.project, annotation)
    session.execute(sa.delete(Draft).where(Draft.user_id == seat.user.id, Draft.task_id.in_({task_id, lease.task_id})))
    verb = "annotation.revised" if known else "annotation.submitted"
    audit(session, seat.user, verb, f"annotation {annotation.id}", seat.project.id, task=lease.task_id)
    return annotation
