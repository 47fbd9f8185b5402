"""Any request that the description of the API allows gets a documented answer, with and without a sign-in: never a 5xx.

A few requests an address here; `FUZZ=200 .venv/bin/python -m pytest tests/house/test_fuzzing.py` for many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.main import app
from tests.house.world import World, build, nothing_stays

MANY = int(os.environ.get("FUZZ", "2"))
AWAY = {"/readyz": 503, "/sign-in/provider": 502}
"""A broker and a provider stand behind no test."""


def operations() -> Iterator[Any]:
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    for found in schema.get_all_operations():
        yield found.ok()


@pytest.fixture
def world(session: Session) -> World:
    return build(session)


@pytest.fixture
def asking(world: World) -> Iterator[TestClient]:
    with nothing_stays() as client:
        yield client


@pytest.mark.parametrize("caller", ["nobody", "platform"])
def test_whatever_is_asked_is_answered_as_described(asking: TestClient, world: World, caller: str) -> None:
    wrong: list[str] = []
    for operation in operations():
        _ask_some(asking, world, caller, operation, wrong)
    assert not wrong, "\n".join(wrong)


def _ask_some(client: TestClient, world: World, caller: str, operation: Any, wrong: list[str]) -> None:
    documented = {str(status) for status in operation.definition.raw["responses"]}

    @settings(
        max_examples=MANY if caller != "nobody" else max(1, MANY // 2),
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        if "slug" in case.path_parameters:  # otherwise every request would end at the project's door
            case.path_parameters["slug"] = "streets"
        sent = case.as_transport_kwargs(base_url="http://testserver")
        client.cookies.clear()
        sent["headers"] = {**dict(sent.get("headers") or {}), "accept": "application/json", **world.callers[caller]}
        sent["cookies"] = None
        answer = client.request(**{name: value for name, value in sent.items() if value is not None})
        known = str(answer.status_code) in documented
        fine = answer.status_code < 500 or answer.status_code == AWAY.get(operation.path)
        if not (known and fine):
            wrong.append(f"{operation.method.upper()} {sent['url']} {str(sent)[:300]}: {answer.status_code}")

    try:
        ask()
    except Unsatisfiable:
        wrong.append(f"{operation.method} {operation.path}: nothing fits its description")
