"""An admin picks samples, sees what comes of it, and cuts tasks from the pick."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.accounts.tables import AuditEntry
from app.projects.guard import Seat
from app.samples.curating_tables import SetAside
from app.samples.picking import Rule, totals
from app.samples.sampling_tables import Sampling
from app.samples.tables import Sample
from app.tasks import samplings
from app.tasks.tables import Task
from tests import cast


@pytest.fixture
def ada(session: Session) -> Seat:
    """Ada administers Streets: 8 long, 20 short and 4 questions with options in two clusters, and 3 videos."""
    ada = cast.user(session, "Ada", is_admin=False)
    project = cast.project(session, ada, "Streets")
    for group, size in (("long", 8), ("short", 20), ("mcq", 4)):
        for place in range(size):
            cast.sample(session, project, f"{group} {place}", 2, question_type=group, cluster=f"c{place % 2}")
    for place in range(3):
        cast.sample(session, project, f"video {place}", 1, domain="video")
    session.commit()
    return cast.seat(session, ada, project, "admin")


@pytest.fixture
def client_of_ada(ada: Seat, client: TestClient, session: Session) -> TestClient:
    return cast.sign_in(client, session, ada.user)


def rule(**changes: object) -> Rule:
    return Rule(**{"per_cluster": 10, **changes})  # type: ignore[arg-type]


def test_a_pick_is_kept_with_its_rule_and_its_hash(session: Session, ada: Seat) -> None:
    row = samplings.make(session, ada, "", rule(seed=7), fresh=True)
    assert (row.size, row.name, row.raw["short"]) == (23, "Sampling with seed 7", 20)
    got = totals(samplings.picked(session, row))
    assert (got["long"], got["short"], got["mcq"], got["video"]) == (8, 10, 2, 3)
    again = samplings.make(session, ada, "again", rule(seed=7), fresh=True)
    assert again.sha256 == row.sha256
    assert samplings.make(session, ada, "other", rule(seed=8), fresh=True).sha256 != row.sha256
    assert session.scalar(sa.select(sa.func.count()).where(AuditEntry.action == "samples.picked")) == 3


def test_the_form_counts_what_the_pick_then_picks(session: Session, ada: Seat, client_of_ada: TestClient) -> None:
    sent = {"per_cluster": "5", "weight-long": "1", "weight-short": "1", "weight-mcq": "0", "video": "2", "hold": "on"}
    part = client_of_ada.get("/projects/streets/samplings/composition", params=sent).text
    assert "<strong>12</strong>" in part
    page = client_of_ada.post("/projects/streets/samplings", data=sent)
    assert (page.status_code, session.scalars(sa.select(Sampling.size)).one()) == (200, 12)
    assert "<strong>12</strong>" in page.text


def test_tasks_are_cut_for_what_was_picked_and_can_be_judged(
    session: Session, ada: Seat, client_of_ada: TestClient
) -> None:
    row = samplings.make(session, ada, "", rule(per_cluster=3), fresh=True)
    session.commit()
    assert samplings.standing(session, row) == {"judgeable": 6, "cut": 0}
    answer = client_of_ada.post(f"/projects/streets/samplings/{row.id}/tasks")
    assert answer.status_code == 200
    ids = set(session.scalars(sa.select(Task.sample_id)))
    assert len(ids) == 6
    assert ids <= set(session.scalars(samplings.within(sa.select(Sample.id), row.id)))
    assert samplings.standing(session, row)["cut"] == 6
    before = session.scalar(sa.select(sa.func.count()).select_from(Task))
    client_of_ada.post(f"/projects/streets/samplings/{row.id}/tasks")
    assert session.scalar(sa.select(sa.func.count()).select_from(Task)) == before, "twice is harmless"
    left = samplings.make(session, ada, "", rule(), fresh=True)
    assert not ids & set(session.scalars(samplings.within(sa.select(Sample.id), left.id)))
    assert (
        client_of_ada.get(f"/projects/streets/samples?sampling={row.id}").text.count('<td class="thumb">') == row.size
    )


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"per_cluster": "-1"}, "per_cluster"),
        ({"per_cluster": "9" * 30}, "per_cluster"),
        ({"seed": "x"}, "seed"),
        ({"weight-long": "0", "weight-short": "0", "weight-mcq": "0"}, "weight-long"),
        ({"name": "x" * 121}, "name"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_named_at_its_field(
    session: Session, ada: Seat, client_of_ada: TestClient, changes: dict[str, str], where: str
) -> None:
    sent = {"per_cluster": "5", "seed": "0", **changes}
    answer = client_of_ada.post("/projects/streets/samplings", data=sent)
    assert (answer.status_code, "BadRule" in answer.text, f'id="{where}-fault"' in answer.text) == (422, True, True)
    told = client_of_ada.post("/projects/streets/samplings", data=sent, headers={"accept": "application/json"})
    assert told.json()["where"] == where
    assert session.scalar(sa.select(sa.func.count()).select_from(Sampling)) == 0


def test_a_rule_that_picks_nothing_is_refused(ada: Seat, client_of_ada: TestClient) -> None:
    answer = client_of_ada.post("/projects/streets/samplings", data={"per_cluster": "0", "video": "0", "safety": "0"})
    assert (answer.status_code, "NothingPicked" in answer.text) == (409, True)


def test_a_project_without_samples_to_pick_says_what_to_do(
    ada: Seat, client_of_ada: TestClient, session: Session
) -> None:
    assert "nothing to pick from" not in client_of_ada.get("/projects/streets/samplings/new").text
    for row in session.scalars(sa.select(Sample)):
        session.add(SetAside(sample_id=row.id, user_id=ada.user.id))
    session.commit()
    assert "There is nothing to pick from" in client_of_ada.get("/projects/streets/samplings/new").text
