"""The first page of each role says what to do now."""

from __future__ import annotations

import errno
import re

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.overview import pages, queries
from app.samples.tables import Sample
from app.tasks import gold
from app.tasks.actions import cut_tasks
from tests import cast
from tests.app.annotations import desk


def test_an_empty_project_asks_its_admin_for_samples(session: Session) -> None:
    alice = cast.user(session, "alice")
    seat = cast.seat(session, alice, cast.project(session, alice))
    counts = queries.counts(session, seat.project.id)
    assert pages.primary_action(session, seat, counts).label == "Import samples"


def test_samples_without_tasks_ask_for_cutting(session: Session) -> None:
    alice = cast.user(session, "alice")
    seat = cast.seat(session, alice, cast.project(session, alice))
    cast.sample(session, seat.project)
    counts = queries.counts(session, seat.project.id)
    assert pages.primary_action(session, seat, counts).label == "Cut tasks"


def test_an_annotator_is_led_to_the_next_task(session: Session) -> None:
    alice, bob = cast.user(session, "alice"), cast.user(session, "bob")
    project = cast.project(session, alice)
    seat = cast.seat(session, bob, project, "annotator")
    cast.sample(session, project)
    cut_tasks(session, project, alice)
    counts = queries.counts(session, project.id)
    assert (counts["samples"], counts["tasks"], counts["done"]) == (1, 1, 0)
    assert pages.primary_action(session, seat, counts).label == "Annotate"


def test_a_newcomer_practises_before_the_queue_where_there_are_worked_examples(session: Session) -> None:
    at = desk.project(session, samples=3)
    bob, boss = desk.annotator(session, at), cast.seat(session, cast.user(session, "carol"), at, "admin")
    example = session.scalars(sa.select(Sample)).first()
    assert example
    gold.make(
        session, boss, example.id, "practice", {str(example.responses[0].id): {"ethics": 5}}, [], 1, "It is safe."
    )
    assert pages.primary_action(session, bob, queries.counts(session, at.id)).href == "/projects/streets/practice"
    desk.annotate(session, bob)
    assert pages.primary_action(session, bob, queries.counts(session, at.id)).label == "Annotate"


@pytest.mark.parametrize("role", ["annotator", "reviewer", "researcher", "admin"])
def test_every_role_can_open_its_first_pages(client: TestClient, session: Session, role: str) -> None:
    alice, bob = cast.user(session, "alice"), cast.user(session, "bob")
    cast.seat(session, bob, cast.project(session, alice), role)
    cast.sign_in(client, session, bob)
    assert client.get("/").status_code == 200
    assert "Streets" in client.get("/projects/streets").text


def test_an_admin_sees_people_settings_and_the_log_of_changes(client: TestClient, session: Session) -> None:
    alice = cast.user(session, "alice", is_admin=True)
    cast.project(session, alice)
    cast.sign_in(client, session, alice)
    answer = client.get("/projects/streets/settings")
    assert answer.status_code == 200
    assert "alice@example.org" in answer.text
    assert client.get("/projects/new").status_code == 200
    assert client.get("/style-guide").status_code == 200


def test_someone_new_is_invited_with_a_link_shown_once(client: TestClient, session: Session) -> None:
    alice = cast.user(session, "alice")
    cast.project(session, alice)
    cast.sign_in(client, session, alice)
    form = {"email": "dora@example.org", "name": "Dora", "role": "annotator"}
    answer = client.post("/projects/streets/people", data=form)
    assert answer.status_code == 201
    assert "/password-links/" in answer.text


def test_the_process_says_that_it_is_alive(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}


def test_a_broker_that_is_away_is_named(client: TestClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert [answer.json()[part] for part in ("database", "migrations", "storage")] == ["ok"] * 3
    assert answer.json()["broker"] != "ok"


def test_a_schema_of_another_version_is_not_ready(client: TestClient, session: Session) -> None:
    session.execute(sa.text("UPDATE alembic_version SET version_num = 'of_another_version'"))
    session.commit()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert (answer.json()["database"], answer.json()["migrations"]) == ("ok", "SchemaBehind")


def test_a_storage_that_takes_nothing_is_named(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("app.overview.health.tempfile.mkstemp", full)
    assert client.get("/readyz").json()["storage"] == "OSError"


def test_every_answer_names_its_request(client: TestClient) -> None:
    given = client.get("/healthz", headers={"x-request-id": "proxy-4711"})
    assert given.headers["x-request-id"] == "proxy-4711"
    forged = client.get("/nowhere", headers={"x-request-id": "forged line=1 level=info"})
    assert re.fullmatch("[0-9a-f]{16}", forged.headers["x-request-id"])
