"""What came of the playground's questions: each side's answer out of its pieces, and which policy was preferred."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.core.db import Session, among
from app.datasets.preferences import Answer as Response
from app.datasets.preferences import Preference
from app.projects.guard import Seat
from app.runs.playground_tables import Piece, Turn, Vote
from app.runs.tables import Checkpoint

SIDES = ("left", "right")


class Answer(NamedTuple):
    """What one side has said so far, and what the reward model says of it."""

    text: str = ""
    critique: str = ""
    score: float | None = None
    tokens: int | None = None
    cut: bool = False


def answers(pieces: Iterable[Piece]) -> dict[str, Answer]:
    """Each side's answer out of the pieces; what was written before a worker began again does not count."""
    found = {side: Answer() for side in SIDES}
    for piece in pieces:
        told = piece.payload
        side = str(told.get("side", ""))
        if piece.kind == "again":
            found = {side: Answer() for side in SIDES}
        elif side in found:
            found[side] = _with(found[side], piece.kind, told)
    return found


def _with(answer: Answer, kind: str, told: dict[str, Any]) -> Answer:
    match kind:
        case "answer":
            return answer._replace(text=answer.text + str(told["text"]))
        case "answered":
            return answer._replace(tokens=told["tokens"], cut=bool(told["cut"]))
        case "critique":
            return answer._replace(critique=answer.critique + str(told["text"]))
        case "judged":
            return answer._replace(score=told["score"])
    return answer


def preferred(found: dict[str, Answer]) -> str:
    """The side that the reward model gives the higher score, "tie" for equal ones; empty unless both have one."""
    left, right = (found[side].score for side in SIDES)
    if left is None or right is None:
        return ""
    return "tie" if left == right else "left" if left > right else "right"


def preferences(session: Session, project_id: int) -> list[Preference]:
    """The project's votes as preferences: of turns with a picture, whose answers say something, and not the same."""
    query = sa.select(Turn).join(Turn.vote).where(Turn.project_id == project_id, Turn.blob_sha256.is_not(None))
    runs = [joinedload(side).joinedload(Checkpoint.run) for side in (Turn.left, Turn.right)]
    turns = list(session.scalars(query.options(*runs, joinedload(Turn.vote)).order_by(Turn.id)))
    pieces: dict[int, list[Piece]] = {}
    for piece in session.scalars(
        sa.select(Piece).where(among(Piece.turn_id, [each.id for each in turns])).order_by(Piece.id)
    ):
        pieces.setdefault(piece.turn_id, []).append(piece)
    found = [_preference(turn, answers(pieces.get(turn.id, []))) for turn in turns]
    return [each for each in found if each is not None]


def _preference(turn: Turn, said: dict[str, Answer]) -> Preference | None:
    texts = [said[side].text.strip() for side in SIDES]
    if not all(texts) or texts[0] == texts[1] or turn.vote is None:
        return None
    names = [f"{each.run.name} (run {each.run_id})" if each else "base model" for each in (turn.left, turn.right)]
    left, right = (Response(text, name) for text, name in zip(texts, names, strict=True))
    preferred = {"left": 0, "right": 1}.get(turn.vote.choice)
    picture = (turn.blob_sha256 or "", turn.media_type or "")
    return Preference(turn.id, turn.question, *picture, (left, right), preferred, turn.vote.reason)


class Tally(NamedTuple):
    """How often one policy was preferred to another. None: a base model."""

    one: Checkpoint | None
    other: Checkpoint | None
    wins: int
    ties: int
    losses: int


def tallies(session: Session, seat: Seat) -> list[Tally]:
    """The project's votes by the two policies that were compared, most votes first."""
    rows = session.execute(
        sa.select(Turn.left_id, Turn.right_id, Vote.choice, sa.func.count())
        .join(Vote.turn)
        .where(Turn.project_id == seat.project.id)
        .group_by(Turn.left_id, Turn.right_id, Vote.choice)
    )
    counts: dict[tuple[int, int], list[int]] = {}
    for left, right, choice, many in rows:
        one, other = sorted((left or 0, right or 0), reverse=True)
        preferred = {"left": left or 0, "right": right or 0}.get(choice)
        counts.setdefault((one, other), [0, 0, 0])[1 if preferred is None else 0 if preferred == one else 2] += many
    known = {each.id: each for each in _named(session, {number for both in counts for number in both})}
    found = [Tally(known.get(one), known.get(other), *three) for (one, other), three in counts.items()]
    return sorted(found, key=lambda tally: -(tally.wins + tally.ties + tally.losses))


def _named(session: Session, ids: set[int]) -> list[Checkpoint]:
    query = sa.select(Checkpoint).where(Checkpoint.id.in_(ids)).options(joinedload(Checkpoint.run))
    return list(session.scalars(query))
