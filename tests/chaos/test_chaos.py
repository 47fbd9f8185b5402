"""Whatever is killed, whenever: what was acknowledged is there once, nobody exceeds an overlap, every run goes on.

Twenty annotators over HTTP (half of them by a slow network that loses connections), two trainers, and an operator who
kills web, worker, trainers, beat, broker and PostgreSQL by kill -9 and fills the disk. A round of it here; minutes by

    CHAOS_SECONDS=240 .venv/bin/python -m pytest tests/chaos -s -o timeout=900

CHAOS_SEED repeats the operator's dice. The figures are printed at the end.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.accounts import log
from app.core import db, storage
from app.core.db import transaction
from app.core.settings import settings
from app.runs.tables import Metric, Run
from benchmarks.serving import Platform
from tests.app.embedded.waiting import eventually
from tests.app.runs import stories
from tests.chaos.annotators import SLUG, Annotator
from tests.chaos.network import SlowNetwork
from tests.chaos.operator import House, opened, trouble
from tests.chaos.recipe import STEPS, WEIGHTS, weights

SECONDS = float(os.environ.get("CHAOS_SECONDS", "0"))
SEED = int(os.environ.get("CHAOS_SEED", "7"))
PEOPLE, OVERLAP = 20, 2
SHARE = 3 if not SECONDS else 10**6
RUNS = 4 if not SECONDS else int(SECONDS / 4)


@pytest.fixture
def house(environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with opened() as found:
        told = found.told()
        for name in ("DATABASE_URL", "STORAGE_URL", "SECRET_KEY"):
            monkeypatch.setenv(name, told[name])
        settings.cache_clear()
        db.engine.cache_clear()
        yield found
        db.engine().dispose()
        db.engine.cache_clear()


def annotators(house: House, dice: random.Random, network: SlowNetwork, ending: threading.Event) -> list[Annotator]:
    """A project in which each sample is asked for twice, and people who are signed in."""
    platform = Platform(f"http://127.0.0.1:{house.port}", house.folder, db.engine().url.render_as_string(False))
    secrets = platform.people(PEOPLE)
    samples = PEOPLE * 3 if not SECONDS else 40_000
    platform.queue(SLUG, samples)
    platform.rows(f"UPDATE projects SET overlap = {OVERLAP} WHERE slug = :slug", slug=SLUG)
    platform.rows(
        "INSERT INTO tasks (project_id, sample_id, slot, priority, lane_id, out_of_turn) "
        "SELECT project_id, sample_id, 1, 0, lane_id, false FROM tasks"
    )
    ports = (house.port, network.port)
    return [
        Annotator(number, secret, ports[number % 2], SHARE, random.Random(dice.random()), ending)
        for number, secret in enumerate(secrets)
    ]


def start_runs() -> None:
    with transaction() as session:
        story = stories.begin(session)
        for number in range(RUNS):
            story.start(name=f"run {number}")


def test_nothing_acknowledged_is_lost_whatever_is_killed(house: House) -> None:
    print(f"\nCHAOS_SEED={SEED}")
    dice, ending = random.Random(SEED), threading.Event()
    network = SlowNetwork(house.port, random.Random(dice.random()))
    crowd = annotators(house, dice, network, ending)
    start_runs()
    for person in crowd:
        person.start()
    trouble(house, dice, SECONDS)
    if SECONDS:
        ending.set()
    for person in crowd:
        person.join(120)
    assert not any(person.is_alive() for person in crowd), house.log[-2000:]
    network.close()
    eventually(lambda: not open_runs(), seconds=200)
    found = figures(house, crowd, network)
    print(" · ".join(f"{name} {value}" for name, value in found.items()))
    assert [surprise for person in crowd for surprise in person.surprises] == []
    every_acknowledged_annotation_is_there_once(crowd)
    no_overlap_is_exceeded()
    every_run_was_done_once(house)
    the_log_verifies()
    assert set(house.kills) == {"web", "desk", "trainer", "trainer-2", "beat", "broker", "database"}
    assert house.filled or not house.is_mounted


def figures(house: House, crowd: list[Annotator], network: SlowNetwork) -> dict[str, Any]:
    asked = sum((person.asked for person in crowd), Counter[str]())
    return {
        "kills": house.kills.total(),
        "disk filled": house.filled if house.is_mounted else "not (no right to mount)",
        "connections lost": network.lost,
        "requests": asked.total(),
        **dict(asked),
        "drafts read again": sum(person.reloads for person in crowd),
        "annotations acknowledged": sum(len(person.acknowledged) for person in crowd),
        "lost": len(missing(crowd)),
        "runs": RUNS,
        "ended by the full disk": rows("SELECT count(*) FROM runs WHERE failure IS NOT NULL")[0][0],
    }


def rows(statement: str) -> list[Any]:
    with transaction() as session:
        return list(session.execute(sa.text(statement)))


def open_runs() -> int:
    try:
        return int(rows("SELECT count(*) FROM runs WHERE ended_at IS NULL")[0][0])
    except sa.exc.OperationalError:  # it is just being started again
        return 1


def kept() -> dict[str, list[str]]:
    """Key → the reasons of the annotations that were made under it."""
    found: dict[str, list[str]] = {}
    query = """SELECT a.idempotency_key, r.content ->> 'rank_reason' FROM annotations a
      JOIN revisions r ON r.annotation_id = a.id"""
    for key, reason in rows(query):
        found.setdefault(key, []).append(reason)
    return found


def missing(crowd: list[Annotator]) -> list[str]:
    there = kept()
    return [key for person in crowd for key, reason in person.acknowledged.items() if there.get(key) != [reason]]


def every_acknowledged_annotation_is_there_once(crowd: list[Annotator]) -> None:
    assert missing(crowd) == []
    assert sum(len(person.acknowledged) for person in crowd) >= PEOPLE


def no_overlap_is_exceeded() -> None:
    of_a_sample = "SELECT sample_id FROM annotations GROUP BY sample_id HAVING count(*) >"
    assert rows(f"{of_a_sample} {OVERLAP}") == []
    assert rows("SELECT 1 FROM annotations GROUP BY user_id, sample_id HAVING count(*) > 1") == []
    assert rows("SELECT 1 FROM annotations GROUP BY task_id HAVING count(*) > 1") == []
    assert rows("SELECT 1 FROM leases WHERE ended_at IS NULL GROUP BY task_id HAVING count(*) > 1") == []


def every_run_was_done_once(house: House) -> None:
    with transaction() as session:
        runs = list(session.scalars(sa.select(Run)))
        said = session.execute(
            sa.select(Metric.run_id, Metric.payload["step"].as_integer())
            .where(Metric.kind == "metric")
            .order_by(Metric.id)
        )
        steps: dict[int, list[int]] = {}
        for run_id, step in said:
            steps.setdefault(run_id, []).append(step)
    assert len(runs) == RUNS
    for run in runs:
        folder = storage.run_folder(run.id)
        assert not (folder / "doubled").exists(), "two trainers executed one run at once"
        assert run.failure is None or house.filled, run.failure  # a full disk may end a run; a kill may not
        assert run.failure or steps[run.id] == list(range(1, STEPS + 1)), (run.id, steps)
        assert len(set(steps.get(run.id, []))) == len(steps.get(run.id, [])), "a step's figures are kept twice"
        no_checkpoint_is_half(folder)


def no_checkpoint_is_half(folder: Path) -> None:
    for place in (folder / "checkpoints").glob("step-*"):
        if place.suffix != ".aside":
            assert (place / WEIGHTS).read_text() == weights(int(place.name.removeprefix("step-"))), place


def the_log_verifies() -> None:
    with transaction() as session:
        while log.seal(session):
            pass
        verdict = log.verify(session)
    assert verdict.fault is None and verdict.chained > 0, verdict
