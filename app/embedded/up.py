"""`assay up`: everything on one machine, from nothing to an address to open."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from app.core.settings import Settings
from app.embedded import data
from app.embedded.broker import Broker
from app.embedded.errors import PartFailed
from app.embedded.postgres import Postgres
from app.embedded.supervisor import Part, Supervisor

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Services:
    """The database and the broker of a data folder."""

    postgres: Postgres
    broker: Broker

    @classmethod
    def of(cls, folder: Path) -> Services:
        return cls(Postgres(folder / "postgres"), Broker(folder / "broker"))

    def start(self) -> None:
        try:
            self.postgres.start()
            self.postgres.ensure_database()
            self.broker.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self.broker.stop()
        self.postgres.stop()

    @property
    def running(self) -> bool:
        return self.postgres.answers() and self.broker.answers()


def environment(settings: Settings, services: Services) -> dict[str, str]:
    """What the children are told; what the operator set stays as it is."""
    folder = settings.data.resolve()
    ours = {
        "ASSAY_DATA": str(folder),
        "DATABASE_URL": services.postgres.url(),
        "BROKER_URL": services.broker.url,
        "STORAGE_URL": str(folder / "storage"),
        "SECRET_KEY": data.secret(folder),
        "PYTHONUNBUFFERED": "1",
        # Two threads of two processes on two cores stand in each other's way.
        "OMP_NUM_THREADS": "1",
    }
    return {**ours, **os.environ}


def parts(settings: Settings) -> list[Part]:
    celery = [sys.executable, "-m", "celery", "-A", "worker.celery:app"]
    state = settings.data.resolve() / "beat-schedule"
    return [
        Part(
            "web",
            [sys.executable, "-m", "uvicorn", "app.main:app", "--host", settings.host, "--port", str(settings.port),
             "--no-access-log", "--timeout-graceful-shutdown", "3"],
        ),
        Part("desk", [*celery, "worker", "-Q", "desk", "-c", "1", "-n", "desk@%h", "--loglevel", "WARNING"]),
        Part("trainer", [*celery, "worker", "-Q", "gpu", "-c", "1", "-n", "gpu@%h", "--loglevel", "WARNING"], patience=15.0),
        Part("beat", [*celery, "beat", "--loglevel", "WARNING", "--schedule", state]),
    ]  # fmt: skip


def up(settings: Settings, seed: Callable[[dict[str, str]], None], say: Callable[[str], None]) -> None:
    """Run until asked to stop. Raises CannotStart before anything is started, or when a part cannot be kept alive."""
    data.check_port(settings.host, settings.port)
    lock = data.prepare(settings.data)
    services = Services.of(settings.data.resolve())
    told = environment(settings, services)
    supervisor = Supervisor(parts(settings), told, ROOT)
    supervisor.catch_signals()
    try:
        services.start()
        migrate(told)
        seed(told)
        if not supervisor.asked_to_stop.is_set():
            supervisor.start()
            _wait_for_web(settings, supervisor)
            say(welcome(settings))
            supervisor.watch()
    finally:
        supervisor.stop()
        services.stop()
        lock.close()


def migrate(told: dict[str, str]) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"], cwd=ROOT, env=told, capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        lines = answer.stderr.strip().splitlines()
        raise PartFailed(f"The database could not be migrated: {lines[-1] if lines else 'no word why'}", "migrations")


def _wait_for_web(settings: Settings, supervisor: Supervisor, patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while not supervisor.asked_to_stop.is_set():
        try:
            with urlopen(f"{address(settings)}/healthz", timeout=2):
                return
        except OSError:
            web = supervisor.parts[0].child
            if time.monotonic() > deadline or (web is not None and web.poll() is not None):
                raise PartFailed("The web server did not come up; its log above says why.", "web") from None
            time.sleep(0.1)


def address(settings: Settings) -> str:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    return settings.public_url or f"http://{host}:{settings.port}"


def welcome(settings: Settings) -> str:
    passwords = settings.data.resolve() / "passwords.txt"
    lines = ["", f"  Assay is at {address(settings)}", ""]
    if passwords.exists():
        lines += ["  Sign in with one of these (kept in " + str(passwords) + ", readable by you alone):", ""]
        lines += ["    " + line for line in passwords.read_text().strip().splitlines()]
    else:
        lines += ["  Add people with `assay user add`."]
    return "\n".join([*lines, "", "  Ctrl-C ends everything; the data stay.", ""])


