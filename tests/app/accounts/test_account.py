"""One's own sessions and tokens, and the admins' page of people."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts import actions, queries, tokens
from app.accounts.tables import ApiToken
from app.core.db import now
from tests import cast

JSON = {"accept": "application/json"}


def bearing(secret: str) -> dict[str, str]:
    return JSON | {"authorization": f"Bearer {secret}"}


def test_a_session_elsewhere_is_seen_and_ended(client: TestClient, session: Session) -> None:
    alice = cast.user(session, "alice")
    there = actions.sign_in(session, alice.email, cast.PASSWORD, "Another browser", "192.0.2.1")
    cast.sign_in(client, session, alice)
    assert "Another browser" in client.get("/account").text
    entry = queries.open_sign_in(session, there)
    assert entry
    client.post(f"/account/sign-ins/{entry.id}/ending")
    session.expire_all()
    assert queries.open_sign_in(session, there) is None


def test_nobody_ends_another_persons_session(client: TestClient, session: Session) -> None:
    bob = cast.user(session, "bob")
    entry = queries.open_sign_in(session, actions.sign_in(session, bob.email, cast.PASSWORD))
    cast.sign_in(client, session, cast.user(session, "alice"))
    assert entry and client.post(f"/account/sign-ins/{entry.id}/ending").status_code == 404


def test_a_token_is_shown_once_and_kept_as_a_fingerprint(client: TestClient, session: Session) -> None:
    cast.sign_in(client, session, cast.user(session, "alice"))
    shown = client.post("/account/tokens", data={"name": "nightly", "scope": "read", "days": "30"})
    secret = shown.text.split('id="new-token">')[1].split("<")[0]
    assert secret not in client.get("/account").text
    assert secret not in session.query(ApiToken).one().secret_sha256
    client.cookies.clear()
    assert client.get("/", headers=bearing(secret)).status_code == 200


def test_a_reading_token_changes_nothing(client: TestClient, session: Session) -> None:
    alice = cast.user(session, "alice", is_admin=True)
    secret = tokens.make(session, alice, "reader", "read", 1)
    session.commit()
    assert client.post("/projects", data={"name": "Mine"}, headers=bearing(secret)).json()["error"] == "ReadingToken"


def test_a_token_that_asks_too_often_waits_and_another_does_not(
    client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "RATE", "2 per hour")
    alice = cast.user(session, "alice")
    busy, other = (tokens.make(session, alice, name, "read", 1) for name in ("busy", "other"))
    session.commit()
    assert [client.get("/", headers=bearing(busy)).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/", headers=bearing(other)).status_code == 200


def test_a_token_never_reaches_the_account_itself(client: TestClient, session: Session) -> None:
    alice = cast.user(session, "alice", is_admin=True)
    secret = tokens.make(session, alice, "writer", "write", 1)
    session.commit()
    for path in ("/account/tokens", "/account/password", "/people"):
        assert client.post(path, headers=bearing(secret), data={}).json()["error"] == "TokensMayNot"


@pytest.mark.parametrize("end", ["revoked", "past", "deactivated", "unknown"])
def test_a_token_past_its_end_opens_nothing(client: TestClient, session: Session, end: str) -> None:
    alice = cast.user(session, "alice")
    secret = tokens.make(session, alice, "old", "read", 1)
    token = session.query(ApiToken).one()
    if end == "revoked":
        tokens.revoke(session, alice, token.id)
    elif end == "past":
        token.expires_at = now() - dt.timedelta(seconds=1)
    elif end == "deactivated":
        alice.deactivated_at = now()
    session.commit()
    answer = client.get("/", headers=bearing(secret + "x" * (end == "unknown")))
    assert (answer.status_code, answer.json()["error"]) == (401, "BadToken")


def test_a_wrong_token_is_not_made_up_for_by_a_cookie(client: TestClient, session: Session) -> None:
    cast.sign_in(client, session, cast.user(session, "alice"))
    assert client.get("/", headers=bearing("nothing")).status_code == 401


def test_the_last_admin_of_the_platform_stays(session: Session) -> None:
    alice = cast.user(session, "alice", is_admin=True)
    for verb in (actions.deactivate, actions.unmake_admin):
        with pytest.raises(actions.LastPlatformAdmin):
            verb(session, alice, alice)


def test_who_is_deactivated_is_out_at_once(client: TestClient, session: Session) -> None:
    alice, bob = cast.user(session, "alice", is_admin=True), cast.user(session, "bob")
    secret = actions.sign_in(session, bob.email, cast.PASSWORD)
    cast.sign_in(client, session, alice)
    client.post(f"/people/{bob.id}/deactivation")
    session.expire_all()
    assert queries.open_sign_in(session, secret) is None
    with pytest.raises(actions.WrongCredentials):
        actions.sign_in(session, bob.email, cast.PASSWORD)


def test_an_admin_invites_and_sees_the_link_once(client: TestClient, session: Session) -> None:
    cast.sign_in(client, session, cast.user(session, "alice", is_admin=True))
    assert "/password-links/" in client.post("/people", data={"email": "dora@example.org", "name": "Dora"}).text
    listed = client.get("/people").text
    assert "invited" in listed
    assert "/password-links/" not in listed


def test_only_the_platforms_admins_see_people_and_audit(client: TestClient, session: Session) -> None:
    cast.sign_in(client, session, cast.user(session, "bob"))
    assert [client.get(path).status_code for path in ("/people", "/audit", "/audit.jsonl")] == [403, 403, 403]
