"""A real PostgreSQL for tests that ask for one: started once, a clean database a test; the others never start it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core.settings import settings

OUTSIDE = [
    "DATABASE_URL",
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
    "OPENAI_MODEL",
    "BASE_MODEL",
    "ASSAY_PUBLIC_URL",
    "ASSAY_PORT",
    "OIDC_ISSUER",
    "OIDC_CLIENT_ID",
    "OUTSIDE_ALLOWED",
    "TRAINER_FOLDER",
    "BLOBS_URL",
    "GPUS_PER_RUN",
    "RUN_PROCESSES",
    "RUN_HOURS",
    "RUN_CPU_HOURS",
    "RUN_MEMORY_GIB",
]
TEMPLATE = "assay"
MEMORY = "/dev/shm"
LONGEST = ("tests/flows/", "tests/ml/test_easy_vqa")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files go first, so that no process is left alone with one at the end.

    A test in a browser is tried once more, and counted as such: the browser shares two cores with all else.
    """
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.flaky(reruns=1))
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


def _forget_settings() -> None:
    from app.core import jobs, language, throttle

    settings.cache_clear()
    language.listen(None, "")  # a test may read in another language; the next one reads in English again
    jobs.sender.cache_clear()
    throttle.forget_all()
    if (reading := sys.modules.get("app.runs.reading")) is not None:  # each test's first dataset has the number 1
        reading.samples_of.cache_clear()
        reading.size_of.cache_clear()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No test reads the machine's settings, writes into its data or talks to its broker."""
    for name in OUTSIDE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("STORAGE_URL", str(tmp_path / "data" / "storage"))
    monkeypatch.setenv("BROKER_URL", "memory://")
    monkeypatch.setenv("SECRET_KEY", "only for tests")
    monkeypatch.setenv("TRAINER_GPUS", "none")  # several tests at once must not wait for each other's cards
    _forget_settings()
    yield
    _forget_settings()


@contextmanager
def _told(url: str) -> Iterator[None]:
    """The process's engine looks at `url` inside the block."""
    from app.core import db

    before = os.environ.get("DATABASE_URL")
    os.environ["DATABASE_URL"] = url
    settings.cache_clear()
    db.engine.cache_clear()
    try:
        yield
    finally:
        db.engine().dispose()
        db.engine.cache_clear()
        settings.cache_clear()
        if before is None:
            del os.environ["DATABASE_URL"]
        else:
            os.environ["DATABASE_URL"] = before


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[str], str]]:
    """A server with a migrated template; gives the URL of a database by its name."""
    from app.core import migrations
    from app.embedded import owner
    from app.embedded.postgres import Postgres, new_password, running

    # Not pytest's own folder: it is closed to the user that PostgreSQL runs as when we are root.
    folder = Path(tempfile.mkdtemp(prefix="assay-test-", dir=MEMORY if _roomy(MEMORY) else "/tmp"))
    folder.chmod(0o711)
    servant = owner.servant()
    sockets = owner.private_folder(folder / "s", servant)
    server = Postgres(folder / "cluster", sockets, new_password(), servant, durable=False)
    try:
        with running(server):
            with _told(server.url(TEMPLATE)):
                migrations.upgrade()
            yield server.url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _roomy(folder: str) -> bool:
    """Whether the folder can be written to and has room for a cluster and a few databases of 10 MB."""
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 2**30


def _strategy() -> str:
    """How PostgreSQL copies the template, each where it is quicker: by files in memory, through its log on a disk."""
    return "FILE_COPY" if _roomy(MEMORY) else "WAL_LOG"


_made = 0


@pytest.fixture
def database_url(postgres: Callable[[str], str], environment: None) -> Iterator[str]:
    """A database of this test's own, with every table and no row; `app.core.db` uses it."""
    global _made
    _made += 1
    name = f"test_{_made}"
    with psycopg.connect(postgres("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY {_strategy()}")
        try:
            with _told(postgres(name)):
                yield postgres(name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    """A session on the test's database. Commit to let requests and other sessions see what was written."""
    from app.core.db import make_session

    with make_session() as opened:
        yield opened


@pytest.fixture
def client(database_url: str) -> Iterator[TestClient]:
    """A browser without JavaScript: keeps cookies, follows redirects; errors of the site reach the test."""
    from app.main import app

    with TestClient(app) as opened:
        yield opened
