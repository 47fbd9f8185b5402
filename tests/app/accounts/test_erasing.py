"""Erasing a person: nothing tells who they were, everything that they did is still there."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts import actions, erasing, log, passwords, tokens
from app.accounts.tables import ApiToken, Identity, SignIn, User
from app.annotations.tables import Annotation
from app.core.db import Base, now
from tests import cast
from tests.app.annotations import desk


def everything(session: Session) -> str:
    """Every row of every table as text."""
    return "\n".join(str(row) for table in Base.metadata.sorted_tables for row in session.execute(sa.select(table)))


def test_nothing_tells_who_it_was_and_the_work_and_the_log_stay(client: TestClient, session: Session) -> None:
    project = desk.project(session)
    bob = desk.annotator(session, project).user
    actions.rename(session, bob, "Robert Tables")
    annotation = desk.annotate(session, cast.seat(session, bob, project))
    tokens.make(session, bob, "Robert's script", "read", 1)
    passwords.make_link(session, bob, "reset", None)
    session.add(Identity(user=bob, issuer="https://provider.example", subject="of-robert", email="bob@example.org"))
    actions.sign_in(session, bob.email, cast.PASSWORD, "Robert's browser", "192.0.2.7")
    log.seal(session)
    alice = project.members[0].user
    cast.sign_in(client, session, alice)
    address = f"/people/{bob.id}/erasure"
    assert "What goes" in client.get(address).text
    assert client.post(address, data={"confirmed": "alice@example.org"}).status_code == 422
    assert client.post(address, data={"confirmed": "Bob@Example.org"}).url.path == "/people"
    session.expire_all()
    left = everything(session)
    assert not [word for word in ("bob@", "Robert", "192.0.2.7", "of-robert") if word in left]
    assert (bob.name, session.get_one(Annotation, annotation.id).user_id) == (f"#{bob.id}", bob.id)
    log.seal(session)
    assert log.verify(session)
    with pytest.raises(actions.WrongCredentials):
        actions.sign_in(session, "bob@example.org", cast.PASSWORD)


def test_the_last_admin_is_not_erased_and_nobody_twice(session: Session) -> None:
    alice, bob = cast.user(session, "alice", is_admin=True), cast.user(session, "bob")
    with pytest.raises(actions.LastPlatformAdmin):
        erasing.erase(session, alice, alice, alice.email)
    erasing.erase(session, alice, bob, bob.email)
    with pytest.raises(erasing.ErasedAlready):
        erasing.erase(session, alice, bob, bob.email)
    with pytest.raises(actions.Conflict):
        actions.reactivate(session, alice, bob)


def test_what_ended_long_ago_is_forgotten_and_the_rest_is_not(session: Session) -> None:
    alice = cast.user(session, "alice")
    for days in (-500, -100, 1):
        actions.open_session(session, alice, "", "192.0.2.1")
        session.scalars(sa.select(SignIn).order_by(SignIn.id.desc())).first().expires_at = now() + dt.timedelta(days)  # type: ignore[union-attr]
    tokens.make(session, alice, "old", "read", 1)
    session.query(ApiToken).one().expires_at = now() - dt.timedelta(days=500)
    session.flush()
    assert erasing.forget_old(session) == 2
    assert session.query(SignIn).count() == 2
    assert session.query(User).count() == 1
