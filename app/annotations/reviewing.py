"""A reviewer's four verdicts: accept, correct, return, reject; each once, and none on one's own work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from app.accounts.actions import audit
from app.annotations import queries, rules
from app.annotations.desk import replies
from app.annotations.measuring import measure
from app.annotations.places import checked_remarks
from app.annotations.refusals import AlreadyReviewed, BadReview, CommentMissing, NotYours
from app.annotations.schemas import Content, read_content
from app.annotations.tables import Annotation, Review, Revision, Waiting
from app.core.db import Session
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.tasks import actions as tasks

LONGEST_COMMENT = 10_000


@dataclass(frozen=True)
class Said:
    """What comes with any verdict. remarks: (place, comment) pairs; revision: the one that the reviewer looked at."""

    comment: str = ""
    verified: Sequence[str] = ()
    remarks: Sequence[tuple[str, str]] = ()
    revision: int | None = field(default=None)


def accept(
    session: Session,
    seat: Seat,
    annotation_id: int,
    comment: str = "",
    verified: Sequence[str] | None = None,
    revision: int | None = None,
    remarks: Sequence[tuple[str, str]] = (),
) -> Review:
    """The annotation is right as it stands. Raises NotFound, NotYours, AlreadyReviewed, BadReview."""
    said = Said(comment, verified or (), remarks, revision)
    annotation = _lock_for_review(session, seat, annotation_id, said)
    return _judge(session, seat, annotation, annotation.latest, "accept", said)


def correct(
    session: Session,
    seat: Seat,
    annotation_id: int,
    content: object,
    comment: str = "",
    verified: Sequence[str] | None = None,
    revision: int | None = None,
    remarks: Sequence[tuple[str, str]] = (),
) -> Review:
    """The reviewer's version becomes a new revision beside the old. Raises as `accept`, and BadAnnotation."""
    said = Said(comment, verified or (), remarks, revision)
    annotation = _lock_for_review(session, seat, annotation_id, said)
    corrected = read_content(content, annotation.sample, seat.rubric)
    if corrected.model_dump() == Content.model_validate(annotation.latest.content).model_dump():
        raise BadReview(_("Nothing was changed: accept the annotation, or correct something."), "content")
    annotation.revise(seat.user, corrected.model_dump())
    session.flush()
    review = _judge(session, seat, annotation, annotation.latest, "correct", said)
    measure(session, seat.project.id, [annotation.sample_id])
    return review


def return_(
    session: Session,
    seat: Seat,
    annotation_id: int,
    comment: str = "",
    verified: Sequence[str] | None = None,
    revision: int | None = None,
    remarks: Sequence[tuple[str, str]] = (),
) -> Review:
    """Back to its annotator, who finds it first in their queue. Raises as `accept`, and CommentMissing.

    Says what to change as a whole, at a place, or both.
    """
    said = Said(comment, verified or (), remarks, revision)
    annotation = _lock_for_review(session, seat, annotation_id, said)
    if not any(text.strip() for text in (comment, *(text for _, text in remarks))):
        raise CommentMissing(_("Say what the annotator should change, here or beside the place."), "comment")
    review = _judge(session, seat, annotation, annotation.latest, "return", said)
    tasks.hand_back(session, annotation.task)
    return review


def reject(
    session: Session,
    seat: Seat,
    annotation_id: int,
    comment: str,
    verified: Sequence[str] | None = None,
    revision: int | None = None,
    remarks: Sequence[tuple[str, str]] = (),
) -> Review:
    """The annotation counts no more, and somebody else gets the sample. Raises as `accept`, and CommentMissing."""
    said = Said(comment, verified or (), remarks, revision)
    annotation = _lock_for_review(session, seat, annotation_id, said)
    if not comment.strip():
        raise CommentMissing(_("Say why the annotation is rejected."), "comment")
    review = _judge(session, seat, annotation, annotation.latest, "reject", said)
    tasks.cut_replacement(session, annotation.task)
    measure(session, seat.project.id, [annotation.sample_id])
    return review


def _lock_for_review(session: Session, seat: Seat, annotation_id: int, said: Said) -> Annotation:
    session.execute(sa.select(Annotation.id).where(Annotation.id == annotation_id).with_for_update())
    annotation = queries.annotation(session, seat, annotation_id)
    if (reason := rules.may_review(seat, annotation)) is not True:
        raise NotYours(reason, "annotation")
    verdict = annotation.latest.review
    if verdict is not None and not verdict.by_rule:
        raise AlreadyReviewed(
            _("This annotation is %(state)s already.", state=annotation.state),
            "annotation",
            _("Open the next one in the queue."),
        )
    if said.revision is not None and annotation.latest.number != said.revision:
        raise AlreadyReviewed(_("The annotation was changed while you looked at it."), "revision", _("Open it again."))
    if verdict is not None:
        _overrule(session, seat, annotation, verdict)
    return annotation


def _overrule(session: Session, seat: Seat, annotation: Annotation, verdict: Review) -> None:
    """A person's verdict takes the place of an acceptance by rule; the audit log keeps both."""
    annotation.latest.review = None
    session.delete(verdict)
    session.flush()
    audit(session, seat.user, "review.overruled", f"annotation {annotation.id}", seat.project.id)


def _judge(
    session: Session, seat: Seat, annotation: Annotation, revision: Revision, verdict: str, said: Said
) -> Review:
    if len(said.comment) > LONGEST_COMMENT or "\0" in said.comment:
        raise BadReview(
            _(
                "A comment has at most %(longest_comment)s characters, and no NUL.",
                longest_comment=f"{LONGEST_COMMENT:,}",
            ),
            "comment",
        )
    seen = annotation.revisions[-2] if verdict == "correct" else revision
    shown = replies(annotation.sample, annotation.order)
    review = Review(
        revision=revision,
        reviewed_revision_id=seen.id,
        reviewer_id=seat.user.id,
        verdict=verdict,
        comment=said.comment.strip(),
        remarks=checked_remarks(said.remarks, shown, seat.rubric),
        verified=_checked_keys(said.verified, revision),
    )
    session.add(review)
    session.execute(sa.delete(Waiting).where(Waiting.annotation_id == annotation.id))
    session.flush()
    audit(
        session,
        seat.user,
        f"review.{verdict}",
        f"annotation {annotation.id}",
        seat.project.id,
        revision=revision.number,
        remarks=len(review.remarks),
    )
    return review


def _checked_keys(verified: Sequence[str], revision: Revision) -> list[str]:
    marks = {f"{response}.{key}" for response, scores in revision.content["scores"].items() for key in scores}
    if foreign := sorted(set(verified) - marks):
        raise BadReview(_("“%(foreign)s” is no score of this annotation.", foreign=foreign[0][:40]), "verified")
    return sorted(set(verified))
