"""Seeding: the demonstration project brought to life with the rooms' own verbs, as the people whose work it is."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import orjson
import sqlalchemy as sa

from app.accounts.tables import User
from app.core import storage
from app.core.db import Session
from app.core.errors import Refusal
from app.demo import content, judging, knowing, media, people
from app.demo.tiny import build_tiny
from app.demo.training import queue_runs
from app.projects import actions as projects
from app.projects import queries as project_queries
from app.projects.guard import Seat
from app.projects.tables import Project
from app.samples.importing import import_samples
from app.samples.tables import Sample
from app.tasks.actions import cut_tasks

SLUG = "demo"
NAME = "Demonstration"
DESCRIPTION = "Photographs of everyday and less everyday things, and what four models said about them."
OVERLAP = 2


class SeedFailed(Refusal):
    """The demonstration's content does not fit the platform."""

    status = 500


@dataclass(frozen=True)
class Seeded:
    """What seeding did; `already` when there was nothing left to do."""

    slug: str
    passwords_file: Path
    already: bool = False
    samples: int = 0
    annotations: int = 0
    reviews: int = 0
    runs: int = 0


def seed(session: Session, data_folder: Path) -> Seeded:
    """Make the demonstration project with its people and their work. Twice is harmless.

    data_folder: where the passwords are kept. Raises MediumMissing, NoTinyModel, SeedFailed.
    The runs are only queued: the worker executes them.
    """
    if project_queries.project_by_slug(session, SLUG):
        return Seeded(SLUG, people.passwords_file(data_folder), already=True)
    base = build_tiny(storage.root() / "models" / "tiny")
    users = people.add_people(session, people.passwords(data_folder))
    project = _project(session, users)
    seats = {
        name: Seat(user, project, project_queries.roles_of(session, user, project)) for name, user in users.items()
    }
    _import(session, project, users["admin"])
    cut_tasks(session, project, users["admin"])
    done = judging.annotate_as_ana(session, seats["ana"]) + judging.annotate_as_ben(session, seats["ben"])
    reviews = judging.review_as_rosa(session, seats["rosa"], seats, _ids(session, project))
    judging.decide_as_rosa(session, seats["rosa"], seats, _ids(session, project))
    knowing.make_gold(session, seats["admin"], _ids(session, project))
    queued = len(queue_runs(session, seats["rui"], base))
    return Seeded(SLUG, people.passwords_file(data_folder), False, len(content.samples()), done, reviews, queued)


def _project(session: Session, users: dict[str, User]) -> Project:
    project = projects.create(session, users["admin"], NAME, SLUG, overlap=OVERLAP)
    projects.change_settings(
        session, users["admin"], project, NAME, DESCRIPTION, content.guidelines(), OVERLAP, project.lease_minutes
    )
    for person in people.PEOPLE.values():
        projects.give_role(session, users["admin"], project, person.email, person.role)
    return project


def _import(session: Session, project: Project, author: User) -> None:
    with tempfile.TemporaryDirectory(prefix="assay-demo-") as folder:
        files = {key: media.export(medium, Path(folder)) for key, medium in content.media().items()}
        lines = [_line(sample, files) for sample in content.samples()]
        report = import_samples(session, project, lines, Path(folder), author)
    if report.faulty:
        raise SeedFailed(report.faults[0].reason, f"line {report.faults[0].line}, {report.faults[0].field}")


def _line(sample: content.DemoSample, files: dict[str, list[Path]]) -> bytes:
    """The sample as a line of an import file."""
    shown = [content.media()[key] for key in sample.media]
    names = [file.name for medium in shown for file in files[medium.key]]
    film = {"video": media.film_name(shown[0]), "frames": names}
    return orjson.dumps(
        {
            "id": sample.key,
            "prompt": sample.prompt,
            **(film if shown[0].kind == "video" else {"images": names}),
            "domain": sample.domain,
            "question_type": sample.question_type,
            "responses": [{"model": reply.model, "text": reply.text} for reply in sample.responses],
            "alt": " / ".join(medium.alt for medium in shown),
            "credit": "; ".join(dict.fromkeys(medium.credit for medium in shown)),
        }
    )


def _ids(session: Session, project: Project) -> dict[str, int]:
    return {
        sample.external_id: sample.id for sample in session.scalars(sa.select(Sample).filter_by(project_id=project.id))
    }
