"""The audit log only grows, and a change made behind the platform's back shows."""

from __future__ import annotations

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts import log
from tests import cast


def written(session: Session, many: int = 5) -> None:
    alice = cast.user(session, "alice", is_admin=True)
    for place in range(many - 1):
        log.audit(session, alice, "thing.done", f"thing {place}", detail_of=place / 7)
    session.commit()
    log.seal(session)
    session.commit()


def behind_the_back(session: Session, statement: str) -> None:
    session.execute(sa.text("ALTER TABLE audit_entries DISABLE TRIGGER ALL"))
    session.execute(sa.text(statement))
    session.execute(sa.text("ALTER TABLE audit_entries ENABLE TRIGGER ALL"))
    session.commit()
    session.expire_all()


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entries SET action = 'other'", "DELETE FROM audit_entries", "TRUNCATE audit_entries"]
)
def test_the_database_keeps_entries_as_they_are(session: Session, statement: str) -> None:
    written(session)
    with pytest.raises(DBAPIError, match="only ever added"):
        session.execute(sa.text(statement))


def test_an_untouched_log_verifies_and_says_its_newest_hash(session: Session) -> None:
    written(session)
    verdict = log.verify(session)
    assert verdict and (verdict.chained, verdict.waiting) == (5, 0)
    assert log.verify(session, verdict.head)


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE audit_entries SET detail = '{}' WHERE place = 3", "place 3"),
        ("UPDATE audit_entries SET at = at + interval '1 second' WHERE place = 2", "place 2"),
        ("DELETE FROM audit_entries WHERE place = 4", "place 4 is missing"),
    ],
)
def test_what_was_changed_behind_its_back_shows(session: Session, statement: str, fault: str) -> None:
    written(session)
    behind_the_back(session, statement)
    verdict = log.verify(session)
    assert not verdict and fault in str(verdict.fault)


def test_a_cut_off_end_shows_to_who_noted_the_hash(session: Session) -> None:
    written(session)
    head = log.verify(session).head
    behind_the_back(session, "DELETE FROM audit_entries WHERE place = 5")
    assert log.verify(session)
    assert not log.verify(session, head)


def test_entries_of_later_transactions_are_chained_behind(session: Session) -> None:
    written(session)
    log.audit(session, None, "thing.done", "thing 9")
    session.flush()
    assert log.seal(session) == 1
    assert log.seal(session) == 0
    assert log.verify(session).chained == 6


def test_the_page_filters_and_the_download_is_the_whole_log(client: TestClient, session: Session) -> None:
    written(session)
    alice = session.query(log.User).one()
    cast.sign_in(client, session, alice)
    shown = client.get("/audit?action=thing.").text
    assert "thing 3" in shown
    assert "added a person" not in shown
    lines = [orjson.loads(line) for line in client.get("/audit.jsonl").text.splitlines()]
    assert len(lines) == 7 and lines[0]["sha256"]
    assert lines[-1]["action"] == "log.exported", "who takes the log with them is in it"


def test_a_wrong_password_is_in_the_log_of_its_account_and_a_stranger_leaves_nothing(
    client: TestClient, session: Session
) -> None:
    alice = cast.user(session, "alice")
    session.commit()
    for email in (alice.email, "nobody@example.org"):
        client.post("/sign-in", data={"email": email, "password": "wrong"})
    tries = session.query(log.AuditEntry).filter_by(action="user.sign_in_failed").all()
    assert [(each.user_id, each.subject) for each in tries] == [(None, f"user {alice.id}")]
