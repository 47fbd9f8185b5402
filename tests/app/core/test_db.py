"""One engine a process, one transaction a request."""

from __future__ import annotations

import asyncio

import httpx2 as httpx
import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI

from app.core import db

PID = sa.text("SELECT pg_backend_pid()")


def test_a_connection_that_died_at_rest_is_replaced_before_it_is_used(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = db.engine()
    with engine.connect() as connection:
        resting = connection.scalar(PID)
    with sa.create_engine(database_url).connect() as another:
        assert another.scalar(sa.text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": resting})
    monkeypatch.setattr(db, "RESTED", 0.0)
    with engine.connect() as connection:
        assert connection.scalar(PID) not in (None, resting)


def test_asking_a_rested_connection_leaves_it_as_it_was(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "RESTED", 0.0)
    for _again in range(2):
        with db.engine().connect() as connection:
            assert not connection.connection.dbapi_connection.autocommit  # type: ignore[union-attr]


def test_what_was_begun_is_taken_back_with_its_nudges(database_url: str) -> None:
    told: list[str] = []
    with db.transaction() as session:
        session.execute(sa.text("CREATE TABLE begun (n int)"))
        db.after_commit(session, lambda: told.append("begun"))
        db.take_back(session)
        db.after_commit(session, lambda: told.append("kept"))
    with db.transaction() as session:
        assert session.scalar(sa.text("SELECT to_regclass('begun')")) is None
    assert told == ["kept"]


def test_more_requests_than_connections_wait_their_turn_and_all_end(database_url: str) -> None:
    """Each needs a thread twice while it holds a connection; waiting threads must not keep it from the second."""
    site = FastAPI()

    def guard(session: db.Db) -> int:
        return int(session.scalar(sa.text("SELECT 1 FROM pg_sleep(0.01)")) or 0)

    @site.get("/", dependencies=[Depends(guard)])
    def page(session: db.Db) -> int:
        return int(session.scalar(sa.text("SELECT 2")) or 0)

    async def crowd() -> list[int]:
        wire = httpx.ASGITransport(site)
        async with httpx.AsyncClient(transport=wire, base_url="http://test", timeout=20) as client:
            return [answer.status_code for answer in await asyncio.gather(*[client.get("/") for _ in range(150)])]

    assert asyncio.run(crowd()) == [200] * 150
