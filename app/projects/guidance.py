"""What annotators go by, its versions, and what changed since somebody last looked."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.accounts.tables import User
from app.core.db import Session, now
from app.core.differences import word_diff
from app.core.language import N_
from app.projects.guard import Seat
from app.projects.rubric import Rubric
from app.projects.tables import EarlierGuidance, GuidanceReading, Project


class Change(NamedTuple):
    """A place of the guidance in words, and how its text changed: parts as `word_diff` gives them."""

    place: str
    parts: list[tuple[str, str]]


class Guidance(NamedTuple):
    """The version that holds now, and what is new in it to this reader."""

    number: int
    changes: list[Change]


def replace(session: Session, author: User, project: Project, guidelines: str, rubric: Rubric) -> None:
    """New guidelines or a new rubric; what held until now is kept as an earlier version."""
    if guidelines == project.guidelines and rubric == Rubric.model_validate(project.rubric):
        return
    if project.guidelines or rubric != Rubric.model_validate(project.rubric):
        session.add(
            EarlierGuidance(
                project_id=project.id,
                number=version(session, project),
                guidelines=project.guidelines,
                rubric=project.rubric,
                replaced_by_id=author.id,
            )
        )
    project.guidelines, project.rubric = guidelines, rubric.model_dump()
    session.flush()


def version(session: Session, project: Project) -> int:
    """The number of the version that holds now: 1, until it is first changed."""
    newest = sa.select(sa.func.max(EarlierGuidance.number)).where(EarlierGuidance.project_id == project.id)
    return (session.scalar(newest) or 0) + 1


def news(session: Session, seat: Seat) -> Guidance:
    """What this reader has not seen yet; someone who comes for the first time starts from what holds now."""
    number = version(session, seat.project)
    seen = session.scalar(
        sa.select(GuidanceReading.number).where(
            GuidanceReading.project_id == seat.project.id, GuidanceReading.user_id == seat.user.id
        )
    )
    if seen is None:
        note_reading(session, seat, number)
    return Guidance(number, since(session, seat.project, seen) if seen and seen < number else [])


def note_reading(session: Session, seat: Seat, number: int) -> None:
    """The reader has seen this version (or the newest one, where there is none of that number)."""
    number = min(max(number, 1), version(session, seat.project))
    statement = insert(GuidanceReading).values(
        project_id=seat.project.id, user_id=seat.user.id, number=number, read_at=now()
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["project_id", "user_id"], set_={"number": number, "read_at": statement.excluded.read_at}
        )
    )


def earlier(session: Session, project: Project) -> list[EarlierGuidance]:
    """Every version that was replaced, newest first."""
    query = sa.select(EarlierGuidance).where(EarlierGuidance.project_id == project.id)
    return list(session.scalars(query.order_by(EarlierGuidance.number.desc())))


def since(session: Session, project: Project, number: int) -> list[Change]:
    """What was changed after an earlier version, place by place; nothing where there is none of that number."""
    old = session.scalar(
        sa.select(EarlierGuidance).where(EarlierGuidance.project_id == project.id, EarlierGuidance.number == number)
    )
    if old is None:
        return []
    before = _texts(old.guidelines, Rubric.model_validate(old.rubric))
    after = _texts(project.guidelines, Rubric.model_validate(project.rubric))
    places = [*before, *[place for place in after if place not in before]]
    return [
        Change(place, word_diff(before.get(place, ""), after.get(place, "")))
        for place in places
        if before.get(place, "") != after.get(place, "")
    ]


def _texts(guidelines: str, rubric: Rubric) -> dict[str, str]:
    """Place in words → text."""
    texts = {N_("Guidelines"): guidelines}
    for criterion in rubric.criteria:
        texts[criterion.name] = criterion.guidance
        texts[f"{criterion.name}: levels"] = " · ".join(criterion.levels)
        texts[f"{criterion.name}: anchors"] = " · ".join(filter(None, criterion.anchors))
        texts[f"{criterion.name}: examples"] = criterion.examples
    return {place: text for place, text in texts.items() if text}
