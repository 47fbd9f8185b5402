"""An admin's view of who may have which tasks, and the verbs that change it: record, pause, resume, admit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.accounts.actions import audit
from app.accounts.tables import User
from app.core.db import Session, now
from app.core.errors import NotFound
from app.core.language import N_
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.projects.tables import Membership
from app.tasks import cutting
from app.tasks.record_tables import Admission, Gold, GoldCheck, Pause, Standing
from app.tasks.refusals import AlreadyPaused, BadRule, ReasonMissing

MOST_WORDS = 50


class Person(NamedTuple):
    """An annotator as the queue knows them. met, made: gold of all kinds that they met, of what they did."""

    user: User
    standing: Standing | None
    pause: Pause | None
    admission: Admission | None
    met: int
    made: int


def people(session: Session, project_id: int) -> list[Person]:
    """Every annotator of the project, by name."""
    checks = (
        sa.select(
            GoldCheck.user_id,
            sa.func.count().filter(GoldCheck.passed).label("met"),
            sa.func.count().label("made"),
        )
        .join(Gold)
        .where(Gold.project_id == project_id)
        .group_by(GoldCheck.user_id)
        .subquery()
    )
    rows = session.execute(
        sa.select(User, Standing, Pause, Admission, checks.c.met, checks.c.made)
        .join(Membership, sa.and_(Membership.user_id == User.id, Membership.role == "annotator"))
        .outerjoin(Standing, sa.and_(Standing.user_id == User.id, Standing.project_id == project_id))
        .outerjoin(Pause, sa.and_(Pause.user_id == User.id, Pause.project_id == project_id, Pause.ended_at.is_(None)))
        .outerjoin(Admission, sa.and_(Admission.user_id == User.id, Admission.project_id == project_id))
        .outerjoin(checks, checks.c.user_id == User.id)
        .where(Membership.project_id == project_id)
        .order_by(User.name, User.id)
    )
    return [
        Person(user, standing, pause, admission, met or 0, made or 0)
        for user, standing, pause, admission, met, made in rows
    ]


def paused(session: Session, project_id: int) -> list[Pause]:
    """Pauses that nobody has ended: the notice to the admins."""
    query = sa.select(Pause).where(Pause.project_id == project_id, Pause.ended_at.is_(None)).order_by(Pause.id)
    return list(session.scalars(query))


def change_record(
    session: Session,
    seat: Seat,
    user_id: int,
    languages: str,
    skills: str,
    daily_quota: int | None,
    total_quota: int | None,
) -> None:
    """What the person reads and knows (words between commas), and quotas of their own. Raises NotFound, BadRule."""
    _member(session, seat, user_id)
    words = {"languages": _words(languages, "languages"), "skills": _words(skills, "skills")}
    for name, quota in (("daily_quota", daily_quota), ("total_quota", total_quota)):
        if quota is not None and not 1 <= quota <= 1_000_000:
            raise BadRule(_("A quota is 1 to 1,000,000 annotations, or empty."), name)
    new = {**words, "daily_quota": daily_quota, "total_quota": total_quota}
    put = insert(Standing).values(project_id=seat.project.id, user_id=user_id, **new)
    session.execute(put.on_conflict_do_update(index_elements=["project_id", "user_id"], set_=new))
    cutting.forget_places(session, seat.project, user_id)
    audit(session, seat.user, "queue.record", f"user {user_id}", seat.project.id, **new)


def _words(text: str, where: str) -> list[str]:
    words = sorted({word.strip().lower() if where == "languages" else word.strip() for word in text.split(",")} - {""})
    if len(words) > MOST_WORDS or any(len(word) > 100 or "\0" in word for word in words):
        raise BadRule(_("Give at most 50 words of at most 100 characters, with commas between them."), where)
    return words


def pause(session: Session, seat: Seat, user_id: int, reason: str) -> None:
    """The person gets no new task, and keeps what is in hand. Raises NotFound, ReasonMissing, AlreadyPaused."""
    _member(session, seat, user_id)
    if not reason.strip() or len(reason) > 2000 or "\0" in reason:
        raise ReasonMissing(_("Say why: the person reads it."), "reason")
    put = insert(Pause).values(
        project_id=seat.project.id, user_id=user_id, author_id=seat.user.id, reason=reason.strip()
    )
    if session.scalar(put.on_conflict_do_nothing().returning(Pause.id)) is None:
        raise AlreadyPaused(_("This person is paused already."), "user")
    audit(session, seat.user, "queue.paused", f"user {user_id}", seat.project.id, reason=reason[:200])


def resume(session: Session, seat: Seat, user_id: int, note: str = "") -> None:
    """End the pause; gold is counted anew from now. Raises NotFound, AlreadyPaused."""
    _member(session, seat, user_id)
    ended = session.scalar(
        sa.update(Pause)
        .where(Pause.project_id == seat.project.id, Pause.user_id == user_id, Pause.ended_at.is_(None))
        .values(ended_at=now(), ended_by_id=seat.user.id, note=note.replace("\0", "")[:2000])
        .returning(Pause.id)
    )
    if ended is None:
        raise AlreadyPaused(_("This person is not paused."), "user")
    audit(session, seat.user, "queue.resumed", f"user {user_id}", seat.project.id)


def admit(session: Session, seat: Seat, user_ids: Sequence[int]) -> None:
    """Let people into the queue without the qualification set; twice is harmless. Raises NotFound."""
    for user_id in user_ids:
        _member(session, seat, user_id)
        put = insert(Admission).values(
            project_id=seat.project.id, user_id=user_id, author_id=seat.user.id, reason=N_("let in by an admin")
        )
        if session.scalar(put.on_conflict_do_nothing().returning(Admission.id)):
            audit(session, seat.user, "queue.admitted", f"user {user_id}", seat.project.id)


def _member(session: Session, seat: Seat, user_id: int) -> None:
    held = sa.select(Membership.id).where(Membership.project_id == seat.project.id, Membership.user_id == user_id)
    if session.scalar(held.limit(1)) is None:
        raise NotFound(where="user")
