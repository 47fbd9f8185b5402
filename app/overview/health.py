"""Can this process reach what it needs?"""

from __future__ import annotations

import os
from collections.abc import Callable

import redis
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from app.core import storage
from app.core.db import engine
from app.core.settings import settings


def parts() -> dict[str, str]:
    """The state of each part: "ok", or what is wrong without any secret."""
    return {"database": _try(_database), "broker": _try(_broker), "storage": _try(_storage)}


def _try(check: Callable[[], object]) -> str:
    try:
        check()
    except (SQLAlchemyError, redis.RedisError, OSError, ValueError) as problem:
        return type(problem).__name__
    return "ok"


def _database() -> None:
    with engine().connect() as connection:
        connection.execute(sa.select(1))


def _broker() -> None:
    url = settings().broker_url.replace("redis+socket://", "unix://")
    redis.Redis.from_url(url, socket_timeout=2).ping()


def _storage() -> None:
    root = storage.root()
    root.mkdir(parents=True, exist_ok=True)
    if not os.access(root, os.W_OK):
        raise PermissionError(root)
