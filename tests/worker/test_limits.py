"""A run that uses more than it may is asked to save, ended, and says which limit it met: by processes that do so."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core import storage
from app.core.settings import settings
from app.runs import actions, limits, queries
from app.runs.limits import GIB, HOUR, Limits, Used
from app.runs.tables import Run
from tests import cast
from tests.app.runs import stories
from tests.worker.test_performing import SAVES_WHEN_ASKED, TRAINS, again, runs_script
from worker import jobs, process, watching
from worker.meter import Meter

BURNS = "while True: pass"
HOARDS = """
import pathlib, subprocess, sys, time
child = "import sys, time; heap = bytearray(120 << 20); open(sys.argv[1], 'w').close(); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child, sys.argv[1] + "/held"], start_new_session=True).wait()
"""


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


@pytest.fixture(autouse=True)
def _staying() -> Iterator[None]:
    watching.leaving.clear()
    yield
    watching.leaving.clear()


def allow(monkeypatch: pytest.MonkeyPatch, **named: float) -> None:
    for name, value in named.items():
        monkeypatch.setenv(name, str(value))
    settings.cache_clear()


def failed(story: stories.Story, run: Run) -> str:
    jobs.perform_run(run.id)
    ended = again(story, run)
    assert queries.state_of(ended) == "failed"
    return ended.failure or ""


def test_a_run_that_takes_longer_than_its_form_allowed_saves_and_ends(
    story: stories.Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_script(monkeypatch, SAVES_WHEN_ASKED.replace("time.sleep(600)", "[time.sleep(0.05) for _ in range(9999)]"))
    allow(monkeypatch, RUN_HOURS=5)
    run = story.start(max_hours=0.2 / HOUR)
    look, ready = Meter.look, storage.run_folder(run.id) / "ready"
    monkeypatch.setattr(Meter, "look", lambda self: look(self) if ready.exists() else Used())
    said = failed(story, run)
    assert said.startswith("LimitReached: It ran for the") and said.endswith("(max_hours)")
    assert (storage.run_folder(run.id) / "saved").exists(), "it was asked before it was ended"
    assert again(story, run).seconds_used > 0.2
    actions.resume(story.session, story.seat, run.id)
    assert run.seconds_used == 0, "whoever resumes it gives it the hours again"


def test_a_run_that_burns_processor_time_is_ended(story: stories.Story, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_script(monkeypatch, BURNS)
    allow(monkeypatch, RUN_CPU_HOURS=0.3 / HOUR)
    said = failed(story, story.start())
    assert said.startswith("LimitReached: It used the") and "an operator can allow more" in said


def test_what_grandchildren_in_other_sessions_hold_counts_as_the_runs_memory(
    story: stories.Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_script(monkeypatch, HOARDS)
    allow(monkeypatch, RUN_MEMORY_GIB=0.1)
    said = failed(story, story.start())
    assert said.startswith("LimitReached: It held") and "may hold 0.1" in said and "fewer batch tokens" in said


def test_where_no_worker_looks_the_kernel_ends_what_burns_processor_time(
    story: stories.Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_script(monkeypatch, BURNS)
    monkeypatch.setattr(process, "CPU_SPARE", 1.0)
    allow(monkeypatch, RUN_CPU_HOURS=0.1 / HOUR)
    monkeypatch.setattr(Meter, "look", lambda self: Used())
    assert failed(story, story.start()).startswith("LimitReached: It used the")


def test_hours_of_earlier_trainers_count(story: stories.Story, monkeypatch: pytest.MonkeyPatch) -> None:
    run = story.start(max_hours=1)
    limits.note(story.session, run.id, Used(1800, 60))
    allow(monkeypatch, RUN_HOURS=2, RUN_CPU_HOURS=3, RUN_MEMORY_GIB=4)
    may, used = limits.of(story.session, run.id)
    assert (may, used) == (Limits(HOUR, 3 * HOUR, 4 * GIB, True), Used(1800, 60))
    assert may.reached(Used(1800 + 1801, 60, 0)) and not may.reached(Used(1800 + 1799, 60, 3 * GIB))
    meter = Meter(os.getpid(), used)
    assert meter.look().seconds >= 1800 and meter.look().cpu_seconds > 60


def test_without_limits_a_run_is_left_alone(story: stories.Story, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_script(monkeypatch, TRAINS)
    run = story.start()
    assert limits.of(story.session, run.id)[0] == Limits(math.inf, math.inf, math.inf)
    jobs.perform_run(run.id)
    assert queries.state_of(again(story, run)) == "done"


def test_the_kernel_would_end_a_training_before_the_worker(
    story: stories.Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    tells = "import resource as r; print(open('/proc/self/oom_score_adj').read(), r.getrlimit(r.RLIMIT_CORE))"
    runs_script(monkeypatch, tells)
    run = story.start()
    jobs.perform_run(run.id)
    assert again(story, run).log_tail.split() == ["500", "(0,", "0)"]


def test_the_form_asks_for_hours_and_says_what_is_wrong(client: TestClient, story: stories.Story) -> None:
    cast.sign_in(client, story.session, story.seat.user)
    sent = {"recipe": "reward", "name": "n", "critiques": "human", "base": str(story.base)}
    sent["input-dataset"] = str(story.dataset.id)
    answer = client.post(story.at, data=sent | {"max_hours": "soon"})
    assert answer.status_code == 422 and "more than 0 and at most 10000 hours" in answer.text
    page = client.post(story.at, data=sent | {"max_hours": "1.5"}).text
    assert "at most 1.50 h" in page
    run = story.session.query(Run).order_by(Run.id.desc()).first()
    assert run is not None and run.max_hours == 1.5
    assert 'value="1.5"' in client.get(f"{story.at}/new?like={run.id}").text
