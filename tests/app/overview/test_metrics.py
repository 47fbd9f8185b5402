"""What a Prometheus server reads: requests by route, and the work that is left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core.settings import settings
from app.main import app
from tests.app.annotations import desk


@pytest.fixture
def machine(client: TestClient) -> Iterator[TestClient]:
    """Somebody on the server's own machine."""
    with TestClient(app, client=("127.0.0.1", 50000)) as here:
        yield here


def read(client: TestClient, **headers: str) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def test_requests_count_by_their_route_and_never_by_their_address(machine: TestClient) -> None:
    before = read(machine)
    for address in ("/projects/one/samples/1", "/projects/two/samples/2", "/made-up-by-a-stranger"):
        machine.get(address)
    after = read(machine)
    grown = {key[1:]: many - before.get(key, 0) for key, many in after.items() if key[0].endswith("_count")}
    assert grown["GET", "/projects/{slug}/samples/{sample_id}", "303"] == 2
    assert grown["GET", "none", "404"] == 1
    assert not any("stranger" in part for key in after for part in key)


def test_the_work_that_is_left_is_read_from_the_database(machine: TestClient, session: Session) -> None:
    project = desk.project(session, samples=3)
    desk.lease(session, desk.annotator(session, project))
    session.commit()
    found = read(machine)
    assert found["assay_tasks_open", project.slug] == 3
    assert found["assay_leases", project.slug] == 1
    assert found["assay_database_up",] == 1


def test_a_broker_that_is_away_is_said_and_hides_nothing_else(
    machine: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "broker_url", "redis://127.0.0.1:1/0")
    found = read(machine)
    assert (found["assay_broker_up",], found["assay_database_up",]) == (0, 1)


def test_strangers_read_nothing(client: TestClient, machine: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/metrics", headers={"accept": "application/json"}).json()["error"] == "FromElsewhere"
    by_proxy = machine.get("/metrics", headers={"x-forwarded-for": "203.0.113.9", "accept": "application/json"})
    assert by_proxy.status_code == 403
    monkeypatch.setattr(settings(), "metrics_token", SecretStr("scrape me"))
    assert machine.get("/metrics", headers={"accept": "application/json"}).status_code == 401
    assert (
        client.get("/metrics", headers={"authorization": "Bearer wrong", "accept": "application/json"}).status_code
        == 401
    )
    assert read(client, authorization="Bearer scrape me")
