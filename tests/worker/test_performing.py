"""A worker sees runs through: by the real command where its refusal is asked for, by small scripts elsewhere."""

from __future__ import annotations

import datetime as dt
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import storage
from app.core.db import transaction
from app.runs import actions, kinds, queries
from app.runs.tables import Checkpoint, Metric, Run
from tests.app.runs import stories
from tests.worker.test_process import PARENT, is_alive, patiently
from worker import jobs, launch, watching

TRAINS = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
with (folder / "metrics.jsonl").open("a") as file:
    for step in (1, 2, 3):
        file.write(json.dumps({"kind": "metric", "step": step, "split": "train", "values": {"loss": 1 / step}}) + "\\n")
(folder / "output" / "checkpoint").mkdir(parents=True)
(folder / "output" / "checkpoint" / "meta.json").write_text("{}")
(folder / "result.json").write_text('{"accuracy": 1.0}')
print("all done")
"""
SAVES_WHEN_ASKED = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
def stop(number, frame):
    (folder / "saved").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
(folder / "ready").touch()
time.sleep(600)
"""


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


@pytest.fixture(autouse=True)
def _staying() -> Iterator[None]:
    watching.leaving.clear()
    yield
    watching.leaving.clear()


def runs_script(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(launch, "command", lambda recipe, folder, many: [sys.executable, "-c", script, str(folder)])


def again(story: stories.Story, run: Run) -> Run:
    story.session.expire_all()
    return queries.run(story.session, story.seat, run.id)


def test_a_run_that_ends_well_leaves_metrics_result_and_checkpoint(
    story: stories.Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_script(monkeypatch, TRAINS)
    run = story.start()
    jobs.perform_run(run.id)
    jobs.perform_run(run.id)  # a doubled message changes nothing
    ended = again(story, run)
    assert (queries.state_of(ended), ended.result) == ("done", {"accuracy": 1.0})
    assert ended.log_tail == "all done\n"
    steps = story.session.scalars(sa.select(Metric.payload["step"].as_integer()).order_by(Metric.id)).all()
    assert steps == [1, 2, 3]
    assert story.session.scalar(sa.select(sa.func.count()).select_from(Checkpoint)) == 1


def test_a_checkpoint_is_hashed_while_nothing_is_locked_and_the_heart_beats_on(
    story: stories.Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def heard() -> dt.datetime | None:
        with transaction() as session:
            session.execute(sa.text("SET LOCAL lock_timeout = '10s'"))  # a beat holds the row for a moment, no longer
            return session.execute(sa.select(Run.heartbeat_at).where(Run.id == run.id).with_for_update()).scalar_one()

    def hashes_for_long(folder: Path) -> str:
        before = heard()
        patiently(lambda: heard() != before)
        return "ab" * 32

    runs_script(monkeypatch, TRAINS)
    monkeypatch.setattr(kinds, "sha256_of_folder", hashes_for_long)
    monkeypatch.setattr(watching, "BEAT_WHILE_READING", 0.05)
    run = story.start()
    jobs.perform_run(run.id)
    assert queries.state_of(again(story, run)) == "done"
    assert story.session.scalars(sa.select(Checkpoint.sha256)).one() == "ab" * 32


def test_a_run_that_leaves_no_output_fails_by_name(story: stories.Story, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_script(monkeypatch, "print('nothing to do')")
    run = story.start()
    jobs.perform_run(run.id)
    ended = again(story, run)
    assert queries.state_of(ended) == "failed"
    assert (ended.failure or "").startswith("OutputMissing")


def test_the_real_command_refuses_by_name_and_the_run_says_so(story: stories.Story) -> None:
    run = story.start(config={"base": str(story.base), "critiques": "human"})
    (storage.dataset_folder(story.dataset.id) / "samples.jsonl").write_text("no sample\n")
    jobs.perform_run(run.id)
    ended = again(story, run)
    assert queries.state_of(ended) == "failed"
    assert (ended.failure or "").startswith("BadSample"), ended.failure
    assert ended.exit_code == 2


def test_cancelling_kills_a_stubborn_grandchild_within_ten_seconds(
    story: stories.Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_script(monkeypatch, PARENT)
    run = story.start()
    work = threading.Thread(target=jobs.perform_run, args=(run.id,))
    work.start()
    note = storage.run_folder(run.id) / "child"
    patiently(lambda: note.exists() and note.read_text())
    with transaction() as session:
        actions.cancel(session, story.seat, run.id, "enough")
    work.join(10)
    assert not work.is_alive(), "the run outlived ten seconds"
    patiently(lambda: not is_alive(int(note.read_text())), 2)
    ended = again(story, run)
    assert queries.state_of(ended) == "cancelled"
    assert ended.cancellation is not None
    assert ended.cancellation.user.name == "Rita"


def test_a_worker_that_is_asked_to_stop_saves_the_run_and_another_takes_it_up(
    story: stories.Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_script(monkeypatch, SAVES_WHEN_ASKED)
    run = story.start()
    work = threading.Thread(target=jobs.perform_run, args=(run.id,))
    work.start()
    patiently((storage.run_folder(run.id) / "ready").exists)
    watching.leaving.set()
    work.join(10)
    assert not work.is_alive()
    assert (storage.run_folder(run.id) / "saved").exists()
    assert queries.state_of(again(story, run)) == "waiting"
    watching.leaving.clear()
    runs_script(monkeypatch, TRAINS)
    jobs.perform_run(run.id)
    assert queries.state_of(again(story, run)) == "done"


def test_a_trainer_that_lost_its_run_is_stopped(story: stories.Story, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_script(monkeypatch, PARENT)
    run = story.start()
    work = threading.Thread(target=jobs.perform_run, args=(run.id,))
    work.start()
    note = storage.run_folder(run.id) / "child"
    patiently(lambda: note.exists() and note.read_text())
    with transaction() as session:
        session.execute(sa.update(Run).where(Run.id == run.id).values(fence=Run.fence + 1, claimed_by="another"))
    work.join(10)
    assert not work.is_alive()
    patiently(lambda: not is_alive(int(note.read_text())), 2)
    assert again(story, run).claimed_by == "another"


def test_the_sweep_offers_what_waits(story: stories.Story, monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[int] = []
    monkeypatch.setattr(jobs, "_waiting_offers", lambda: 0)
    monkeypatch.setattr(jobs.perform_run, "apply_async", lambda arguments: offered.append(arguments[0]))
    run = story.start()
    jobs.sweep()
    assert offered == [run.id]
    monkeypatch.setattr(jobs, "_waiting_offers", lambda: 1)
    jobs.sweep()
    assert offered == [run.id], "an offer that nobody has read yet is not repeated"


def test_the_run_folder_holds_what_a_person_needs_to_repeat_it_by_hand(
    story: stories.Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_script(monkeypatch, TRAINS)
    run = story.start()
    jobs.perform_run(run.id)
    folder: Path = storage.run_folder(run.id)
    assert json.loads((folder / "config.json").read_text()) == {"recipe": "reward", **run.config}
    assert (folder / "inputs" / "dataset").resolve() == storage.dataset_folder(story.dataset.id).resolve()
