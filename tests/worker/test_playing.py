"""A worker answers the playground's questions: by small scripts here, by the real command in the browser's test."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from app.core.db import transaction
from app.core.settings import settings
from app.runs import playground, playground_answers
from app.runs.playground_tables import Turn
from tests.app.runs import stories
from tests.app.runs.test_playground import asked
from tests.worker.test_process import patiently
from worker import jobs, player, playing, watching

ANSWERS = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "stop" in asked:
        continue
    for side in ("left", "right"):
        print(json.dumps({"id": asked["id"], "kind": "answer", "side": side, "text": "said of " + asked["question"]}))
    print(json.dumps({"id": asked["id"], "kind": "done"}), flush=True)
"""
WAITS_TO_BE_STOPPED = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "stop" in asked:
        print(json.dumps({"id": asked["stop"], "kind": "stopped"}), flush=True)
    else:
        print(json.dumps({"id": asked["id"], "kind": "answer", "side": "left", "text": "Well"}), flush=True)
"""
DIES = "import sys; sys.stdin.readline(); print('OutOfMemory: the card is full', file=sys.stderr); sys.exit(1)"


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(playing, "LOOK", 0.02)
    monkeypatch.setattr(playing, "BEAT", 0.05)
    monkeypatch.setenv("PLAYGROUND_IDLE", "0")
    settings.cache_clear()
    watching.leaving.clear()
    yield
    watching.leaving.clear()


def speaks(monkeypatch: pytest.MonkeyPatch, script: str) -> list[player.Player]:
    """The models' process is this script; the list fills with those that were started."""
    started: list[player.Player] = []
    begin = player.Player.__init__

    def begun(self: player.Player) -> None:
        begin(self)
        started.append(self)

    monkeypatch.setattr(player, "command", lambda: [sys.executable, "-c", script])
    monkeypatch.setattr(player.Player, "__init__", begun)
    return started


def again(story: stories.Story, turn: Turn) -> tuple[str, dict[str, playground_answers.Answer]]:
    story.session.expire_all()
    found = playground.turn_of(story.session, story.seat, turn.id)
    return playground.state_of(found), playground_answers.answers(playground.pieces(story.session, found))


def test_nothing_is_started_while_nobody_asks(story: stories.Story, monkeypatch: pytest.MonkeyPatch) -> None:
    started = speaks(monkeypatch, ANSWERS)
    jobs.play()
    assert started == []


def test_a_question_is_answered_and_the_models_are_unloaded_when_nobody_asks(
    story: stories.Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = speaks(monkeypatch, ANSWERS)
    turn = asked(story)
    jobs.play()
    state, answers = again(story, turn)
    assert (state, answers["left"].text) == ("done", "said of What is shown?")
    assert len(started) == 1 and not started[0].alive


def test_a_question_is_stopped_in_the_middle(story: stories.Story, monkeypatch: pytest.MonkeyPatch) -> None:
    speaks(monkeypatch, WAITS_TO_BE_STOPPED)
    turn = asked(story)
    work = threading.Thread(target=jobs.play)
    work.start()
    patiently(lambda: again(story, turn)[1]["left"].text == "Well")
    with transaction() as session:
        playground.stop(session, story.seat, turn.id)
    work.join(30)
    assert not work.is_alive() and again(story, turn)[0] == "stopped"


def test_a_process_that_dies_fails_the_question_by_name_and_the_next_one_gets_another(
    story: stories.Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaks(monkeypatch, DIES)
    turn = asked(story)
    jobs.play()
    assert again(story, turn)[0] == "failed"
    assert (playground.turn_of(story.session, story.seat, turn.id).failure or "").startswith("OutOfMemory")
    speaks(monkeypatch, ANSWERS)
    later = asked(story)
    jobs.play()
    assert again(story, later)[0] == "done"


def test_a_worker_that_is_asked_to_leave_leaves_the_question_to_another(
    story: stories.Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaks(monkeypatch, WAITS_TO_BE_STOPPED)
    turn = asked(story)
    work = threading.Thread(target=jobs.play)
    work.start()
    patiently(lambda: again(story, turn)[1]["left"].text == "Well")
    watching.leaving.set()
    work.join(30)
    assert not work.is_alive() and again(story, turn)[0] == "waiting"
    watching.leaving.clear()
    speaks(monkeypatch, ANSWERS)
    jobs.play()
    state, answers = again(story, turn)
    assert (state, answers["left"].text) == ("done", "said of What is shown?")


def test_a_question_that_takes_too_long_is_given_up(story: stories.Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYGROUND_SECONDS", "0.05")
    settings.cache_clear()
    speaks(monkeypatch, WAITS_TO_BE_STOPPED)
    turn = asked(story)
    jobs.play()
    assert again(story, turn)[0] == "failed"


def test_the_sweep_offers_questions_that_wait(story: stories.Story, monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[str] = []
    monkeypatch.setattr(jobs.play, "apply_async", lambda **how: offered.append(how["queue"]))
    jobs.sweep()
    assert offered == []
    asked(story)
    jobs.sweep()
    assert offered == ["play"]
