"""What people are told of, and what they have read of it."""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts import erasing, notices
from app.accounts.tables import Notice, User
from app.core.db import now
from tests import cast

DONE = "“%(name)s” in %(project)s is done."


def told(session: Session, *people: User, address: str = "/account", name: str = "a run") -> None:
    notices.tell(session, [each.id for each in people], DONE, address, name=name, project="Streets")
    session.commit()


def test_a_person_reads_their_notices_one_by_one_and_then_all(session: Session, client: TestClient) -> None:
    rita = cast.user(session, "Rita")
    for number in range(3):
        told(session, rita, name=f"run <{number}>")
    cast.sign_in(client, session, rita)
    page = client.get("/").text
    assert 'aria-label="Notices: 3 unread"' in page
    page = client.get("/notices").text
    assert "“run &lt;2&gt;” in Streets is done." in page
    last = session.query(Notice).order_by(Notice.id.desc()).first()
    assert last is not None
    answer = client.get(f"/notices/{last.id}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert 'aria-label="Notices: 2 unread"' in client.get("/").text
    page = client.post("/notices/readings").text
    assert 'aria-label="Notices"' in page
    assert "Mark all as read" not in page


def test_what_was_seen_on_its_own_page_is_read(session: Session) -> None:
    rita = cast.user(session, "Rita")
    told(session, rita, address="/one")
    told(session, rita, address="/other")
    notices.read(session, rita, "/one")
    assert [each.address for each in notices.page_of(session, rita) if each.read_at is None] == ["/other"]


def test_one_who_was_never_told_of_anything_reads_when_they_would_be(session: Session, client: TestClient) -> None:
    cast.sign_in(client, session, cast.user(session, "Rita"))
    assert "Nothing to tell you" in client.get("/notices").text


def test_a_notice_is_its_owners_alone(session: Session, client: TestClient) -> None:
    rita, otto = cast.user(session, "Rita"), cast.user(session, "Otto")
    told(session, rita)
    cast.sign_in(client, session, otto)
    assert client.get(f"/notices/{session.query(Notice).one().id}").status_code == 404
    client.post("/notices/readings")
    session.expire_all()
    assert session.query(Notice).one().read_at is None


def test_older_notices_are_on_the_next_page_and_the_oldest_are_forgotten(session: Session, client: TestClient) -> None:
    rita = cast.user(session, "Rita")
    for number in range(notices.PAGE + 1):
        told(session, rita, name=f"run {number}!")
    first = session.query(Notice).order_by(Notice.id).first()
    assert first is not None
    cast.sign_in(client, session, rita)
    page = client.get("/notices").text
    assert "run 0!" not in page
    assert f"/notices?before={first.id + 1}" in page
    assert "run 0!" in client.get(f"/notices?before={first.id + 1}").text
    first.created_at = now() - dt.timedelta(days=91)
    notices.forget(session)
    assert session.query(Notice).count() == notices.PAGE


def test_erasing_a_person_takes_what_they_were_told(session: Session) -> None:
    rita = cast.user(session, "Rita")
    told(session, rita)
    erasing.erase(session, None, rita, rita.email)
    assert session.query(Notice).count() == 0
