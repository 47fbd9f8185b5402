"""What an operator reads in the logs, and what nobody may read there."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator

import orjson
import pytest
import structlog
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core import logs
from app.core.settings import settings
from tests import cast
from worker.celery import service

Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Everything logged so far, as a collector of JSON lines would have it."""
    before = logging.getLogger().handlers[:]
    monkeypatch.setenv("LOG_FORMAT", "json")
    monkeypatch.setenv("ACCESS_LOG", "1")
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    settings.cache_clear()
    logs.configure("web")
    yield lambda: [orjson.loads(line) for line in out.getvalue().splitlines()]
    monkeypatch.undo()
    settings.cache_clear()
    logs.configure("web")
    logging.getLogger().handlers[:] = before


def test_an_answered_request_is_one_line_with_its_name_and_who_asked(
    client: TestClient, session: Session, lines: Lines
) -> None:
    alice = cast.user(session, "alice")
    cast.sign_in(client, session, alice)
    answer = client.get("/account?next=%2Fsecret", headers={"x-request-id": "a-name-of-ours"})
    (line,) = [each for each in lines() if each["event"] == "answered"]
    assert line["request"] == answer.headers["x-request-id"] == "a-name-of-ours"
    assert (line["method"], line["path"], line["status"], line["user"]) == ("GET", "/account", 200, alice.id)
    assert (line["service"], line["level"], line["route"]) == ("web", "info", "/account")
    assert "next" not in orjson.dumps(line).decode()


def test_machines_own_questions_are_not_told(client: TestClient, lines: Lines) -> None:
    for path in ("/healthz", "/static/css/tokens.css", "/metrics"):
        client.get(path)
    assert not lines()


def test_a_link_that_opens_an_account_is_in_no_line(client: TestClient, lines: Lines) -> None:
    client.get("/password-links/kept-between-two-people")
    (line,) = lines()
    assert line["path"] == "/password-links/…"
    assert "kept-between" not in orjson.dumps(line).decode()


def test_secrets_are_hidden_wherever_they_turn_up(lines: Lines) -> None:
    log = structlog.get_logger("app.somewhere")
    try:
        raise ValueError("postgresql://assay:hunter2@db/assay does not answer")
    except ValueError:
        log.exception("odd", api_key="hunter2", tokens=7, headers={"Authorization": "x", "cookie": "hunter2"})
    logging.getLogger("httpx").warning("sent %s", ["Bearer hunter2", {"password": "hunter2"}])
    said = lines()
    assert "hunter2" not in orjson.dumps(said).decode()
    assert said[0]["tokens"] == 7 and "does not answer" in str(said[0]["exception"])
    assert said[1]["event"].startswith("sent") and said[1]["level"] == "warning"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["celery", "worker", "--hostname", "gpu@%h"], "gpu"),
        (["celery", "beat", "--pidfile="], "beat"),
        (["celery", "worker"], "worker"),
    ],
)
def test_a_process_is_named_in_its_lines(words: list[str], name: str) -> None:
    assert service(words) == name
