"""A refusal becomes a page, a fragment or JSON, and never an exception on the screen."""

from __future__ import annotations

from starlette.testclient import TestClient


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
