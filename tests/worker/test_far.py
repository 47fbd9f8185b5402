"""Trainers of other machines: own folders, and of the platform's storage nothing but its URL."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from fsspec import register_implementation
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from sqlalchemy.orm import Session

from app.core import storage
from app.core.db import transaction
from app.core.settings import settings
from app.datasets.folder import seal
from app.runs import actions, kinds, needs, queries, repeats
from app.runs.needs import Need
from app.runs.tables import Checkpoint, Metric, Run
from ml.base import base_of
from tests.app.runs import stories
from tests.worker.test_cards import ROOT
from tests.worker.test_performing import again
from tests.worker.test_process import patiently
from worker import exchange, jobs, watching
from worker.away import SUMS, Away, InputAbsent, InputDamaged


@pytest.fixture
def story(session: Session) -> stories.Story:
    """Rita's dataset is sealed, as freezing does."""
    story = stories.begin(session)
    story.dataset.sha256 = seal(storage.dataset_folder(story.dataset.id))
    session.commit()
    return story


def host(name: Path, run: Run, database_url: str, **more: str) -> subprocess.Popen[bytes]:
    """A trainer on a machine of its own, asked for a run."""
    told = {
        "DATABASE_URL": database_url,
        "STORAGE_URL": f"file://{storage.root()}",
        "TRAINER_FOLDER": str(name),
        "ASSAY_DATA": str(name / "data"),
        "TRAINER_GPUS": "none",
        **more,
    }
    return subprocess.Popen([sys.executable, "-m", "tests.worker.far", str(run.id)], cwd=ROOT, env=os.environ | told)


def metrics(run: Run) -> list[tuple[str, int]]:
    with transaction() as session:
        rows = session.scalars(sa.select(Metric).where(Metric.run_id == run.id).order_by(Metric.id))
        return [(row.kind, row.payload["step"]) for row in rows if row.kind in ("metric", "checkpoint")]


def silent(run: Run) -> None:
    """As if the trainer had been silent for long."""
    with transaction() as session:
        long_ago = sa.func.now() - sa.text("interval '2 minutes'")
        session.execute(sa.update(Run).where(Run.id == run.id).values(heartbeat_at=long_ago))


def test_a_second_machine_goes_on_where_the_first_was_killed(
    story: stories.Story, database_url: str, tmp_path: Path
) -> None:
    run = story.start()
    left = storage.run_folder(run.id)
    first = host(tmp_path / "first", run, database_url, HOLD_AT="3")
    patiently(lambda: (left / "checkpoints" / "step-00000002" / SUMS).exists() and ("metric", 3) in metrics(run), 60)
    assert not (left / "inputs").exists(), "what it reads it has in its own folder"
    assert (tmp_path / "first" / "datasets" / str(story.dataset.id) / "samples.jsonl").is_file()
    first.kill()
    first.wait()
    silent(run)
    second = host(tmp_path / "second", run, database_url)
    assert second.wait(120) == 0
    ended = again(story, run)
    assert (queries.state_of(ended), ended.failure, ended.fence) == ("done", None, 2)
    assert "went on after 2" in ended.log_tail
    steps = [step for kind, step in metrics(run) if kind == "metric"]
    assert steps == [1, 2, 3, 4, 5, 6], "step 3 was done twice and is kept once"
    assert [path.name for path in (left / "checkpoints").iterdir()] == ["step-00000006"]
    assert (left / "checkpoints" / "step-00000006" / "weights.bin").read_text() == "6"
    (kept,) = story.session.scalars(sa.select(Checkpoint))
    assert kept.sha256 == kinds.sha256_of_folder(left / "output" / "checkpoint")
    assert not list(left.rglob("*.aside")) and (left / "result.json").is_file()
    assert not (tmp_path / "second" / "runs" / str(run.id)).exists(), "the storage has all of it"


def test_a_machine_refuses_inputs_that_are_not_what_was_frozen(
    story: stories.Story, database_url: str, tmp_path: Path
) -> None:
    run = story.start()
    with (storage.dataset_folder(story.dataset.id) / "samples.jsonl").open("a") as file:
        file.write("\n")
    assert host(tmp_path / "far", run, database_url).wait(120) == 0
    ended = again(story, run)
    assert queries.state_of(ended) == "failed"
    assert (ended.failure or "").startswith("InputDamaged: datasets/1/samples.jsonl is not what it was")
    assert not (tmp_path / "far" / "datasets" / "1").exists()


def test_folders_go_whole_through_any_storage_that_has_a_url(tmp_path: Path) -> None:
    here = tmp_path / "here"
    (here / "deep").mkdir(parents=True)
    (here / "a.txt").write_text("a")
    (here / "deep" / "b.txt").write_text("bb")
    for url in (f"file://{tmp_path / 'there'}", "memory://there"):
        away = Away(url)
        for mark in ("1", "2"):  # the second takes the place of the first
            away.put_folder(here, "runs/1/checkpoints/step-1", mark)
        assert away.entries("runs/1/checkpoints") == {"step-1": True}
        assert set(away.sizes("runs/1/checkpoints/step-1")) == {"a.txt", "deep/b.txt", SUMS}
        away.get_folder("runs/1/checkpoints/step-1", tmp_path / "back")
        assert (tmp_path / "back" / "deep" / "b.txt").read_text() == "bb"
        away.write("runs/1/checkpoints/step-1/deep/b.txt", b"cc")
        with pytest.raises(InputDamaged, match=r"step-1/deep/b\.txt"):
            away.get_folder("runs/1/checkpoints/step-1", tmp_path / "damaged")
        assert not (tmp_path / "damaged").exists()
        with pytest.raises(InputAbsent):
            away.get_folder("runs/9", tmp_path / "nothing")


def test_a_run_that_is_cancelled_while_its_inputs_come_ends_at_once(
    story: stories.Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, home, came, given_up = story.start(), storage.root(), threading.Event(), threading.Event()

    class Slow(LocalFileSystem):
        """As over a line on which nothing moves until it is given up."""

        protocol = "slow"

        def get_file(self, *args: object, **named: object) -> None:
            came.set()
            given_up.wait(60)
            super().get_file(*args, **named)

    register_implementation("slow", Slow, clobber=True)
    monkeypatch.setenv("STORAGE_URL", f"slow://{home}")
    monkeypatch.setenv("TRAINER_FOLDER", str(tmp_path / "far"))
    settings.cache_clear()
    monkeypatch.setattr(watching, "BEAT_WHILE_READING", 0.05)
    rest = exchange.Exchange.rest

    def gives_up(self: exchange.Exchange) -> None:
        rest(self)
        given_up.set()

    monkeypatch.setattr(exchange.Exchange, "rest", gives_up)
    work = threading.Thread(target=jobs.perform_run, args=(run.id,))
    work.start()
    assert came.wait(60)
    with transaction() as session:
        actions.cancel(session, story.seat, run.id, "the wrong one")
    work.join(60)
    assert not work.is_alive()
    ended = again(story, run)
    assert (queries.state_of(ended), ended.failure) == ("cancelled", None)
    assert not (tmp_path / "far" / "datasets" / "1").exists()


class Renames(MemoryFileSystem):
    """A driver like that of sftp, which renames and takes no further word."""

    protocol = "renames"

    def mv(self, old: str, new: str) -> None:
        super().mv(old, new, recursive=True)


def test_a_driver_that_only_renames_serves_too(tmp_path: Path) -> None:
    register_implementation("renames", Renames, clobber=True)
    (tmp_path / "a.txt").write_text("a")
    away = Away("renames://storage")
    for mark in ("1", "2"):
        away.put_folder(tmp_path, "step-1", mark)
    assert away.entries("") == {"step-1": True}
    away.give_up("step-1")
    assert away.entries("") == {}


def test_what_a_run_needs_of_the_storage_is_named_with_its_hash(story: stories.Story) -> None:
    reward = story.start()
    stories.end(story.session, reward)
    kept = {"run_id": reward.id, "kind": "reward", "path": "output/checkpoint", "sha256": "ab" * 32}
    story.session.add(Checkpoint(**kept))
    score = story.start("score", config={}, inputs={"dataset": story.dataset.id, "reward": reward.id})
    assert needs.of(story.session, score.id) == [
        Need("datasets/1", listed=story.dataset.sha256),
        Need(f"runs/{reward.id}/output/checkpoint", sha256="ab" * 32),
    ]
    assert needs.of(story.session, reward.id)[-1] == Need("models/tiny")
    assert needs.portable("/srv/storage/runs/7/output/merged") == "runs/7/output/merged"
    assert needs.portable("Qwen/Qwen2.5-VL-3B") == needs.portable("/home/me/models") == ""


def test_a_base_that_another_machine_named_is_found_in_this_ones_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "models" / "tiny"
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    monkeypatch.setenv("STORAGE_ROOT", str(tmp_path))
    assert base_of("/srv/elsewhere/models/tiny") == str(place)


def test_lines_that_another_machine_reported_are_put_back_where_they_began(
    story: stories.Story, tmp_path: Path
) -> None:
    run, path = story.start(), tmp_path / "metrics.jsonl"
    path.write_text("")
    lines = [{"kind": "metric", "step": n, "split": "train", "values": {"loss": 1e-05 * n}} for n in (1, 2)]
    rows = [(0, lines[0]), (120, lines[1])]
    story.session.add_all([Metric(run_id=run.id, line=at, kind="metric", payload=said) for at, said in rows])
    story.session.commit()
    repeats.restore(story.session, run.id, path)
    whole = path.read_bytes()
    assert whole.endswith(b"}\n") and whole[119:121] == b"\n{" and whole.count(b"\n") == 2
    path.write_bytes(whole + b"more\n")
    repeats.restore(story.session, run.id, path)
    assert path.read_bytes().endswith(b"more\n"), "a file that holds them is left alone"
    known = repeats.last_steps(story.session, run.id)
    assert repeats.is_repeated(lines[1], known) and not repeats.is_repeated(lines[1] | {"step": 3}, known)
    assert not repeats.is_repeated(lines[1] | {"split": "held_out"}, known)


def test_the_storage_of_a_far_trainer_is_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_URL", "sftp://platform/srv/storage")
    monkeypatch.setenv("TRAINER_FOLDER", str(tmp_path / "far"))
    settings.cache_clear()
    assert storage.root() == tmp_path / "far"
