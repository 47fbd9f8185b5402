"""Trainers, web, broker and database killed at random moments while real trainings run; then what is left is looked at.

    ROUNDS=50 .venv/bin/python -m benchmarks.kills        KILLS_SEED=3 repeats the dice

A round is one `kill -9`. Before them one training runs undisturbed: every other one must end with its very weights and
its very figures, each step's once, and no checkpoint may be half at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from safetensors import safe_open

from app.core import db, storage
from app.core.db import transaction
from app.core.settings import settings
from app.embedded import linux
from app.runs import queries
from app.runs.tables import Metric, Run
from ml import tiny
from tests.app.embedded.waiting import eventually
from tests.app.runs import stories
from tests.chaos.operator import House, opened

VICTIMS = ("trainer", "web", "broker", "database")
CONFIG = {"objective": "dpo", "epochs": 24, "samples_per_batch": 2, "checkpoint_every": 3, "keep_checkpoints": 2}
RUNS_A_KILL = 0.3
"""Trainings for each kill, so that most are hit more than once."""


@dataclass
class Seen:
    """What was done, and what is wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    """How long a training takes undisturbed; each kill comes within as many after the one before."""
    runs: int = 0
    claims: int = 0
    resumed: int = 0
    checkpoints: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        killed = ", ".join(f"{name} {many}" for name, many in sorted(self.kills.items()))
        did = f"trainings of {self.seconds:.0f} s {self.runs} · claims {self.claims}"
        did += f" · gone on from a checkpoint {self.resumed}"
        read = f"checkpoints read {self.checkpoints} · faults {len(self.faults)}"
        return f"kills {self.kills.total()} ({killed}) · {did} · {read}"


def perform(rounds: int, seed: int) -> Seen:
    """Kill `rounds` times, wait until every run has ended, and look."""
    dice, seen = random.Random(seed), Seen()
    with opened("real") as house, _reached(house):
        story = _story()
        first = _start(story, 0)
        _until_ended(house, [first], seen)
        seen.seconds = _seconds(first)
        runs = [_start(story, number) for number in range(1, 1 + max(1, round(rounds * RUNS_A_KILL)))]
        for victim in _victims(rounds, dice):
            if not _open(runs):  # they were quicker than the dice
                runs.append(_start(story, len(runs) + 1))
            time.sleep(dice.uniform(0.0, seen.seconds))
            eventually(lambda victim=victim: _kill(house, victim, runs), seconds=60)  # type: ignore[misc]
            seen.kills = house.kills
            _look_at_checkpoints([first, *runs], seen)
        _until_ended(house, runs, seen)
        _look_at_ends(first, runs, seen)
    return seen


@contextmanager
def _reached(house: House) -> Iterator[None]:
    """This process speaks to the platform's database and sees its files."""
    told = house.told()
    before = {name: os.environ.get(name) for name in ("DATABASE_URL", "STORAGE_URL", "SECRET_KEY", "BROKER_URL")}
    os.environ.update({name: told[name] for name in before})
    settings.cache_clear()
    db.engine.cache_clear()
    try:
        yield
    finally:
        db.engine().dispose()
        db.engine.cache_clear()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        settings.cache_clear()


def _story() -> stories.Story:
    """A project with a dataset, and a base model of a few hundred thousand weights."""
    with transaction() as session:
        story = stories.begin(session)
        texts = tiny.texts_of([storage.dataset_folder(story.dataset.id) / "samples.jsonl"])
        tiny.build(
            story.base, texts, width=48, layers=2, vision_width=32, vision_layers=1, vocabulary=500, max_pixels=4096
        )
        session.expunge_all()
    return story


def _victims(rounds: int, dice: random.Random) -> Iterator[str]:
    """All of them in turn, each time in another order."""
    for begin in range(0, rounds, len(VICTIMS)):
        yield from dice.sample(VICTIMS, len(VICTIMS))[: rounds - begin]


def _kill(house: House, victim: str, runs: list[int]) -> bool:
    """kill -9; of the trainers the one that is at a run, if any is. False while it is just being started again."""
    before = house.kills.total()
    if victim == "trainer" and (busy := _busy(runs)) is not None and linux.is_alive(busy):
        os.kill(busy, signal.SIGKILL)
        house.kills[victim] += 1
    else:
        house.kill(victim)
    return house.kills.total() > before


def _busy(runs: list[int]) -> int | None:
    """The process number of a trainer that holds a run."""
    held = sa.select(Run.claimed_by).where(Run.id.in_(runs), Run.ended_at.is_(None), Run.claimed_by.is_not(None))
    try:
        with transaction() as session:
            name = session.scalar(held.order_by(Run.heartbeat_at.desc()).limit(1))
    except sa.exc.OperationalError:
        return None
    return int(name.rpartition(":")[2]) if name else None


def _start(story: stories.Story, number: int) -> int:
    found: list[int] = []

    def started() -> bool:
        try:
            with transaction() as session:
                again = stories.Story(session, story.seat, story.dataset, story.base)
                config = {**CONFIG, "base": str(story.base)}
                found.append(again.start("mm_dpo", name=f"training {number}", config=config).id)
        except sa.exc.OperationalError:  # it is just being started again
            return False
        return True

    eventually(started, seconds=60)
    return found[0]


def _open(runs: list[int]) -> int:
    """How many have not ended; all of them while the database is away."""
    try:
        with transaction() as session:
            query = sa.select(sa.func.count()).select_from(Run).where(Run.id.in_(runs), Run.ended_at.is_(None))
            return session.scalar(query) or 0
    except sa.exc.OperationalError:
        return len(runs)


def _until_ended(house: House, runs: list[int], seen: Seen) -> None:
    eventually(lambda: not house.stand() or not _open(runs), seconds=120 + 60 * len(runs))
    assert house.stand(), house.log[-3000:]
    _look_at_checkpoints(runs, seen)


def _look_at_checkpoints(runs: list[int], seen: Seen) -> None:
    """Whatever stands at a checkpoint's place is whole; what a live process gives up meanwhile is no fault."""
    for run in runs:
        for place in sorted((storage.run_folder(run) / "checkpoints").glob("step-*")):
            if place.suffix == ".aside":
                continue
            seen.checkpoints += 1
            if (fault := half(place)) and place.exists():
                seen.faults.append(f"run {run}, {place.name}: {fault}")


def half(place: Path) -> str:
    """What a checkpoint lacks; empty where it can be read whole."""
    try:
        json.loads((place / "trainer.json").read_text())
        for path in place.rglob("*.safetensors"):
            with safe_open(path, "np") as file:
                for name in file.keys():  # noqa: SIM118
                    file.get_tensor(name)
    except Exception as problem:  # whatever a half file makes its reader say
        return f"{type(problem).__name__}: {problem}"
    return "" if list(place.glob("*.safetensors")) else "it holds no weights"


def _look_at_ends(first: int, runs: list[int], seen: Seen) -> None:
    wanted, figures = _weights(first), _figures(first)
    with transaction() as session:
        rows = list(session.scalars(sa.select(Run).where(Run.id.in_(runs)).order_by(Run.id)))
        ends = {run.id: (queries.state_of(run), run.failure, run.fence) for run in rows}
    seen.runs = len(ends)
    for run, (state, failure, fence) in ends.items():
        seen.claims += fence
        seen.resumed += (storage.run_folder(run) / "log.txt").read_text().count("resumed after step")
        if state != "done":
            seen.faults.append(f"run {run} is {state}: {failure}")
        elif _weights(run) != wanted:
            seen.faults.append(f"run {run} ended with other weights than the undisturbed one")
        seen.faults += [f"run {run}, {key}: {fault}" for key, fault in _unlike(_figures(run), figures)]


def _seconds(run: int) -> float:
    with transaction() as session:
        found = session.get_one(Run, run)
        assert found.started_at is not None and found.ended_at is not None
        return (found.ended_at - found.started_at).total_seconds()


def _weights(run: int) -> str:
    """One hash over the tensors' files that the run left."""
    digest = hashlib.sha256()
    for path in sorted((storage.run_folder(run) / "output" / "checkpoint").glob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


Figures = dict[tuple[str, int], list[Any]]


def _figures(run: int) -> Figures:
    """(split, step) → each loss that the database has of it."""
    found: Figures = {}
    with transaction() as session:
        for said in session.scalars(sa.select(Metric.payload).where(Metric.run_id == run, Metric.kind == "metric")):
            found.setdefault((said["split"], said["step"]), []).append(said["values"].get("loss"))
    return found


def _unlike(found: Figures, wanted: Figures) -> Iterator[tuple[str, str]]:
    for split, step in sorted(found.keys() | wanted.keys()):
        ours, theirs = found.get((split, step), []), wanted.get((split, step), [])
        if len(ours) != len(theirs):
            yield f"{split} step {step}", f"reported {len(ours)} times"
        elif ours != theirs:
            yield f"{split} step {step}", f"loss {ours}, undisturbed {theirs}"


def main() -> None:
    rounds, seed = int(os.environ.get("ROUNDS", "50")), int(os.environ.get("KILLS_SEED", "7"))
    began = time.monotonic()
    seen = perform(rounds, seed)
    print(f"KILLS_SEED={seed} · {seen} · minutes {(time.monotonic() - began) / 60:.1f}")
    for fault in seen.faults:
        print(fault)
    raise SystemExit(bool(seen.faults))


if __name__ == "__main__":
    main()
