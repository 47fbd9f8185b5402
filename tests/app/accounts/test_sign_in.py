"""Signing in: the right password opens a session that can end; nothing else does."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts import actions, queries
from tests import cast


def test_the_password_is_kept_only_as_argon2id(session: Session) -> None:
    assert cast.user(session, "alice").password_hash.startswith("$argon2id$")


def test_a_wrong_password_and_an_unknown_address_read_the_same(session: Session) -> None:
    cast.user(session, "alice")
    with pytest.raises(actions.WrongCredentials) as wrong:
        actions.sign_in(session, "alice@example.org", "not the password")
    with pytest.raises(actions.WrongCredentials) as unknown:
        actions.sign_in(session, "nobody@example.org", cast.PASSWORD)
    assert wrong.value.as_json() == unknown.value.as_json()


def test_the_cookies_secret_is_not_in_the_database(session: Session) -> None:
    cast.user(session, "alice")
    secret = actions.sign_in(session, "Alice@Example.org", cast.PASSWORD)
    entry = queries.open_sign_in(session, secret)
    assert entry is not None
    assert secret not in entry.secret_sha256


def test_signing_out_ends_the_session_for_that_cookie(session: Session) -> None:
    cast.user(session, "alice")
    secret = actions.sign_in(session, "alice@example.org", cast.PASSWORD)
    actions.sign_out(session, secret)
    assert queries.open_sign_in(session, secret) is None


def test_two_people_cannot_share_an_address(session: Session) -> None:
    cast.user(session, "alice")
    with pytest.raises(actions.EmailTaken):
        actions.add_user(session, "ALICE@example.org", "Other", cast.PASSWORD)


@pytest.mark.parametrize("email", ["", "alice", "a@", "a@b@c", "x" * 400 + "@example.org"])
def test_what_is_no_address_is_refused_by_name(session: Session, email: str) -> None:
    with pytest.raises(actions.BadEmail):
        actions.add_user(session, email, "Alice", cast.PASSWORD)


def test_a_stranger_is_sent_to_the_sign_in_page_and_back(client: TestClient) -> None:
    answer = client.get("/projects/streets", headers={"accept": "text/html"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/projects/streets")


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example"])
def test_signing_in_never_leads_to_another_site(client: TestClient, session: Session, elsewhere: str) -> None:
    cast.user(session, "alice")
    session.commit()
    form = {"email": "alice@example.org", "password": cast.PASSWORD, "next": elsewhere}
    assert client.post("/sign-in", data=form, follow_redirects=False).headers["location"] == "/"


def test_the_session_cookie_cannot_be_read_by_scripts(client: TestClient, session: Session) -> None:
    cast.user(session, "alice")
    session.commit()
    form = {"email": "alice@example.org", "password": cast.PASSWORD}
    cookie = client.post("/sign-in", data=form, follow_redirects=False).headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie
