"""The database: one engine a process, one transaction a request, and nudges that leave only after the commit."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Annotated, Any

import orjson
import sqlalchemy as sa
from anyio import CancelScope, CapacityLimiter, Semaphore, to_thread
from anyio.lowlevel import RunVar
from fastapi import Depends
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, Insert, insert

from app.core import telemetry
from app.core.settings import settings

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(orm.DeclarativeBase):
    metadata = sa.MetaData(naming_convention=NAMING)
    type_annotation_map = {
        int: sa.BigInteger,
        str: sa.Text,
        dt.datetime: sa.DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }


Id = Annotated[int, orm.mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)]
"""A rising bigint key."""

Moment = Annotated[dt.datetime, orm.mapped_column(server_default=sa.func.now())]
"""When the row came to be, by the database's clock."""


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _dumps(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


@cache
def engine(url: str | None = None) -> sa.Engine:
    """The process's engine. Raises SettingMissing when no DATABASE_URL is known."""
    made = sa.create_engine(
        url or settings().database_url_or_refuse(),
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        pool_size=AT_ONCE,
        max_overflow=AT_ONCE,  # for what does its work outside a request's transaction
    )
    sa.event.listen(made, "checkin", _note_rest)
    sa.event.listen(made, "checkout", _ask_after_rest)
    telemetry.watch(made)
    return made


AT_ONCE = 16
"""Requests of one process that are in a transaction at a time. More would only get into each other's way: threads that
wait for a connection keep those who have one from the thread in which they would go on and give it back."""

RESTED = 1.0
"""Seconds after which a connection is asked whether it still lives before use: asking each time costs a round."""


def _note_rest(_connection: Any, record: Any) -> None:
    record.info["rests since"] = time.monotonic()


def _ask_after_rest(connection: Any, record: Any, _proxy: Any) -> None:
    """Raises DisconnectionError, at which the pool makes a new connection."""
    if time.monotonic() - record.info.get("rests since", time.monotonic()) < RESTED:
        return
    try:
        connection.autocommit, before = True, connection.autocommit
        connection.execute("")
        connection.autocommit = before
    except Exception as problem:
        raise sa.exc.DisconnectionError() from problem


Session = orm.Session


def among(column: Any, ids: Sequence[int]) -> sa.ColumnElement[bool]:
    """Whether the column is one of these ids: one parameter however many there are, where `in_` ends at 65,535."""
    found: sa.ColumnElement[bool] = column == sa.any_(sa.cast(list(ids), ARRAY(sa.BigInteger)))
    return found


def insert_of(table: type[Base], rows: list[dict[str, Any]]) -> Insert:
    """An insert of rows with the same keys as one statement with one parameter, so that its text is the same however
    many there are: sent row by row, or with a placeholder a value, thousands of rows cost many times as much."""
    columns = [table.__table__.c[name] for name in rows[0]]
    given = sa.func.json_to_recordset(sa.bindparam(None, rows, JSON)).table_valued(
        *(sa.column(column.name, column.type) for column in columns), name="given"
    )
    return insert(table).from_select(list(rows[0]), sa.select(*given.render_derived(with_types=True).c))


def make_session() -> Session:
    return Session(engine(), expire_on_commit=False)


def after_commit(session: Session, nudge: Callable[[], None]) -> None:
    """Ask for `nudge()` once the session's transaction has been committed (never on a rollback)."""
    session.info.setdefault("nudges", []).append(nudge)


@contextmanager
def transaction(session: Session | None = None) -> Iterator[Session]:
    """The one place that commits: a whole request or a whole job succeeds, or nothing of it stays."""
    session = session or make_session()
    try:
        yield session
        session.commit()
    except BaseException:
        session.expunge_all()  # what the guards loaded stays readable for the page that tells of the refusal
        session.rollback()
        session.info.pop("nudges", None)
        raise
    finally:
        session.close()
    for nudge in session.info.pop("nudges", []):
        nudge()


def take_back(session: Session) -> None:
    """Undo what the transaction has done so far, and what it would have nudged; what it has loaded is read anew."""
    session.rollback()
    session.info.pop("nudges", None)


async def _request_session() -> AsyncIterator[Session]:
    """A transaction that is begun here, where nothing waits yet, and ended in a thread, since a commit waits."""
    async with _places():
        begun = transaction()
        session = begun.__enter__()
        try:
            yield session
        except BaseException as problem:
            with CancelScope(shield=True):
                await _end(begun, problem)
            raise
        await _end(begun, None)


_semaphore: RunVar[Semaphore] = RunVar("transactions")


def _places() -> Semaphore:
    """One semaphore an event loop."""
    try:
        return _semaphore.get()
    except LookupError:
        _semaphore.set(made := Semaphore(AT_ONCE))
        return made


async def _end(begun: Any, problem: BaseException | None) -> None:
    """In a thread of its own: those who wait for a connection may hold all others, and this gives one back."""
    told = (type(problem), problem, problem.__traceback__) if problem else (None, None, None)
    await to_thread.run_sync(begun.__exit__, *told, limiter=CapacityLimiter(1))


# scope="function": the commit happens before the answer leaves, so a GET after a 303 reads what the POST wrote.
Db = Annotated[Session, Depends(_request_session, scope="function")]
