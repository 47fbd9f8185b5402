"""Seeding: the demonstration as people find it, and what a second seeding leaves alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import actions as accounts
from app.accounts.tables import User
from app.annotations.tables import Adjudication, Annotation, Draft, Review
from app.core import db, jobs, storage
from app.core.settings import settings
from app.datasets.tables import Dataset
from app.demo import content, people
from app.demo.seed import SLUG, Seeded, seed
from app.projects.guard import Seat
from app.projects.tables import Project
from app.runs import queries as runs
from app.runs.tables import Run
from app.samples.tables import Medium, Sample
from app.tasks import actions as tasks
from app.tasks.tables import Lease, Skip, Task
from tests.conftest import TEMPLATE


@dataclass(frozen=True)
class World:
    """One seeded platform for all tests of this file, which only look at it."""

    folder: Path
    url: str
    seeded: Seeded


@contextmanager
def living_in(folder: Path, url: str) -> Iterator[None]:
    """The settings name this folder and this database inside the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        patch.setenv("STORAGE_URL", str(folder / "storage"))
        patch.setenv("BROKER_URL", "memory://")
        forget()
        yield
        db.engine().dispose()
    forget()


def forget() -> None:
    settings.cache_clear()
    db.engine.cache_clear()
    jobs.sender.cache_clear()


@pytest.fixture(scope="module")
def world(postgres: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, url = tmp_path_factory.mktemp("demo"), postgres("demonstration")
    with psycopg.connect(postgres("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE demonstration TEMPLATE {TEMPLATE}")
        with living_in(folder, url), db.transaction() as session:
            seeded = seed(session, folder)
        yield World(folder, url, seeded)
        admin.execute("DROP DATABASE demonstration WITH (FORCE)")


@pytest.fixture
def house(world: World) -> Path:
    return world.folder


@pytest.fixture
def seeded(world: World) -> Seeded:
    return world.seeded


@pytest.fixture
def session(world: World, environment: None) -> Iterator[Session]:
    with living_in(world.folder, world.url), db.make_session() as session:
        yield session


def count(session: Session, table: type) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def annotations(session: Session, email: str) -> list[Annotation]:
    return list(session.scalars(sa.select(Annotation).join(User).where(User.email == email)))


def test_the_project_has_its_people_its_samples_and_half_of_the_work(session: Session, seeded: Seeded) -> None:
    assert seeded.samples == count(session, Sample) == len(content.samples())
    assert count(session, Task) == 2 * seeded.samples + 1, "one task replaces the rejected annotation's"
    mine, his = annotations(session, "ana@example.org"), annotations(session, "ben@example.org")
    assert len(mine) == content.ANA_HAS_JUDGED
    assert len({each.sample_id for each in mine} & {each.sample_id for each in his}) >= 12
    assert count(session, Draft) == 0
    assert count(session, Skip) == 1
    assert session.scalars(sa.select(Lease).where(Lease.ended_at.is_(None))).all() == []


def test_the_reviews_leave_twenty_samples_with_good_annotations(session: Session, seeded: Seeded) -> None:
    states = Counter(each.state for each in session.scalars(sa.select(Annotation)))
    good = {
        each.sample_id for each in session.scalars(sa.select(Annotation)) if each.state in ("accepted", "corrected")
    }
    assert seeded.reviews == count(session, Review) - states["adjudicated"]
    assert set(states) == {"accepted", "corrected", "returned", "rejected", "submitted", "adjudicated"}
    assert len(good) >= 20


def test_rosa_has_decided_over_a_sample_and_returned_another_at_its_places(session: Session, seeded: Seeded) -> None:
    decision = session.scalars(sa.select(Adjudication)).one()
    assert (decision.sample.external_id, len(decision.revisions)) == (content.decisions()[0].sample, 2)
    returned = session.scalars(sa.select(Review).where(Review.verdict == "return")).one()
    assert len(returned.remarks) == 2
    assert not any("demo-" in str(remark) for remark in returned.remarks)


def test_letters_in_a_rank_reason_are_those_that_the_annotator_saw(session: Session, seeded: Seeded) -> None:
    sample = next(each for each in content.samples() if each.key == "cat-eyes")
    mine = session.scalars(
        sa.select(Annotation).join(Sample).join(User).where(Sample.external_id == sample.key, User.name == "Ana")
    ).one()
    best = next(response.id for response in mine.sample.responses if response.model == "demo-a")
    assert mine.latest.content["rank_reason"].startswith(f"Only {'ABCD'[mine.order.index(best)]} answers.")


def test_ben_finds_what_was_returned_to_him_first_and_ana_something_new(session: Session, seeded: Seeded) -> None:
    project = session.scalars(sa.select(Project)).one()
    nexts = {}
    for name in ("Ana", "Ben"):
        user = session.scalars(sa.select(User).where(User.name == name)).one()
        lease = tasks.lease_next(session, Seat(user, project, frozenset({"annotator"})))
        assert lease
        nexts[name] = lease.task.sample.external_id
    session.rollback()
    returned = next(each.sample for each in content.verdicts() if each.verdict == "return")
    assert nexts == {"Ana": content.samples()[content.ANA_HAS_JUDGED].key, "Ben": returned}


def test_a_correction_changes_what_it_names_and_nothing_else(session: Session, seeded: Seeded) -> None:
    corrected = next(each for each in session.scalars(sa.select(Annotation)) if each.state == "corrected")
    before, after = (revision.content for revision in corrected.revisions)
    assert {key for key in after if after[key] != before[key]} == {"scores", "reasons"}
    assert corrected.latest.author.name == "Rosa"


def test_every_picture_has_words_for_who_cannot_see_it_and_a_credit(session: Session, seeded: Seeded) -> None:
    assert all(medium.alt for medium in session.scalars(sa.select(Medium)))
    assert all("carried by the package" in sample.credit for sample in session.scalars(sa.select(Sample)))
    frames = Counter(medium.sample_id for medium in session.scalars(sa.select(Medium).where(Medium.kind == "frame")))
    assert sorted(frames.values()) == [6, 8]


def test_the_passwords_open_the_accounts_and_are_readable_by_the_owner_alone(
    session: Session, house: Path, seeded: Seeded
) -> None:
    assert seeded.passwords_file.stat().st_mode & 0o777 == 0o600
    known = people.passwords(house)
    assert len(set(known.values())) == len(people.PEOPLE)
    for email, password in known.items():
        assert accounts.sign_in(session, email, password)


def test_passwords_differ_from_one_machine_to_the_next(tmp_path: Path) -> None:
    here, there = people.passwords(tmp_path / "here"), people.passwords(tmp_path / "there")
    assert not set(here.values()) & set(there.values())
    assert people.passwords(tmp_path / "here") == here


def test_a_dataset_is_frozen_from_which_training_can_start(session: Session, seeded: Seeded) -> None:
    folder = storage.dataset_folder(session.scalars(sa.select(Dataset.id)).one())
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    pairs = [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()]
    held_out = [sample for sample in samples if sample["split"] == "held_out"]
    origins = {response["origin"] for sample in samples for response in sample["responses"]}
    assert len(samples) >= 20
    assert len(pairs) > 80
    assert len(held_out) >= 4
    assert len({sample["question_type"] for sample in held_out}) >= 2
    assert origins == {"model", "positive", "negative"}
    assert all(response["critique"] for sample in samples for response in sample["responses"] if response["model"])


def test_one_run_of_each_recipe_waits_for_its_turn_on_the_tiny_model(session: Session, seeded: Seeded) -> None:
    queued = list(session.scalars(sa.select(Run).order_by(Run.id)))
    assert [run.recipe for run in queued] == ["expand", "reward", "score", "mm_dpo", "evaluate", "cluster"]
    assert all(run.claimed_by is None and run.result is None for run in queued)
    assert {run.author.name for run in queued} == {"Rui"}
    assert (Path(queued[1].config["base"]) / "model.safetensors").is_file()
    ready = [run.recipe for run in queued if not runs.waits_for(session, run)]
    assert ready == ["expand", "reward", "cluster"]


def test_seeding_twice_changes_nothing(session: Session, house: Path, seeded: Seeded) -> None:
    tables = (Project, User, Sample, Task, Annotation, Review, Dataset, Run)
    before = [count(session, table) for table in tables]
    written = seeded.passwords_file.read_text()
    again = seed(session, house)
    assert again.already
    assert again.slug == SLUG
    assert [count(session, table) for table in tables] == before
    assert seeded.passwords_file.read_text() == written
