"""The embedded database and broker of a data folder: where they are, how to start them, how to reach them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.core.settings import Settings, settings
from app.embedded import data, linux, owner
from app.embedded.postgres import ENVIRONMENT, Postgres, running, socket_folder
from app.embedded.refusals import CannotStart
from app.embedded.supervisor import Program
from app.embedded.valkey import Valkey

MARK = "ASSAY_HOUSE"
"""The environment variable by which a data folder's processes are known, whoever their parents are."""


@dataclass(frozen=True)
class Services:
    """Both servers of a data folder; each is None where the operator names one of their own."""

    folder: Path
    postgres: Postgres | None
    valkey: Valkey | None

    @property
    def told(self) -> dict[str, str]:
        """What other programs must know to reach them."""
        urls = {}
        if self.postgres:
            urls["DATABASE_URL"] = self.postgres.url()
        if self.valkey:
            urls["BROKER_URL"] = self.valkey.url
        return urls

    def programs(self) -> Iterator[tuple[Program, Postgres | Valkey]]:
        """How the supervisor starts them. Lays their files on the way."""
        environment = {**ENVIRONMENT, MARK: str(self.folder)}
        if self.postgres:
            self.postgres.lay()
            yield self._postgres(self.postgres, environment), self.postgres
        if self.valkey:
            self.valkey.lay()
            yield self._valkey(self.valkey, environment), self.valkey

    def _postgres(self, server: Postgres, environment: dict[str, str]) -> Program:
        return Program(
            "database",
            server.command(),
            environment,
            uid=server.uid,
            stop=signal.SIGINT,  # fast shutdown: open transactions are rolled back, the rest is on disk
            patience=30.0,
            is_service=True,
            before=server.clear_leftovers,
        )

    def _valkey(self, server: Valkey, environment: dict[str, str]) -> Program:
        return Program("broker", server.command(), environment, uid=server.uid, is_service=True, before=server.lay)


def of(settings: Settings) -> Services:
    """The servers of the data folder, which must exist; makes the folders that they need."""
    folder = settings.data.resolve()
    home, uid = _home(folder)
    sockets = owner.private_folder(socket_folder(folder), uid)
    embedded = not settings.database_url
    broker = not os.environ.get("BROKER_URL")
    return Services(
        folder,
        Postgres(home / "postgres", sockets, data.secret(folder, "database"), uid) if embedded else None,
        Valkey(home / "valkey", sockets, uid) if broker else None,
    )


def _home(folder: Path) -> tuple[Path, int | None]:
    """Where the servers' files lie and whose they are: root leaves a person's database to that person."""
    uid = owner.servant()
    cluster = folder / "services" / "postgres"
    if uid is not None and cluster.exists() and cluster.stat().st_uid != 0:
        uid = cluster.stat().st_uid
    return owner.home(folder, uid), uid


def end_leftovers(folder: Path) -> None:
    """End whatever a killed supervisor of this data folder left running."""
    linux.end(linux.carrying(f"{MARK}={folder}"), signal.SIGTERM, patience=5)


@contextmanager
def borrowed(settings: Settings) -> Iterator[dict[str, str]]:
    """What to tell a command that needs the database: the running platform's, or one that is started for its sake.

    Raises CannotStart when `assay up` has never worked in the data folder.
    """
    folder = settings.data.resolve()
    if not data.is_laid(folder):
        raise CannotStart(
            "There is no data folder here yet.", str(folder), "Start `assay up`, or set ASSAY_DATA or DATABASE_URL."
        )
    services = of(settings)
    if services.postgres is None or services.postgres.answers():
        yield told(settings, services)
        return
    with data.prepare(folder), running(services.postgres):
        yield told(settings, services)


@contextmanager
def reached() -> Iterator[None]:
    """The database that the environment names; else the data folder's own, started for as long as it is needed."""
    if settings().database_url:
        yield
        return
    with borrowed(settings()) as known, known_to_this_process(known):
        yield


@contextmanager
def laid_anew() -> Iterator[None]:
    """As `reached`, but makes a data folder where there is none, and nobody else may work in it meanwhile.

    Raises FolderTaken.
    """
    if settings().database_url:
        yield
        return
    folder = settings().data.resolve()
    with data.prepare(folder):
        services = of(settings())
        assert services.postgres is not None
        with running(services.postgres), known_to_this_process(told(settings(), services)):
            yield


@contextmanager
def known_to_this_process(environment: dict[str, str]) -> Iterator[None]:
    os.environ.update(environment)
    settings.cache_clear()
    yield


def told(settings: Settings, services: Services) -> dict[str, str]:
    """The environment of every program of the platform. What the operator set stays as it is."""
    folder = services.folder
    ours = {
        "SECRET_KEY": data.secret(folder, "session"),
        "PYTHONUNBUFFERED": "1",
        # Two processes with two threads each on two cores stand in each other's way.
        "OMP_NUM_THREADS": "1",
    }
    paths = {"ASSAY_DATA": str(folder), "STORAGE_URL": str(settings.storage_root()), MARK: str(folder)}
    return {**ours, **os.environ, **paths, **services.told}
