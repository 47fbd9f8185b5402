"""A refusal becomes a page, a fragment or JSON, and never an exception on the screen."""

from __future__ import annotations

import errno

import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core.html import install_error_pages
from tests import cast


def test_an_unknown_address_is_a_page_that_names_the_error(client: TestClient) -> None:
    answer = client.get("/nowhere", headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert "NotFound" in answer.text


def test_an_unknown_address_is_json_for_a_program(client: TestClient) -> None:
    answer = client.get("/api/v1/nowhere")
    assert answer.status_code == 404
    assert answer.json()["error"] == "NotFound"


def test_a_form_sent_by_another_site_is_refused(client: TestClient) -> None:
    answer = client.post("/sign-out", headers={"origin": "https://elsewhere.example", "accept": "application/json"})
    assert answer.status_code == 403
    assert answer.json()["error"] == "CrossSite"


def test_a_request_of_many_megabytes_is_refused_by_name(client: TestClient) -> None:
    answer = client.post("/sign-in", headers={"accept": "application/json", "content-length": str(10**9)}, content=b"x")
    assert answer.status_code == 413
    assert answer.json()["error"] == "TooLarge"


def test_every_answer_carries_the_content_security_policy(client: TestClient) -> None:
    policy = client.get("/sign-in").headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe-inline" not in policy


def _failing(problem: Exception) -> TestClient:
    """A site with one page, on which the system fails."""
    site = FastAPI()
    install_error_pages(site)

    @site.get("/page")
    def page() -> None:
        raise problem

    return TestClient(site, headers={"accept": "application/json"}, raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("problem", "status", "name"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 507, "DiskFull"),
        (OperationalError("INSERT", {}, psycopg.errors.DiskFull("could not extend file")), 507, "DiskFull"),
        (OperationalError("SELECT", {}, psycopg.OperationalError("server closed the connection")), 503, "DatabaseAway"),
    ],
)
def test_what_goes_wrong_around_the_site_is_named_with_advice(problem: Exception, status: int, name: str) -> None:
    answer = _failing(problem).get("/page")
    assert (answer.status_code, answer.json()["error"]) == (status, name)
    assert answer.json()["message"] and answer.json()["where"] and answer.json()["advice"]


def test_what_no_row_can_have_is_named(client: TestClient, session: Session) -> None:
    alice = cast.user(session, "alice")
    cast.project(session, alice)
    cast.sign_in(client, session, alice)
    answer = client.get(f"/projects/streets/samples/{2**70}", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (422, "NumberTooLarge")
    answer = client.get("/projects/streets/samples?domain=a%00b", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (422, "Unreadable")


def test_a_fault_of_our_own_is_no_refusal() -> None:
    assert _failing(PermissionError(errno.EACCES, "ours")).get("/page").status_code == 500
