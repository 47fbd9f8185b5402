"""`assay doctor`: what is missing on this machine, and what to do about it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from app.core.errors import Refusal
from app.core.settings import Settings
from app.embedded import data, postgres, services, valkey
from app.embedded.postgres import Postgres, revision
from app.embedded.up import newest_revisions


@dataclass(frozen=True)
class Finding:
    """`state` is ok, warning (something optional is missing) or missing."""

    name: str
    state: str
    text: str
    advice: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Each thing that the platform needs or can use here. Starts nothing."""
    yield _python()
    yield from _packages()
    yield _try(
        "disk", lambda: data.check_room(data.nearest(settings.data)), f"enough room at {data.nearest(settings.data)}"
    )
    yield _port(settings)
    yield from _embedded(settings)
    yield _database(settings)
    yield _broker(settings)
    yield _storage(settings)
    yield _base_model(settings)
    yield _expander(settings)
    yield _accelerator()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    return Finding("python", "ok" if good else "missing", version, "" if good else "Install Python 3.11 or newer.")


PACKAGES = {
    "torch": ("missing", "runs", "pip install torch==2.13.0, then pip install -e '.[ml]'"),
    "transformers": ("missing", "runs", "pip install -e '.[ml]'"),
    "peft": ("missing", "runs with LoRA", "pip install -e '.[ml]'"),
    "av": ("warning", "video files", "pip install -e '.[video]'"),
}


def _packages() -> Iterator[Finding]:
    for name, (state, purpose, advice) in PACKAGES.items():
        found = importlib.util.find_spec(name) is not None
        yield Finding(name, "ok" if found else state, f"needed for {purpose}", "" if found else advice)


def _try(name: str, check: Callable[[], object], good: str, state: str = "missing") -> Finding:
    try:
        check()
    except Refusal as refusal:
        return Finding(name, state, refusal.what, refusal.advice)
    return Finding(name, "ok", good)


def _embedded(settings: Settings) -> Iterator[Finding]:
    state = "warning" if settings.database_url else "missing"
    yield _try("embedded PostgreSQL", postgres.programs, "its binaries are installed", state)
    yield _try("embedded broker", valkey.binary, "its binary is installed", state)


def _own_database(settings: Settings) -> Postgres | None:
    """The data folder's own server, where it runs just now."""
    if settings.database_url or not data.is_laid(settings.data.resolve()):
        return None
    server = services.of(settings).postgres
    return server if server and server.answers() else None


def _port(settings: Settings) -> Finding:
    where = f"{settings.host}:{settings.port}"
    if _own_database(settings):
        return Finding("port", "ok", f"{where} is the running platform's")
    return _try("port", lambda: data.listen(settings.host, settings.port).close(), f"{where} is free")


def _database(settings: Settings) -> Finding:
    own = _own_database(settings)
    if own is None and not settings.database_url:
        return Finding("database", "ok", "the embedded one; it is not running, `assay up` starts it")
    url = own.url() if own else settings.database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        found = revision(url)
    except psycopg.OperationalError as problem:
        reason = str(problem).strip().splitlines()[0]
        return Finding("database", "missing", reason, "Check DATABASE_URL and that its server runs.")
    if found not in newest_revisions():
        return Finding("database", "missing", f"its schema is {found or 'not there yet'}", "Run `assay migrate`.")
    return Finding("database", "ok", f"answers, schema {found}")


def _broker(settings: Settings) -> Finding:
    if "BROKER_URL" not in os.environ:
        return Finding("broker", "ok", "the embedded one, started by `assay up`")
    try:
        redis.Redis.from_url(settings.broker_url.replace("redis+socket://", "unix://"), socket_timeout=2).ping()
    except (redis.RedisError, OSError, ValueError) as problem:
        return Finding("broker", "missing", str(problem), "Check BROKER_URL.")
    return Finding("broker", "ok", "answers")


def _storage(settings: Settings) -> Finding:
    try:
        place = data.nearest(settings.storage_root())
    except Refusal as refusal:
        return Finding("storage", "missing", refusal.what, refusal.advice)
    good = os.access(place, os.W_OK)
    return Finding(
        "storage", "ok" if good else "missing", str(place), "" if good else "Make it writable, or set STORAGE_URL."
    )


def _base_model(settings: Settings) -> Finding:
    model = settings.base_model_or_tiny()
    if settings.base_model or Path(model).exists():
        return Finding("base model", "ok", model)
    return Finding(
        "base model", "warning", "none is set", "Set BASE_MODEL to a transformers id or a folder, or run `assay seed`."
    )


def _expander(settings: Settings) -> Finding:
    if settings.openai_base_url and settings.openai_model:
        return Finding("expander", "ok", f"{settings.openai_model} at {settings.openai_base_url}")
    return Finding(
        "expander",
        "warning",
        "no endpoint expands reasons into critiques",
        "Set OPENAI_BASE_URL, OPENAI_MODEL and OPENAI_API_KEY, or name a local model in the run's form.",
    )


def _accelerator() -> Finding:
    found = shutil.which("nvidia-smi") is not None
    return Finding(
        "GPU",
        "ok" if found else "warning",
        "found" if found else "none: training runs on the CPU, for small models only",
    )
