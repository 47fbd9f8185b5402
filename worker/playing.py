"""Answering the playground's questions: the models' process is started for the first one, and ended when none comes."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from sqlalchemy.exc import OperationalError

from app.core.db import transaction
from app.core.language import plain
from app.core.settings import settings
from app.runs import failures, playing
from app.runs.playing import Claim
from app.runs.refusals import ClaimLost
from worker.player import Line, Player

log = structlog.get_logger()
LOOK = 0.5
"""Seconds between two looks at the waiting line while models are loaded."""

BEAT = 3.0
"""Seconds of silence after which the turn is said to be alive all the same: a large model is read for minutes."""

AWAY = 2.0
"""Seconds until the database is asked again that was away."""

ENDS = ("done", "stopped", "failed")


def see_through(worker: str, leaving: Callable[[], bool]) -> None:
    """Answer whatever waits, and stay with loaded models until nobody has asked for PLAYGROUND_IDLE seconds."""
    player: Player | None = None
    asked_at = time.monotonic()
    try:
        while not leaving():
            try:
                with transaction() as session:
                    claim = playing.take(session, worker)
                if claim is not None:
                    player = player if player is not None and player.alive else Player()
                    _perform(player, claim, leaving)
                    asked_at = time.monotonic()
                elif player is None or time.monotonic() - asked_at > settings().playground_idle:
                    return
                else:
                    time.sleep(LOOK)
            except ClaimLost as lost:
                log.warning("a question was lost to another worker", why=lost.where)
                player = _end(player)
            except OperationalError as problem:
                log.error("the database is away", problem=str(problem)[:200])
                player = _end(player)  # it may be in the middle of an answer
                time.sleep(AWAY)
    finally:
        _end(player)


def _end(player: Player | None) -> Player | None:
    """None, in place of the player that ended."""
    if player is not None:
        player.end()
    return None


def _perform(player: Player, claim: Claim, leaving: Callable[[], bool]) -> None:
    """One turn from its request to its end. Raises ClaimLost."""
    with transaction() as session:
        request = playing.request(session, claim)
    log.info("question taken", turn=claim.turn_id, fence=claim.fence)
    deadline, told = time.monotonic() + settings().playground_seconds, False
    lines: list[Line] = []
    try:
        player.send(request)
        while not lines or lines[-1]["kind"] not in ENDS:
            lines = [line for line in player.lines(BEAT) if line["id"] == claim.turn_id]
            with transaction() as session:
                stopped = playing.write(session, claim, [line for line in lines if line["kind"] not in ENDS])
            if not lines and not player.alive:
                return _fail(claim, player.failure())
            if leaving():
                return _release(claim)
            if time.monotonic() > deadline:
                player.end()
                return _fail(claim, failures.line("TookTooLong", plain("Answering took longer than is allowed.")))
            if stopped and not told:
                player.send({"stop": claim.turn_id})
                told = True
    except OSError:  # its pipe is closed: it has ended
        return _fail(claim, player.failure())
    last = lines[-1]
    if last["kind"] == "failed":
        return _fail(claim, failures.line(last["error"], last["what"]))
    with transaction() as session:
        playing.end(session, claim)


def _fail(claim: Claim, failure: str) -> None:
    log.warning("question failed", turn=claim.turn_id, failure=failure)
    with transaction() as session:
        playing.fail(session, claim, failure)


def _release(claim: Claim) -> None:
    with transaction() as session:
        playing.release(session, claim)
