"""Passwords: changed by their owner, chosen through a link that works once, never guessed at leisure."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts import actions, letters, passwords, queries
from app.core import throttle
from tests import cast

NEW = "another good password"


def open_entry(session: Session, secret: str) -> queries.SignIn:
    entry = queries.open_sign_in(session, secret)
    assert entry is not None
    return entry


def test_changing_the_password_ends_every_other_session(session: Session) -> None:
    alice = cast.user(session, "alice")
    here, there = (actions.sign_in(session, alice.email, cast.PASSWORD) for _ in range(2))
    passwords.change(session, alice, cast.PASSWORD, NEW, open_entry(session, here))
    assert queries.open_sign_in(session, here)
    assert queries.open_sign_in(session, there) is None
    assert actions.sign_in(session, alice.email, NEW)


def test_a_borrowed_session_cannot_change_the_password(session: Session) -> None:
    alice = cast.user(session, "alice")
    entry = open_entry(session, actions.sign_in(session, alice.email, cast.PASSWORD))
    with pytest.raises(passwords.WrongPassword):
        passwords.change(session, alice, "a guess at it", NEW, entry)


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaa", "alice@example.org", "x" * 1001])
def test_a_weak_password_is_refused_by_name(session: Session, weak: str) -> None:
    with pytest.raises(passwords.WeakPassword):
        actions.add_user(session, "alice@example.org", "Alice", weak)


def test_a_link_works_once_and_an_older_one_not_at_all(session: Session) -> None:
    alice = cast.user(session, "alice")
    older, newer = (passwords.make_link(session, alice, "reset", None) for _ in range(2))
    with pytest.raises(passwords.LinkSpent):
        passwords.use_link(session, older, NEW)
    assert passwords.use_link(session, newer, NEW) is alice
    with pytest.raises(passwords.LinkSpent):
        passwords.use_link(session, newer, "yet another password")


def test_who_was_invited_cannot_sign_in_before_choosing_a_password(session: Session) -> None:
    dora = actions.add_invited(session, "dora@example.org")
    for guess in ("", "None"):
        with pytest.raises(actions.WrongCredentials):
            actions.sign_in(session, dora.email, guess)
    passwords.use_link(session, passwords.make_link(session, dora, "invitation", None), NEW, "Dora")
    assert actions.sign_in(session, dora.email, NEW)
    assert dora.name == "Dora"


def test_an_invited_person_opens_the_link_and_is_in(client: TestClient, session: Session) -> None:
    alice = cast.user(session, "alice", is_admin=True)
    dora = actions.add_invited(session, "dora@example.org", "Dora")
    path = letters.invite(session, dora, alice)
    session.commit()
    assert "Welcome to Assay" in client.get(path).text
    assert "at least 10 characters" in client.post(path, data={"password": "short", "name": "Dora"}).text
    assert client.post(path, data={"password": NEW, "name": "Dora"}).url.path == "/"
    assert client.get(path, headers={"accept": "application/json"}).json()["error"] == "LinkSpent"


def test_guessing_from_one_address_is_stopped_and_the_owner_elsewhere_is_not(session: Session) -> None:
    alice = cast.user(session, "alice")
    actions.sign_in(session, alice.email, cast.PASSWORD, address="192.0.2.1")
    for place in range(40):
        with pytest.raises((actions.WrongCredentials, throttle.TooMany)):
            actions.sign_in(session, alice.email, "a guess", address=f"198.51.100.{place % 9}")
    with pytest.raises(throttle.TooMany):
        actions.sign_in(session, alice.email, cast.PASSWORD, address="203.0.113.7")
    assert actions.sign_in(session, alice.email, cast.PASSWORD, address="192.0.2.1")


def test_forgetting_says_the_same_whoever_asks(
    client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.core.settings import settings

    monkeypatch.setenv("SMTP_URL", "smtp://127.0.0.1:9")
    monkeypatch.setenv("ASSAY_PUBLIC_URL", "https://assay.example")
    settings.cache_clear()
    sent: list[str] = []
    monkeypatch.setattr("app.core.mail.nudge", lambda session, job, to, *rest: sent.append(to))
    cast.user(session, "alice")
    session.commit()
    known, unknown = (
        client.post("/forgotten", data={"email": f"{name}@example.org"}).text for name in ("alice", "nobod")
    )
    assert known.replace("alice@", "nobod@") == unknown
    assert sent == ["alice@example.org"]


def test_without_a_mail_server_a_person_helps(client: TestClient) -> None:
    assert "Ask an admin" in client.get("/forgotten").text
