"""Can this process reach what it needs?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable

import redis
import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from app.core import migrations, storage
from app.core.db import engine
from app.core.jobs import DESK, ROUTES
from app.core.settings import settings


def parts() -> dict[str, str]:
    """The state of each part: "ok", or what is wrong without any secret."""
    return {
        "database": _try(_database),
        "migrations": _try(_migrations),
        "broker": _try(_broker),
        "storage": _try(_storage),
    }


def _try(check: Callable[[], object]) -> str:
    try:
        check()
    except (SQLAlchemyError, redis.RedisError, OSError, ValueError, CommandError) as problem:
        return type(problem).__name__
    return "ok"


def _database() -> None:
    with engine().connect() as connection:
        connection.execute(sa.select(1))


class SchemaBehind(ValueError):
    """The database lacks migrations, or has some of a newer version."""


def _migrations() -> None:
    if migrations.behind():
        raise SchemaBehind


def _broker() -> None:
    _client().ping()


def _client() -> redis.Redis:
    return redis.Redis.from_url(settings().broker_url.replace("redis+socket://", "unix://"), socket_timeout=2)


def waiting_messages() -> dict[str, int]:
    """How many messages each queue holds; Celery keeps a queue as a list of its name. Raises RedisError, ValueError."""
    client = _client()
    return {queue: int(client.llen(queue)) for queue in sorted({DESK, *ROUTES.values()})}  # type: ignore[arg-type]


def _storage() -> None:
    root = storage.root()
    root.mkdir(parents=True, exist_ok=True)
    handle, probe = tempfile.mkstemp(dir=root, prefix=".ready-")  # asks a full disk too, which permissions do not tell
    try:
        os.write(handle, b"ready")
    finally:
        os.close(handle)
        os.unlink(probe)
