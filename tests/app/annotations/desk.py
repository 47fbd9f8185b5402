"""What tests of annotating start from: a project with people, samples and filled-in content."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from app.annotations import actions
from app.annotations.tables import Annotation
from app.projects.guard import Seat
from app.projects.tables import Project
from app.samples.tables import Sample
from app.tasks import actions as tasks
from app.tasks.tables import Lease
from tests import cast


def project(session: Session, samples: int = 2, overlap: int = 1) -> Project:
    alice = cast.user(session, "alice", is_admin=True)
    row = cast.project(session, alice, overlap=overlap)
    for number in range(samples):
        cast.sample(session, row, f"Question {number}")
    tasks.cut_tasks(session, row, alice)
    return row


def annotator(session: Session, at: Project, name: str = "bob") -> Seat:
    return cast.seat(session, cast.user(session, name), at, "annotator")


def reviewer(session: Session, at: Project, name: str = "rosa") -> Seat:
    return cast.seat(session, cast.user(session, name), at, "reviewer")


def lease(session: Session, seat: Seat) -> Lease:
    held = tasks.lease_next(session, seat)
    assert held is not None
    return held


def content(sample: Sample, **changes: Any) -> dict[str, Any]:
    """All nine categories: the responses in their order, each ranked for itself."""
    ids = [str(response.id) for response in sample.responses]
    return {
        "scores": {each: {"helpfulness": 4, "faithfulness": 3, "ethics": 5} for each in ids},
        "reasons": {each: f"Because of {each}" for each in ids},
        "ranking": [[each] for each in ids],
        "tie": False,
        "rank_reason": "The first is complete.",
        **changes,
    }


def annotate(session: Session, seat: Seat, **changes: Any) -> Annotation:
    held = lease(session, seat)
    return actions.submit(session, seat, held.task_id, content(held.task.sample, **changes), f"key {held.id}", 42.0)
