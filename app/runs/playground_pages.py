"""The playground: ask two policies, see them answer side by side, vote."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Header, Path, Query, Request, UploadFile
from fastapi.responses import FileResponse, Response, StreamingResponse

from app.core.db import Db, Session
from app.core.errors import Conflict, Invalid
from app.core.html import page, redirect, wants_json
from app.core.web import FILE_POLICY
from app.datasets import preferences
from app.projects.guard import Researcher, Seat
from app.runs import failures, playground, playground_answers, playground_live, playground_pictures, playing, registry
from app.runs.playground import Question
from app.runs.playground_tables import Turn
from app.runs.registry_tables import CURRENT
from app.runs.tables import Checkpoint

router = APIRouter(prefix="/playground")
preferences.TELLERS.append(playground_answers.preferences)
Number = Annotated[int, Query(ge=0, lt=2**63)]
TurnId = Annotated[int, Path(ge=1, lt=2**63)]
Words = Annotated[str, Query(max_length=200)]
Choice = Annotated[str, Form(max_length=20)]
TURN = "/turns/{turn_id:int}"


@router.get("")
def playground_page(
    request: Request,
    session: Db,
    seat: Researcher,
    like: Number = 0,
    text: Words = "",
    before: Number = 0,
    policy: Number = 0,
) -> Response:
    """A fresh form, an earlier question's, or the form as it stood when another picture was looked for.

    policy: a checkpoint that shall be asked.
    """
    asked = _again(playground.turn_of(session, seat, like)) if like else _fresh(session, seat, policy)
    return _page(request, session, seat, _stood(request, asked), text=text, before=before)


def _stood(request: Request, asked: Question) -> Question:
    """What the address says of the form, in place of what it begins with."""
    said = request.query_params
    if "question" in said:
        left, right, reward = (said.get(name, "") for name in ("left", "right", "reward"))
        text = said["question"][: playground.LONGEST_QUESTION]
        asked = asked._replace(text=text, blind="blind" in said, left=left, right=right, reward=reward)
    longest, medium = (_number(said.get(name, "")) for name in ("longest", "medium"))
    return asked._replace(longest=longest or asked.longest, medium_id=asked.medium_id if medium is None else medium)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _fresh(session: Session, seat: Seat, policy: int = 0) -> Question:
    """The two newest policies, or the newest and its base; what is wished goes first, then what is promoted."""
    there = playground.choices(session, seat)
    first = {
        kind: sorted(found, key=lambda each: (each.id != policy, _place(each), -each.id))
        for kind, found in there.items()
    }
    sides = [str(each.id) for each in first["policy"][:2]] + [playground.BASE] * 2
    return Question(left=sides[0], right=sides[1], reward=str(first["reward"][0].id) if first["reward"] else "")


def _place(one: Checkpoint) -> int:
    """What is current goes before candidates, and those before the others."""
    promotion = registry.standing_of(one)
    return 2 if promotion is None else 0 if promotion.standing == CURRENT else 1


def _again(turn: Turn) -> Question:
    """The same question once more. The sides of a blind one are put in an order that tells nothing."""
    sides = [str(each) if each else playground.BASE for each in (turn.left_id, turn.right_id)]
    left, right = sorted(sides) if turn.blind else sides
    reward = str(turn.reward_id) if turn.reward_id else ""
    return Question(turn.question, left, right, reward, turn.blind, turn.longest, turn.medium_id or 0)


def _page(
    request: Request,
    session: Session,
    seat: Seat,
    asked: Question,
    refusal: Invalid | Conflict | None = None,
    text: str = "",
    before: int = 0,
) -> Response:
    pictures = playground_pictures.page_of(session, seat, text, before, asked.medium_id)
    context: dict[str, Any] = {
        "asked": asked,
        "refusal": refusal,
        "there": playground.choices(session, seat),
        "turns": playground.turns(session, seat),
        "open": playground.open_turn(session, seat),
        "tallies": playground_answers.tallies(session, seat),
        "served": playing.is_served(session),
        "pictures": pictures,
        "text": text,
        "before": before,
    }
    return page(request, "runs/playground.html", refusal.status if refusal else 200, **context, **_words())


def _words() -> dict[str, Any]:
    return {
        "lengths": playground.LENGTHS,
        "most": playground.LONGEST_QUESTION,
        "state_of": playground.state_of,
        "hidden": playground.is_hidden,
        "standing_of": registry.standing_of,
    }


@router.post("/turns")
def ask(
    request: Request,
    session: Db,
    seat: Researcher,
    question: Annotated[str, Form(max_length=100_000)] = "",
    left: Choice = "",
    right: Choice = "",
    reward: Choice = "",
    blind: Annotated[bool, Form()] = False,
    longest: Annotated[int, Form(ge=1, le=10_000)] = 128,
    medium: Annotated[int, Form(ge=0, lt=2**63)] = 0,
    picture: Annotated[UploadFile | None, File()] = None,
) -> Response:
    asked = Question(question, left, right, reward, blind, longest, medium)
    content = picture.file.read(playground.LARGEST_PICTURE + 1) if picture and picture.filename else None
    try:
        turn = playground.ask(session, seat, asked, content)
    except (Invalid, playground.TurnOpen) as refusal:
        if wants_json(request):
            raise
        return _page(request, session, seat, asked, refusal)
    return redirect(_address(seat, turn.id))


@router.get(TURN)
def turn_page(request: Request, session: Db, seat: Researcher, turn_id: TurnId) -> Response:
    turn = playground.turn_of(session, seat, turn_id)
    state, pieces = playground.state_of(turn), playground.pieces(session, turn)
    answers = playground_answers.answers(pieces)
    context: dict[str, Any] = {
        "turn": turn,
        "state": state,
        "answers": answers,
        "preferred": playground_answers.preferred(answers),
        "last": pieces[-1].id if pieces else 0,
        "place": playground.place(session, turn) if state == "waiting" else "",
        "failure": failures.shown(turn.failure or ""),
        "served": playing.is_served(session),
        "at": _address(seat, turn.id),
        "most_reason": playground.LONGEST_REASON,
    }
    return page(request, "runs/playground_turn.html", **context, **_words())


@router.get(TURN + "/events")
def events(
    session: Db,
    seat: Researcher,
    turn_id: TurnId,
    after: Number = 0,
    last_event_id: Annotated[str, Header(max_length=40)] = "",
) -> Response:
    """What comes of the turn, from the piece `after` or the browser's Last-Event-ID on."""
    playground.turn_of(session, seat, turn_id)
    start_at = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 19 else after
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    stream = playground_live.tail(turn_id, start_at)
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


@router.get(TURN + "/picture")
def picture(session: Db, seat: Researcher, turn_id: TurnId) -> Response:
    path, media_type = playground.picture_path(playground.turn_of(session, seat, turn_id))
    headers = {"cache-control": "private, max-age=31536000, immutable", "content-security-policy": FILE_POLICY}
    return FileResponse(path, media_type=media_type, headers=headers)


@router.post(TURN + "/stop")
def stop(session: Db, seat: Researcher, turn_id: TurnId) -> Response:
    playground.stop(session, seat, turn_id)
    return redirect(_address(seat, turn_id))


@router.post(TURN + "/vote")
def vote(
    session: Db,
    seat: Researcher,
    turn_id: TurnId,
    choice: Annotated[Literal["left", "right", "tie"], Form()],
    reason: Annotated[str, Form(max_length=100_000)] = "",
) -> Response:
    playground.vote(session, seat, turn_id, choice, reason)
    return redirect(f"{_address(seat, turn_id)}#vote")


def _address(seat: Seat, turn_id: int) -> str:
    return f"/projects/{seat.project.slug}/runs/playground/turns/{turn_id}"
