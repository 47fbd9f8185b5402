"""Counting tries in a moving window, in the broker's store, so that all web processes count together."""

from __future__ import annotations

import math
import time
from functools import cache

import structlog
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

from app.core.errors import Refusal
from app.core.settings import settings

log = structlog.get_logger()


class TooMany(Refusal):
    """More tries than are allowed in the window; `retry_after` says in how many seconds there is room."""

    status = 429


@cache
def _item(limit: str) -> RateLimitItem:
    return parse(limit)


@cache
def _shared(url: str) -> MovingWindowRateLimiter:
    if url.startswith("memory"):
        return _own()
    address = url.replace("redis+socket://", "redis+unix://")
    return MovingWindowRateLimiter(storage_from_string(address, wrap_exceptions=True))


@cache
def _own() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())


def take(limit: str, *key: str) -> int:
    """Count one try. The seconds to wait: 0 while there was room. Limits read "5 per 15 minutes"."""
    item = _item(limit)
    for limiter in (_shared(settings().broker_url), _own()):
        try:
            if limiter.hit(item, *key):
                return 0
            return max(1, math.ceil(limiter.get_window_stats(item, *key).reset_time - time.time()))
        except StorageError as problem:
            # Nobody is locked out because the store is away: this process counts alone meanwhile.
            log.warning("counting tries alone", problem=str(problem))
    return 0


def has_room(limit: str, *key: str) -> bool:
    """Whether another try would be let through, without counting one."""
    for limiter in (_shared(settings().broker_url), _own()):
        try:
            return limiter.test(_item(limit), *key)
        except StorageError as problem:
            log.warning("counting tries alone", problem=str(problem))
    return True


def forget(limit: str, *key: str) -> None:
    """Begin the count anew."""
    for limiter in (_shared(settings().broker_url), _own()):
        try:
            limiter.clear(_item(limit), *key)
        except StorageError as problem:
            log.warning("a count could not be cleared", problem=str(problem))


def forget_all() -> None:
    """Forget this process's own counts and connections."""
    _shared.cache_clear()
    _own.cache_clear()
