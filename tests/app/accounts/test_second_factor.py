"""The second factor: asked for after the password, no code twice, recovery codes for the lost phone."""

from __future__ import annotations

import time

import pyotp
import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts import actions, queries, second_factor
from app.accounts.tables import User
from app.core import throttle
from app.core.sealing import unseal
from tests import cast


def phone(user: User) -> pyotp.TOTP:
    assert user.second_factor
    return pyotp.TOTP(unseal(user.second_factor.sealed_secret))


def with_factor(session: Session) -> tuple[User, list[str]]:
    """Alice with a confirmed second factor whose code of the step before was used to confirm it."""
    alice = cast.user(session, "alice")
    second_factor.begin(session, alice)
    return alice, second_factor.confirm(session, alice, phone(alice).at(time.time() - 30))


def test_a_password_alone_opens_nothing(client: TestClient, session: Session) -> None:
    alice, _ = with_factor(session)
    session.commit()
    form = {"email": alice.email, "password": cast.PASSWORD, "next": "/account"}
    assert client.post("/sign-in", data=form).url.path == "/sign-in/code"
    assert client.get("/account").url.path == "/sign-in/code"
    assert client.post("/sign-in/code", data={"code": "000000", "next": "/account"}).status_code == 422
    answer = client.post("/sign-in/code", data={"code": phone(alice).now(), "next": "/account"})
    assert (answer.status_code, answer.url.path) == (200, "/account")


def test_no_code_counts_twice(session: Session) -> None:
    alice, _ = with_factor(session)
    code = phone(alice).now()
    second_factor.check(session, alice, code)
    with pytest.raises(second_factor.WrongCode):
        second_factor.check(session, alice, code)


def test_a_recovery_code_counts_once(session: Session) -> None:
    alice, codes = with_factor(session)
    second_factor.check(session, alice, codes[3].upper() + " ")
    with pytest.raises(second_factor.WrongCode):
        second_factor.check(session, alice, codes[3])


def test_codes_are_not_guessed_at_leisure(session: Session) -> None:
    alice, _ = with_factor(session)
    for _ in range(6):
        with pytest.raises(second_factor.WrongCode):
            second_factor.check(session, alice, "12")
    with pytest.raises(throttle.TooMany):
        second_factor.check(session, alice, phone(alice).now())


def test_the_secret_is_not_in_the_database_as_it_is(session: Session) -> None:
    alice, _ = with_factor(session)
    assert alice.second_factor and phone(alice).secret not in alice.second_factor.sealed_secret


def test_the_page_pairs_a_phone_and_shows_recovery_codes_once(client: TestClient, session: Session) -> None:
    alice = cast.user(session, "alice")
    cast.sign_in(client, session, alice)
    assert "data:image/svg+xml" in client.post("/account/second-factor").text
    session.expire_all()
    shown = client.post("/account/second-factor/confirmation", data={"code": phone(alice).now()}).text
    assert "recovery codes" in shown
    assert "8 recovery codes are left" in client.get("/account").text


def test_turning_it_off_needs_the_password(client: TestClient, session: Session) -> None:
    alice, _ = with_factor(session)
    secret = actions.open_session(session, alice, "", "")
    session.commit()
    client.cookies.set("assay_session", secret)
    assert client.post("/account/second-factor/removal", data={"password": "a guess"}).status_code == 403
    client.post("/account/second-factor/removal", data={"password": cast.PASSWORD})
    session.expire_all()
    assert queries.user_by_email(session, alice.email).second_factor is None  # type: ignore[union-attr]
