"""The playground's verbs and reads: ask two policies, stop them, say which answer is better."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.accounts.tables import User
from app.core import storage
from app.core.db import Session, now
from app.core.errors import Conflict, Invalid, NotFound
from app.core.jobs import nudge
from app.core.language import N_, ngettext
from app.core.language import gettext as _
from app.projects.guard import Seat
from app.runs import registry
from app.runs.playground_tables import Piece, Turn, Vote
from app.runs.tables import Checkpoint
from app.samples import queries as samples
from app.samples.keeping import medium_of
from app.samples.pictures import read_picture

LONGEST_QUESTION = 2000
LONGEST_REASON = 2000
LENGTHS = (64, 128, 256, 512)
"""Tokens that an answer may be long."""

LARGEST_PICTURE = 16 * 2**20
"""Bytes of an uploaded picture."""

BASE = "base"
"""In place of a checkpoint: the model that the other side was trained from."""

SHOWN = 20
_draw = random.SystemRandom()


class BadQuestion(Invalid):
    """A question that is empty or too long, or an answer's length that is none of those offered."""


class BadPolicies(Invalid):
    """The two sides are no two policies of the project."""


class TurnOpen(Conflict):
    """One question at a time: the earlier one is not answered yet."""

    advice = N_("Wait for its answers, or stop it.")


class TurnEnded(Conflict):
    """The question was answered or stopped already."""


class NotAnswered(Conflict):
    """Only two whole answers can be compared."""


class VotedAlready(Conflict):
    """A vote is given once."""


class Question(NamedTuple):
    """What the form says. left, right: the number of a checkpoint, or "base"; reward: a number, or empty."""

    text: str = ""
    left: str = ""
    right: str = ""
    reward: str = ""
    blind: bool = False
    longest: int = 128
    medium_id: int = 0


def ask(session: Session, seat: Seat, asked: Question, picture: bytes | None = None) -> Turn:
    """A turn that waits for a worker. picture: an uploaded file, which goes before a chosen one.

    Raises BadQuestion, BadPolicies, TurnOpen, NotFound, and what an unreadable picture raises.
    """
    text = asked.text.replace("\0", "").strip()
    if not text or len(text) > LONGEST_QUESTION:
        raise BadQuestion(_("Ask something, in at most %(most)s characters.", most=LONGEST_QUESTION), "question")
    if asked.longest not in LENGTHS:
        raise BadQuestion(_("An answer has at most %(most)s tokens.", most=max(LENGTHS)), "longest")
    left, right = _policies(session, seat, asked)
    reward = _checkpoint(session, seat, asked.reward, "reward") if asked.reward else None
    sides = [left, right]
    if asked.blind:
        _draw.shuffle(sides)
    # Held, so that two windows of one user cannot both find no open turn.
    session.execute(sa.select(User.id).where(User.id == seat.user.id).with_for_update(key_share=True))
    if earlier := open_turn(session, seat):
        raise TurnOpen(_("Your question %(id)s is not answered yet.", id=earlier.id), "question")
    turn = Turn(
        project_id=seat.project.id,
        user_id=seat.user.id,
        question=text,
        left_id=sides[0].id if sides[0] else None,
        right_id=sides[1].id if sides[1] else None,
        reward_id=reward.id if reward else None,
        blind=asked.blind,
        longest=asked.longest,
        **_picture(session, seat, asked.medium_id, picture),
    )
    session.add(turn)
    session.flush()
    nudge(session, "play")
    return turn


def _policies(session: Session, seat: Seat, asked: Question) -> tuple[Checkpoint | None, Checkpoint | None]:
    if asked.left == asked.right:
        raise BadPolicies(_("Choose two different policies: the same one answers alike."), "right")
    found = [None if side == BASE else _checkpoint(session, seat, side, "policy") for side in (asked.left, asked.right)]
    return found[0], found[1]


def _checkpoint(session: Session, seat: Seat, number: str, kind: str) -> Checkpoint:
    if not number.isdecimal() or len(number) > 18:
        raise BadPolicies(_("Choose a policy for each side."), "left")
    found = registry.checkpoint(session, seat, int(number))
    if found.kind != kind or found.deletion is not None:
        raise BadPolicies(_("Run %(id)s left no such checkpoint, or it was deleted.", id=found.run_id), "left")
    return found


def _picture(session: Session, seat: Seat, medium_id: int, content: bytes | None) -> dict[str, Any]:
    if content is not None:
        if not content:
            raise BadQuestion(_("The file is empty."), "picture")
        if len(content) > LARGEST_PICTURE:
            most = LARGEST_PICTURE // 2**20
            raise BadQuestion(_("The picture has more than %(most)s MiB.", most=most), "picture")
        kept = medium_of(read_picture(content, "picture"), "image")
        return {"blob_sha256": kept["blob_sha256"], "media_type": kept["media_type"]}
    if not medium_id:
        return {}
    medium = samples.medium(session, seat, medium_id)
    if medium.kind == "video":
        raise BadQuestion(_("Choose a picture or a frame, not a whole video."), "picture")
    return {"medium_id": medium.id, "blob_sha256": medium.blob_sha256, "media_type": medium.media_type}


def stop(session: Session, seat: Seat, turn_id: int) -> None:
    """Ask for the end of one's own turn; one that no worker has yet ends at once. Raises NotFound, TurnEnded."""
    turn = _held(session, seat, turn_id)
    if turn.ended_at is not None:
        raise TurnEnded(_("This question is answered or stopped already."), f"question {turn_id}")
    turn.stopped_at = turn.stopped_at or now()
    if turn.claimed_by is None:
        turn.ended_at = turn.stopped_at


def vote(session: Session, seat: Seat, turn_id: int, choice: str, reason: str) -> Vote:
    """Which answer its asker prefers. choice: left, right or tie. Raises NotFound, NotAnswered, VotedAlready."""
    turn = _held(session, seat, turn_id)
    if state_of(turn) != "done":
        raise NotAnswered(_("Only two whole answers can be compared."), f"question {turn_id}")
    if turn.vote is not None:
        raise VotedAlready(_("You have voted here already."), f"question {turn_id}")
    reason = reason.replace("\0", "").strip()
    if len(reason) > LONGEST_REASON:
        raise BadQuestion(_("A reason has at most %(most)s characters.", most=LONGEST_REASON), "reason")
    given = Vote(turn=turn, choice=choice, reason=reason)
    session.add(given)
    session.flush()
    return given


def _held(session: Session, seat: Seat, turn_id: int) -> Turn:
    session.execute(sa.select(Turn.id).where(Turn.id == turn_id).with_for_update())
    return turn_of(session, seat, turn_id)


def turn_of(session: Session, seat: Seat, turn_id: int) -> Turn:
    """One's own turn: what others ask is theirs. Raises NotFound."""
    found = session.scalar(_own(seat).where(Turn.id == turn_id).options(*_with_all()))
    if found is None:
        raise NotFound(_("You have asked no such question here."), f"question {turn_id}")
    return found


def _own(seat: Seat) -> sa.Select[Turn]:
    return sa.select(Turn).where(Turn.project_id == seat.project.id, Turn.user_id == seat.user.id)


def _with_all() -> list[sa.orm.interfaces.ORMOption]:
    runs = [joinedload(getattr(Turn, name)).joinedload(Checkpoint.run) for name in ("left", "right", "reward")]
    return [*runs, joinedload(Turn.vote)]


def turns(session: Session, seat: Seat) -> list[Turn]:
    """One's own last turns, newest first."""
    return list(session.scalars(_own(seat).options(*_with_all()).order_by(Turn.id.desc()).limit(SHOWN)))


def open_turn(session: Session, seat: Seat) -> Turn | None:
    """The user's turn that is not ended, in whichever project."""
    return session.scalar(sa.select(Turn).where(Turn.user_id == seat.user.id, Turn.ended_at.is_(None)))


def state_of(turn: Turn) -> str:
    """waiting, answering, done, failed or stopped."""
    if turn.ended_at is None:
        return "waiting" if turn.claimed_by is None else "answering"
    return "failed" if turn.failure else "stopped" if turn.stopped_at else "done"


def is_hidden(turn: Turn) -> bool:
    """Whether the policies' names, and what the reward model says of them, are kept from their judge."""
    return turn.blind and turn.vote is None and state_of(turn) in ("waiting", "answering", "done")


def before(session: Session, turn: Turn) -> int:
    """How many turns are answered before this one."""
    earlier = sa.select(sa.func.count()).where(Turn.ended_at.is_(None), Turn.id < turn.id)
    return session.scalar(earlier) or 0


def place(session: Session, turn: Turn) -> str:
    """Where a waiting turn stands, in words."""
    many = before(session, turn)
    if not many:
        return _("You are next.")
    return ngettext("%(num)s question is before yours.", "%(num)s questions are before yours.", many)


OPINIONS = ("critique", "judged")
"""Pieces in which the reward model says what it makes of an answer: a blind judge reads them after the vote."""


def pieces(session: Session, turn: Turn, after: int = 0) -> list[Piece]:
    """What came of the turn, as its judge may know it by now."""
    query = sa.select(Piece).where(Piece.turn_id == turn.id, Piece.id > after).order_by(Piece.id)
    return list(session.scalars(query.where(Piece.kind.not_in(OPINIONS)) if is_hidden(turn) else query))


def choices(session: Session, seat: Seat) -> dict[str, list[Checkpoint]]:
    """The project's checkpoints that are there, by their kind, newest first."""
    there = registry.checkpoints(session, seat)
    return {kind: [each for each in there if each.kind == kind] for kind in ("policy", "reward")}


def picture_path(turn: Turn) -> tuple[str, str]:
    """Path and type of the picture that was shown. Raises NotFound."""
    if turn.blob_sha256 is None or turn.media_type is None:
        raise NotFound(_("No picture was shown with this question."), f"question {turn.id}")
    return str(storage.blob(turn.blob_sha256)), turn.media_type
