"""Annotations' verbs: keep a draft, submit, revise; a reviewer's four verdicts."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.accounts.actions import audit
from app.accounts.tables import User
from app.annotations import queries, rules
from app.annotations.refusals import AlreadyReviewed, BadReview, CommentMissing, KeyReused, NotYours, StaleDraft
from app.annotations.schemas import Content, read_content, read_draft
from app.annotations.tables import Annotation, Draft, Review, Revision
from app.core.db import Session, now
from app.core.errors import NotFound
from app.projects.guard import Seat
from app.tasks import actions as tasks
from app.tasks import ahead
from app.tasks import queries as task_queries
from app.tasks.refusals import AlreadyJudged, TaskTaken
from app.tasks.tables import Task

LONGEST_COMMENT = 10_000
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
    task = task_queries.task(session, seat, task_id)
    draft = read_draft(content, task.sample, seat.rubric)
    if revision is None:
        _refuse_if_never_held(session, seat, task)
    else:
        refuse_if_changed(queries.own_of_task(session, seat.user, task_id), revision)
    row = lock_draft(session, seat.user, task_id)
    if version is not None and row.version != version:
        raise StaleDraft(row)
    row.content, row.version, row.updated_at = draft.model_dump(), row.version + 1, now()
    row.active_seconds = max(row.active_seconds, plausible(active_seconds))
    session.flush()
    if revision is None:
        ahead.renew(session, seat, task)
    return row


def refuse_if_changed(annotation: Annotation | None, revision: int) -> Annotation:
    """One's own annotation, if it is as one saw it and nobody has judged it. Raises NotFound, AlreadyReviewed."""
    if annotation is None:
        raise NotFound(where="annotation")
    if annotation.latest.review is not None:
        reviewer = annotation.latest.review.reviewer
        raise AlreadyReviewed(
            f"{reviewer.name if reviewer else 'Assay'} has judged this annotation meanwhile: it is {annotation.state}.",
            "annotation",
        )
    if annotation.latest.number != revision:
        raise AlreadyReviewed("The annotation was changed while you looked at it.", "revision", "Open it again.")
    return annotation


def _refuse_if_never_held(session: Session, seat: Seat, task: Task) -> None:
    if task.done_at and task.done_by_id == seat.user.id:
        raise AlreadyJudged("You have submitted your annotation of this sample.", f"task {task.id}")
    if task_queries.latest_lease(session, seat.user, task.sample_id) is None:
        raise TaskTaken("You do not hold this task.", f"task {task.id}", "Open your next task from the project's page.")


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
    task = task_queries.task(session, seat, task_id)
    if not 1 <= len(key) <= 200 or "\0" in key:
        raise BadReview("An idempotency key has 1 to 200 characters.", "key")
    tasks.one_at_a_time(session, seat)
    if known := queries.by_key(session, seat.user, key):
        if known.sample_id != task.sample_id:
            raise KeyReused("This key belongs to another submission.", "key")
        return known
    finished = read_content(content, task.sample, seat.rubric)
    lease = tasks.hold_for_submission(session, seat, task_id)
    known = queries.own_of_sample(session, seat.user, task.sample_id)
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
    add_revision(session, annotation, seat.user, finished)
    tasks.finish(session, lease)
    session.execute(sa.delete(Draft).where(Draft.user_id == seat.user.id, Draft.task_id.in_({task_id, lease.task_id})))
    verb = "annotation.revised" if known else "annotation.submitted"
    audit(session, seat.user, verb, f"annotation {annotation.id}", seat.project.id, task=lease.task_id)
    return annotation


def add_revision(session: Session, annotation: Annotation, author: User, content: Content) -> Revision:
    """The next version of an annotation's content."""
    revision = Revision(author_id=author.id, number=len(annotation.revisions) + 1, content=content.model_dump())
    annotation.revisions.append(revision)
    session.flush()
    return revision


def accept(
    session: Session,
    seat: Seat,
    annotation_id: int,
    comment: str = "",
    verified: list[str] | None = None,
    revision: int | None = None,
) -> Review:
    """The annotation is right as it stands. Raises NotFound, NotYours, AlreadyReviewed, BadReview."""
    annotation = _lock_for_review(session, seat, annotation_id, revision)
    return _judge(session, seat, annotation, annotation.latest, "accept", comment, verified)


def correct(
    session: Session,
    seat: Seat,
    annotation_id: int,
    content: object,
    comment: str = "",
    verified: list[str] | None = None,
    revision: int | None = None,
) -> Review:
    """The reviewer's version becomes a new revision beside the old. Raises as `accept`, and BadAnnotation."""
    annotation = _lock_for_review(session, seat, annotation_id, revision)
    corrected = read_content(content, annotation.sample, seat.rubric)
    if corrected.model_dump() == Content.model_validate(annotation.latest.content).model_dump():
        raise BadReview("Nothing was changed: accept the annotation, or correct something.", "content")
    return _judge(
        session,
        seat,
        annotation,
        add_revision(session, annotation, seat.user, corrected),
        "correct",
        comment,
        verified,
    )


def return_(
    session: Session,
    seat: Seat,
    annotation_id: int,
    comment: str,
    verified: list[str] | None = None,
    revision: int | None = None,
) -> Review:
    """Back to its annotator, who finds it first in their queue. Raises as `accept`, and CommentMissing."""
    annotation = _lock_for_review(session, seat, annotation_id, revision)
    _need(comment, "Say what the annotator should change.")
    review = _judge(session, seat, annotation, annotation.latest, "return", comment, verified)
    tasks.hand_back(session, annotation.task)
    return review


def reject(
    session: Session,
    seat: Seat,
    annotation_id: int,
    comment: str,
    verified: list[str] | None = None,
    revision: int | None = None,
) -> Review:
    """The annotation counts no more, and somebody else gets the sample. Raises as `accept`, and CommentMissing."""
    annotation = _lock_for_review(session, seat, annotation_id, revision)
    _need(comment, "Say why the annotation is rejected.")
    review = _judge(session, seat, annotation, annotation.latest, "reject", comment, verified)
    tasks.cut_replacement(session, annotation.task)
    return review


def _lock_for_review(session: Session, seat: Seat, annotation_id: int, revision: int | None) -> Annotation:
    session.execute(sa.select(Annotation.id).where(Annotation.id == annotation_id).with_for_update())
    annotation = queries.annotation(session, seat, annotation_id)
    if (reason := rules.may_review(seat, annotation)) is not True:
        raise NotYours(reason, "annotation")
    if annotation.latest.review is not None:
        raise AlreadyReviewed(
            f"This annotation is {annotation.state} already.", "annotation", "Open the next one in the queue."
        )
    if revision is not None and annotation.latest.number != revision:
        raise AlreadyReviewed("The annotation was changed while you looked at it.", "revision", "Open it again.")
    return annotation


def _judge(
    session: Session,
    seat: Seat,
    annotation: Annotation,
    revision: Revision,
    verdict: str,
    comment: str,
    verified: list[str] | None,
) -> Review:
    _check_comment(comment)
    seen = annotation.revisions[-2] if verdict == "correct" else revision
    review = Review(
        revision=revision,
        reviewed_revision_id=seen.id,
        reviewer_id=seat.user.id,
        verdict=verdict,
        comment=comment.strip(),
        verified=_checked_keys(verified or [], revision),
    )
    session.add(review)
    session.flush()
    audit(
        session,
        seat.user,
        f"review.{verdict}",
        f"annotation {annotation.id}",
        seat.project.id,
        revision=revision.number,
    )
    return review


def _checked_keys(verified: list[str], revision: Revision) -> list[str]:
    marks = {f"{response}.{key}" for response, scores in revision.content["scores"].items() for key in scores}
    if foreign := sorted(set(verified) - marks):
        raise BadReview(f"“{foreign[0][:40]}” is no score of this annotation.", "verified")
    return sorted(set(verified))


def _need(comment: str, sentence: str) -> None:
    if not comment.strip():
        raise CommentMissing(sentence, "comment")


def _check_comment(comment: str) -> None:
    if len(comment) > LONGEST_COMMENT or "\0" in comment:
        raise BadReview(f"A comment has at most {LONGEST_COMMENT:,} characters, and no NUL.", "comment")
