"""Signing in by an OpenID Connect provider: a real one, on this machine; and how that could be abused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from oidc_provider_mock import User as Known
from oidc_provider_mock import run_server_in_thread
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts import actions, passwords, provider, queries
from app.accounts.tables import User
from app.core.settings import settings
from tests import cast

KNOWN = {
    "ann": {"email": "Ann@example.org", "email_verified": True, "name": "Ann at the provider"},
    "liar": {"email": "ann@example.org", "email_verified": False},
    "boolean": {"email": "ann@example.org", "email_verified": "true"},
    "stranger": {"email": "nobody@example.org", "email_verified": True},
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with run_server_in_thread(user_claims=[Known(sub=sub, claims=dict(said)) for sub, said in KNOWN.items()]) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(autouse=True)
def set_up(issuer: str, environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_ISSUER", issuer)
    monkeypatch.setenv("OIDC_CLIENT_ID", "assay")
    monkeypatch.setenv("OIDC_CLIENT_SECRET", "a secret")
    settings.cache_clear()
    provider._fetched.cache_clear()


def at_provider(client: TestClient, sub: str, begin: str = "/sign-in/provider?next=/account") -> str:
    """Leave for the provider, sign in there as `sub`; the address that it sends the browser back to."""
    away = client.get(begin, follow_redirects=False)
    assert away.status_code == 303, away.text
    answer = httpx2.post(away.headers["location"], data={"sub": sub})
    return answer.headers["location"]


def come_back(client: TestClient, sub: str, begin: str = "/sign-in/provider?next=/account") -> Any:
    return client.get(at_provider(client, sub, begin))


def invited(session: Session) -> User:
    user = actions.add_invited(session, "ann@example.org")
    session.commit()
    return user


def test_somebody_invited_signs_in_by_the_provider_and_again_later(client: TestClient, session: Session) -> None:
    user = invited(session)
    secret = passwords.make_link(session, user, "invitation", None)
    session.commit()
    assert "Sign in with localhost" in client.get("/sign-in").text
    answer = come_back(client, "ann")
    assert (answer.status_code, answer.url.path) == (200, "/account")
    assert "Ann at the provider" in answer.text
    session.expire_all()
    with pytest.raises(passwords.LinkSpent):  # whoever holds the invitation gets in no more
        passwords.open_link(session, secret)
    client.cookies.clear()
    assert come_back(client, "ann").url.path == "/account"


@pytest.mark.parametrize("sub", ["liar", "boolean", "stranger"])
def test_an_address_that_is_not_verified_opens_nothing(client: TestClient, session: Session, sub: str) -> None:
    invited(session)
    answer = come_back(client, sub)
    assert (answer.status_code, "Nobody here has this identity" in answer.text) == (403, True)
    assert "assay_session" not in client.cookies


def test_an_address_does_not_open_an_account_that_has_a_password(client: TestClient, session: Session) -> None:
    """Whoever chose the password may have invited this address to lie in wait."""
    cast.user(session, "ann")
    session.commit()
    answer = come_back(client, "ann")
    assert answer.status_code == 403
    assert "Sign in with your password" in answer.text


def test_one_links_ones_own_account_and_says_yes_to_it(client: TestClient, session: Session) -> None:
    user = cast.user(session, "bob")
    cast.sign_in(client, session, user)
    asked = come_back(client, "stranger", "/account/identity")
    assert (asked.url.path, "nobody@example.org" in asked.text) == ("/account/identity/confirmation", True)
    session.expire_all()
    assert user.identities == []
    assert "Linked with nobody@example.org" in client.post("/account/identity/confirmation").text
    client.cookies.clear()
    assert "bob@example.org" in come_back(client, "stranger").text


def test_what_one_person_brought_back_links_no_other(client: TestClient, session: Session) -> None:
    cast.sign_in(client, session, cast.user(session, "mallory"))
    come_back(client, "stranger", "/account/identity")
    bob = cast.user(session, "bob")
    cast.sign_in(client, session, bob)
    assert client.post("/account/identity/confirmation").status_code == 422
    session.expire_all()
    assert bob.identities == []


def test_an_identity_belongs_to_one_account_and_can_be_unlinked(client: TestClient, session: Session) -> None:
    for name in ("bob", "carol"):
        cast.sign_in(client, session, cast.user(session, name))
        come_back(client, "stranger", "/account/identity")
        answer = client.post("/account/identity/confirmation")
        assert answer.status_code == (200 if name == "bob" else 409)
    bob = queries.user_by_email(session, "bob@example.org")
    assert bob
    client.cookies.clear()
    cast.sign_in(client, session, bob)
    client.post("/account/identity/removal")
    client.cookies.clear()
    assert come_back(client, "stranger").status_code == 403


def test_nobody_unlinks_their_only_way_in(client: TestClient, session: Session) -> None:
    invited(session)
    come_back(client, "ann")
    assert client.post("/account/identity/removal").status_code == 409


def test_a_second_factor_is_asked_for_all_the_same(client: TestClient, session: Session) -> None:
    from app.accounts import second_factor
    from app.core.db import now

    user = invited(session)
    come_back(client, "ann")
    client.cookies.clear()
    session.expire_all()
    second_factor.begin(session, user)
    assert user.second_factor
    user.second_factor.confirmed_at = now()
    session.commit()
    assert come_back(client, "ann").url.path == "/sign-in/code"


def test_who_was_deactivated_stays_out(client: TestClient, session: Session) -> None:
    user = invited(session)
    come_back(client, "ann")
    client.cookies.clear()
    session.expire_all()
    user.deactivated_at = user.created_at
    session.commit()
    assert come_back(client, "ann").status_code == 403


def test_another_browsers_way_back_is_not_taken(client: TestClient, session: Session) -> None:
    """A link sent by somebody who wants you to work in their account."""
    invited(session)
    back = at_provider(client, "ann")
    client.cookies.clear()
    assert client.get(back).status_code == 422
    at_provider(client, "ann")  # this browser has left too, with a state of its own
    assert client.get(back).status_code == 422


def test_a_code_counts_once(client: TestClient, session: Session) -> None:
    invited(session)
    back = at_provider(client, "ann")
    visit = dict(client.cookies)
    assert client.get(back).status_code == 200
    client.cookies.update(visit)
    assert client.get(back).status_code == 422


FORGED: list[tuple[str, dict[str, Any]]] = [
    ("another issuer", {"iss": "https://elsewhere.example"}),
    ("another audience", {"aud": "another site"}),
    ("another nonce", {"nonce": "another"}),
    ("past its end", {"exp": 1000}),
    ("nobody", {"sub": None}),
]


@pytest.mark.parametrize(("what", "changes"), FORGED, ids=[what for what, _ in FORGED])
def test_a_token_that_is_not_for_this_visit_is_refused(
    what: str, changes: dict[str, Any], issuer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = RSAKey.generate_key(2048, parameters={"kid": "1"})
    monkeypatch.setattr(provider, "_keys", lambda: KeySet([key]))
    whole = {"iss": issuer, "aud": "assay", "nonce": "n", "sub": "ann", "iat": time.time(), "exp": time.time() + 60}
    assert provider._verified(jwt.encode({"alg": "RS256", "kid": "1"}, whole, key), "n").subject == "ann"
    told = {name: value for name, value in {**whole, **changes}.items() if value is not None}
    with pytest.raises(provider.ProviderRefused):
        provider._verified(jwt.encode({"alg": "RS256", "kid": "1"}, told, key), "n")


def test_a_token_signed_by_another_or_by_nobody_is_refused(issuer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, other = (RSAKey.generate_key(2048, parameters={"kid": "1"}) for _ in range(2))
    monkeypatch.setattr(provider, "_keys", lambda: KeySet([ours]))
    signed = jwt.encode({"alg": "RS256", "kid": "1"}, {"sub": "ann"}, other)
    for token in (signed, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.", "", "nonsense"):
        with pytest.raises(provider.ProviderRefused):
            provider._verified(token, "n")


def test_a_provider_that_is_away_is_named(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_ISSUER", "http://127.0.0.1:9")
    settings.cache_clear()
    answer = client.get("/sign-in/provider", headers={"accept": "application/json"}, follow_redirects=False)
    assert (answer.status_code, answer.json()["error"]) == (502, "ProviderAway")


def test_without_a_provider_there_is_no_button(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_ISSUER", "")
    settings.cache_clear()
    assert "Sign in with" not in client.get("/sign-in").text
    assert client.get("/sign-in/provider").status_code == 409
