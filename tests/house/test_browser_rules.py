"""What every answer tells the browser, and that no other site changes anything: for the application's own routes."""

from __future__ import annotations

import re

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core.html import ROOT
from app.core.web import SAFE
from app.main import app
from tests import cast
from tests.house.test_house import all_routes

UNSAFE = sorted((method, path) for path, route in all_routes() for method in route.methods - SAFE)
ELSEWHERE = [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}]


def test_no_unsafe_request_of_another_sites_page_reaches_a_route() -> None:
    client = TestClient(app, follow_redirects=False)
    for method, path in UNSAFE:
        address = re.sub(r"{\w+(:\w+)?}", "1", path)
        for headers in ELSEWHERE:
            answer = client.request(method, address, headers={"accept": "application/json", **headers})
            assert (answer.status_code, answer.json()["error"]) == (403, "CrossSite"), (method, path, headers)


@pytest.mark.parametrize("path", ["/sign-in", "/nowhere", "/static/css/base.css", "/api/v1/openapi.json"])
def test_every_answer_carries_the_policies(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "form-action 'self'" in policy
    assert "unsafe-inline" not in policy and "unsafe-eval" not in policy and "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"
    assert "camera=()" in headers["permissions-policy"]
    assert "strict-transport-security" not in headers


def test_over_https_cookies_are_secure_and_the_browser_is_told_to_stay_there(session: Session) -> None:
    cast.user(session, "alice")
    session.commit()
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as client:
        form = {"email": "alice@example.org", "password": cast.PASSWORD}
        answers = [client.post("/sign-in", data=form), client.post("/language", data={"language": "en"})]
    for answer in answers:
        cookie = answer.headers["set-cookie"].lower()
        assert "; secure" in cookie and "samesite=lax" in cookie, cookie
    assert "httponly" in answers[0].headers["set-cookie"].lower()
    assert answers[0].headers["strict-transport-security"] == "max-age=31536000"


def test_what_people_uploaded_never_runs_as_a_page(client: TestClient, session: Session) -> None:
    alice = cast.user(session, "alice")
    medium = cast.sample(session, cast.project(session, alice)).media[0]
    cast.sign_in(client, session, alice)
    for query in ("", "?size=thumb", "?size=display"):
        headers = client.get(f"/projects/streets/media/{medium.id}{query}").headers
        assert headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-type"].startswith("image/")


def test_no_script_makes_elements_out_of_text() -> None:
    """What people wrote reaches the page by `textContent` or from the server's templates, which escape it."""
    makes = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|document\.write|\beval\(|srcdoc"
    )
    found = [path.name for path in (ROOT / "static" / "js").glob("*.js") if makes.search(path.read_text())]
    assert not found, f"{found}: build elements with the DOM, or let the server render them"
