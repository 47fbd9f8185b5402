"""A real PostgreSQL for the tests that need one: one server a test process, one clean database a test."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core import db
from app.core.settings import settings
from app.embedded.postgres import Postgres

ROOT = Path(__file__).resolve().parents[1]
numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    # Not below pytest's own folder, which is closed to the server's unprivileged user.
    folder = Path(tempfile.mkdtemp(prefix="assay-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    server = Postgres(folder, durable=False)
    server.start()
    server.ensure_database("template_house")
    environment = {**os.environ, "DATABASE_URL": server.url("template_house")}
    subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], cwd=ROOT, env=environment, check=True, timeout=120)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture()
def database_url(postgres: Postgres) -> Iterator[str]:
    """The address of a clean, migrated database that is this test's alone."""
    name = f"test_{os.getpid()}_{next(numbers)}"
    admin = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template_house")
    yield postgres.url(name)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture()
def house(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Settings that name this test's database and folder; returns the folder."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("BROKER_URL", f"redis+socket://{tmp_path}/no-broker")
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    monkeypatch.setenv("STORAGE_URL", str(tmp_path / "storage"))
    for name in ("OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_API_KEY", "BASE_MODEL"):
        monkeypatch.delenv(name, raising=False)
    _forget()
    yield tmp_path
    db.engine().dispose()
    _forget()


def _forget() -> None:
    from app.core import jobs

    settings.cache_clear()
    db.engine.cache_clear()
    jobs.sender.cache_clear()


@pytest.fixture()
def session(house: Path) -> Iterator[Session]:
    with db.make_session() as session:
        yield session


@pytest.fixture()
def client(house: Path) -> Iterator[TestClient]:
    from app.main import app

    with TestClient(app, headers={"accept": "text/html,application/json"}) as client:
        yield client
