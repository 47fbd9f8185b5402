"""Second thoughts of an annotator: take the last submission back for a minute, change it while nobody has judged it."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.accounts.actions import audit
from app.annotations import actions, measuring, queries, sampling
from app.annotations.refusals import KeyReused, TooLate
from app.annotations.schemas import read_content
from app.annotations.tables import Annotation, Draft, Revision
from app.core.db import Session, now
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.tasks import actions as tasks
from app.tasks import gold
from app.tasks.tables import Lease

GRACE = dt.timedelta(seconds=75)
"""A minute on the annotator's screen, and the way there and back."""


def withdraw(session: Session, seat: Seat, annotation_id: int) -> Lease:
    """Undo a submission: its content is the draft again, its task is in hand again, its revision is gone.

    Raises NotFound, TooLate, AlreadyReviewed.
    """
    annotation = _own(session, seat, annotation_id)
    actions.refuse_if_changed(annotation, annotation.latest.number)
    last = annotation.latest
    if now() - last.created_at > GRACE or last.author_id != seat.user.id:
        raise TooLate(
            _("A submission can be taken back for one minute."),
            "annotation",
            _("Change it under “My annotations” instead."),
        )
    task = annotation.task
    draft = actions.lock_draft(session, seat.user, task.id)
    draft.content, draft.version, draft.active_seconds = last.content, draft.version + 1, annotation.active_seconds
    audit(session, seat.user, "annotation.withdrawn", f"annotation {annotation.id}", seat.project.id, task=task.id)
    sampling.leave(session, annotation)
    gold.forget(session, task)
    session.execute(sa.delete(Revision).where(Revision.id == last.id))
    task.done_at = None
    if last.number == 1:
        session.execute(sa.delete(Annotation).where(Annotation.id == annotation.id))
        task.done_by_id = None
    else:
        session.expire(annotation)
    session.flush()
    if measuring.may_be_compared(session, task.sample_id):
        measuring.measure(session, seat.project.id, [task.sample_id])
    lease = tasks.hold(session, seat, task)
    if lease is None:
        raise TooLate(_("The sample is in your hands by another task."), "annotation", _("Open your next task."))
    return lease


def to_change(session: Session, seat: Seat, annotation_id: int) -> Annotation:
    """One's own annotation, as long as nobody has judged it. Raises NotFound, AlreadyReviewed."""
    annotation = queries.own(session, seat, annotation_id)
    return actions.refuse_if_changed(annotation, annotation.latest.number)


def revise(
    session: Session, seat: Seat, annotation_id: int, content: object, revision: int, key: str, active_seconds: float
) -> Annotation:
    """Replace an annotation that nobody has judged by a new revision; sent again with the same key, the same answer.

    Raises NotFound, BadAnnotation, KeyReused, AlreadyReviewed.
    """
    annotation = _own(session, seat, annotation_id)
    if known := queries.by_key(session, seat.user, key):
        if known.id != annotation.id:
            raise KeyReused(_("This key belongs to another submission."), "key")
        return known
    actions.refuse_if_changed(annotation, revision)
    finished = read_content(content, annotation.sample, seat.rubric)
    annotation.revise(seat.user, finished.model_dump())
    annotation.idempotency_key = key
    annotation.active_seconds = actions.plausible(active_seconds)
    session.flush()
    gold.record(session, seat, seat.user, annotation.task, finished.model_dump())
    sampling.arrive(session, seat.project, annotation)
    session.execute(sa.delete(Draft).where(Draft.user_id == seat.user.id, Draft.task_id == annotation.task_id))
    audit(session, seat.user, "annotation.revised", f"annotation {annotation.id}", seat.project.id)
    return annotation


def _own(session: Session, seat: Seat, annotation_id: int) -> Annotation:
    """Locked, so that a reviewer's verdict comes before or after, not between. Raises NotFound."""
    tasks.one_at_a_time(session, seat)
    session.execute(sa.select(Annotation.id).where(Annotation.id == annotation_id).with_for_update())
    return queries.own(session, seat, annotation_id)
