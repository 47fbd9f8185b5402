"""The database: one engine a process, one transaction a request, and nudges that leave only after the commit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Annotated, Any

import orjson
import sqlalchemy as sa
from fastapi import Depends
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

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
    return sa.create_engine(
        url or settings().database_url_or_refuse(),
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
    )


Session = orm.Session


def among(column: Any, ids: Sequence[int]) -> sa.ColumnElement[bool]:
    """Whether the column is one of these ids: one parameter however many there are, where `in_` ends at 65,535."""
    found: sa.ColumnElement[bool] = column == sa.any_(sa.cast(list(ids), ARRAY(sa.BigInteger)))
    return found


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


def _request_session() -> Iterator[Session]:
    with transaction() as session:
        yield session


# scope="function": the commit happens before the answer leaves, so a GET after a 303 reads what the POST wrote.
Db = Annotated[Session, Depends(_request_session, scope="function")]
