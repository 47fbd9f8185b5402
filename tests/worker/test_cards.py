"""A trainer holds its cards alone, its runs see no others, and with several a run is shared out by torchrun."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core import storage
from app.core.settings import settings
from app.runs import choosing, queries, sharing, workers
from app.runs.workers import Presence
from ml import launched, tiny
from tests import cast
from tests.app.runs import stories
from tests.ml.cast import lines
from tests.worker.test_performing import again, runs_script
from tests.worker.test_process import is_alive, patiently
from worker import cards, jobs, launch, presence, process, watching

ROOT = Path(__file__).resolve().parents[2]
TELLS = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES', 'everything'))"
WAITS = "import pathlib, sys, time; pathlib.Path(sys.argv[1], 'ready').touch(); time.sleep(600)"
REPORT = """NoPairs: pairs.jsonl has no pair
W1123 16:40:32.659000 30998 torch/distributed/elastic/multiprocessing/api.py:1028] Sending process 31017 closing signal
E1123 16:40:32.661000 30998 torch/distributed/elastic/multiprocessing/api.py:1002] failed (exitcode: 2) local_rank: 0
Traceback (most recent call last):
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
"""


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("TRAINER_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setattr(cards, "_held", {})
    watching.leaving.clear()
    yield
    cards.release()


def told(monkeypatch: pytest.MonkeyPatch, **named: str) -> None:
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()


def another(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on we are another trainer of the same machine, which holds nothing yet."""
    monkeypatch.setattr(cards, "_held", {})


def test_two_trainers_never_hold_one_card(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, TRAINER_GPUS="0, 1,GPU-8932f937")
    assert cards.claim() and cards.held() == ["0"]
    assert cards.claim() and cards.held() == ["0"], "what it holds is enough"
    another(monkeypatch)
    told(monkeypatch, GPUS_PER_RUN="2")
    assert cards.claim() and cards.held() == ["1", "GPU-8932f937"]
    assert cards.environment(2)["CUDA_VISIBLE_DEVICES"] == "1,GPU-8932f937"
    another(monkeypatch)
    assert not cards.claim() and cards.held() == []
    assert [(card["index"], card["held"]) for card in cards.shown()] == [(name, False) for name in cards.wanted()]


def test_cards_are_those_that_the_trainer_sees_where_none_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, TRAINER_GPUS="", CUDA_VISIBLE_DEVICES="2,3")
    assert cards.wanted() == ["2", "3"]
    told(monkeypatch, TRAINER_GPUS="none")
    assert cards.claim() and cards.held() == []
    assert cards.environment(1)["CUDA_VISIBLE_DEVICES"] == ""
    told(monkeypatch, TRAINER_GPUS="")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(presence, "devices", lambda: presence.read("3, H100, 1, 2, 3, 4, GPU-77\n"))
    assert cards.claim() and cards.held() == ["3"]
    assert (settings().trainer_locks / "GPU-77").exists(), "by its UUID: a container numbers the same card anew"


def test_a_run_sees_the_cards_of_its_trainer_and_waits_where_none_is_free(
    story: stories.Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_script(monkeypatch, TELLS)
    told(monkeypatch, TRAINER_GPUS="5,6")
    run, second, third = story.start(), story.start(), story.start()
    for _trainer, waiting in (("holds 5", run), ("holds 6", second)):
        jobs.perform_run(waiting.id)
        another(monkeypatch)
    jobs.perform_run(third.id)
    assert [again(story, each).log_tail for each in (run, second)] == ["5\n", "6\n"]
    assert queries.state_of(again(story, third)) == "waiting"


def test_a_card_is_not_free_before_the_last_process_on_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(monkeypatch, TRAINER_GPUS="0")
    monkeypatch.setattr(launch, "command", lambda recipe, folder, many: [sys.executable, "-c", WAITS, str(folder)])
    assert cards.claim()
    running = process.start("reward", tmp_path)
    patiently((tmp_path / "ready").exists)
    cards.release()  # as if the trainer was gone
    assert not cards.claim()
    process.stop(running, 0.0)
    assert cards.claim()


def test_the_page_of_workers_says_which_card_is_held(client: TestClient, story: stories.Story) -> None:
    (first, second) = presence.read("0, H100, 1, 2, 3, 4, GPU-7\n1, A100, 1, 2, 3, 4, GPU-8\n")
    for name, card in (("a:1", {**first, "held": True}), ("a:2", {**second, "held": False})):
        workers.note(story.session, Presence(name, "gpu", "gpu", presence.machine(), [card]))
    story.session.commit()
    cast.sign_in(client, story.session, story.seat.user)
    page = client.get(f"{story.at}/workers").text
    assert page.count("· held<") == 1 and page.count("· held by another<") == 1


def test_a_run_goes_on_with_as_many_processes_as_it_began_with(client: TestClient, story: stories.Story) -> None:
    run = story.start()
    assert sharing.settle(story.session, run.id, 4) == 4
    assert sharing.settle(story.session, run.id, 8) == 4
    story.session.commit()
    assert (choosing.best(story.session, 2), choosing.best(story.session, 4)) == (None, run.id)
    cast.sign_in(client, story.session, story.seat.user)
    assert "It goes on with 4 processes" in client.get(f"{story.at}/{run.id}").text


def test_what_is_shared_out_are_the_recipes_that_meet_other_processes() -> None:
    meeting = {path.stem for path in (ROOT / "ml" / "recipes").glob("*.py") if "parallel.start(" in path.read_text()}
    assert set(launch.SEVERAL) == meeting


def test_what_a_process_of_several_refused_is_found_in_the_report_of_torchrun() -> None:
    assert launch.unwrapped(1, REPORT) == (2, "NoPairs: pairs.jsonl has no pair")
    assert launch.unwrapped(-9, REPORT) == (-9, REPORT)
    assert launch.unwrapped(1, "ValueError: alone") == (1, "ValueError: alone")


def test_a_process_of_several_ends_with_its_launcher(tmp_path: Path) -> None:
    child = (
        "from ml.launched import die_with_launcher as d; d(); print('here', flush=True); import time; time.sleep(600)"
    )
    launcher = f"""import os, pathlib, subprocess, sys, time
started = subprocess.Popen([sys.executable, "-c", {child!r}], stdout=subprocess.PIPE, start_new_session=True)
started.stdout.readline()
pathlib.Path(sys.argv[1]).write_text(str(started.pid))
time.sleep(600)"""
    note = tmp_path / "pid"
    around = os.environ | {launched.MARK: "a run"}
    running = subprocess.Popen([sys.executable, "-c", launcher, str(note)], env=around, cwd=ROOT)
    patiently(lambda: note.exists() and note.read_text())
    assert is_alive(int(note.read_text()))
    running.kill()
    running.wait()
    patiently(lambda: not is_alive(int(note.read_text())))


@pytest.mark.timeout(300)
def test_two_processes_train_one_run_under_the_worker(story: stories.Story, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, RUN_PROCESSES="2", TRAINER_GPUS="none")
    texts = tiny.texts_of([storage.dataset_folder(story.dataset.id) / "samples.jsonl"])
    tiny.build(story.base, texts, width=48, layers=1, vision_width=32, vision_layers=1, vocabulary=500, max_pixels=4096)
    quick = {"critiques": "none", "epochs": 1, "samples_per_batch": 1, "accumulate": 1, "train_limit": 4}
    run = story.start(config={"base": str(story.base), "checkpoint_every": 1, **quick})
    jobs.perform_run(run.id)
    ended = again(story, run)
    assert (queries.state_of(ended), ended.processes) == ("done", 2), ended.log_tail
    folder = storage.run_folder(run.id)
    steps = [line["step"] for line in lines(folder / "metrics.jsonl", "metric", split="train")]
    assert steps == [1, 2], (
        "four samples by two: one process alone would take four steps, and two that did not meet, too"
    )
    assert '"processes": 2' in (folder / "checkpoints" / "step-00000002" / "trainer.json").read_text()
