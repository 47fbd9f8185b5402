"""`assay up`: everything on one machine, from nothing to an address to open."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from socket import socket
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from app.core.settings import Settings
from app.embedded import data
from app.embedded import services as servers
from app.embedded.postgres import Postgres, revision
from app.embedded.speech import Speech
from app.embedded.supervisor import Program, Stopped, Supervisor

ROOT = Path(__file__).resolve().parents[2]


def up(settings: Settings, seed: bool = True) -> None:
    """Run until asked to stop.

    Raises CannotStart before anything is started, or when something cannot be kept alive; nothing is left running.
    """
    folder = settings.data.resolve()
    with data.prepare(folder):
        servers.end_leftovers(folder)  # they may hold the port
        with data.listen(settings.host, settings.port) as listener, Supervisor() as supervisor:
            try:
                _run(supervisor, settings, servers.of(settings), listener, seed)
            except Stopped:
                pass
            except OSError as problem:
                raise data.because(problem, folder) from problem
            supervisor.speech.write("Ending …")
    Speech().write("Ended; the data stay.")


def _run(supervisor: Supervisor, settings: Settings, services: servers.Services, listener: socket, seed: bool) -> None:
    for program, server in services.programs():
        supervisor.start(program)
        supervisor.until(server.answers, program.name)
        if isinstance(server, Postgres):
            server.ensure_database()
    told = servers.told(settings, services)
    if services.postgres is None or revision(services.postgres.url()) not in newest_revisions():
        supervisor.perform(_assay("migrate", told))
    if seed and not (services.folder / "seeded").exists():
        supervisor.perform(_assay("seed", told))
        (services.folder / "seeded").touch()
    for program in programs(services.folder, told, listener):
        supervisor.start(program)
        if program.name == "web":  # alone, people see it sooner
            supervisor.until(lambda: answers(listener), "web")
    supervisor.speech.write(welcome(settings))
    supervisor.watch()


def newest_revisions() -> set[str]:
    """The migrations that no other follows, read off their files: loading alembic takes longer than all the rest."""
    text = "\n".join(file.read_text() for file in (ROOT / "migrations" / "versions").glob("*.py"))
    found = {name: set(re.findall(rf'^{name}\b[^=]*= *"(\w+)"', text, re.M)) for name in ("revision", "down_revision")}
    return found["revision"] - found["down_revision"]


def _assay(verb: str, told: Mapping[str, str]) -> Program:
    return Program(verb, [sys.executable, "-m", "app.cli", verb], told, ROOT)


def programs(folder: Path, told: Mapping[str, str], listener: socket) -> list[Program]:
    celery = [sys.executable, "-m", "celery", "--app", "worker.celery:app", "--quiet"]
    # Celery warns root at each start; who runs the platform as root has been asked by nobody else either.
    quiet = {**told, "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}
    common = ["--loglevel", "warning", "--concurrency", "1", "--without-mingle", "--without-gossip"]
    web = [sys.executable, "-m", "app.embedded.serve", str(listener.fileno())]
    desk = [*celery, "worker", "--queues", "desk,media", "--hostname", "desk@%h", *common]
    trainer = [*celery, "worker", "--queues", "gpu", "--hostname", "gpu@%h", *common]
    player = [*celery, "worker", "--queues", "play", "--hostname", "play@%h", *common]
    beat = [*celery, "beat", "--loglevel", "warning", "--pidfile=", "--schedule", str(folder / "beat")]
    return [
        Program("web", web, told, ROOT, files=(listener.fileno(),)),
        # People go on annotating while one of these cannot run; its work waits in the database.
        Program("desk", desk, quiet, ROOT, is_missed=False),
        # It gives a run some seconds to save a checkpoint, then ends it.
        Program("trainer", trainer, quiet, ROOT, patience=30.0, is_missed=False),
        Program("player", player, quiet, ROOT, is_missed=False),
        Program("beat", beat, told, ROOT, is_missed=False),
    ]


def answers(listener: socket) -> bool:
    """Does the web server answer (and not only the socket that we hold open for it)?"""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        build_opener(ProxyHandler({})).open(f"http://{_bracketed(host)}:{port}/healthz", timeout=0.5).close()
    except HTTPError:
        return True
    except OSError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def address(settings: Settings) -> str:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    return settings.public_url or f"http://{_bracketed(host)}:{settings.port}"


def welcome(settings: Settings) -> str:
    """Where to go and how to sign in."""
    passwords = settings.data.resolve() / "passwords.txt"
    lines = ["", f"  Assay is at {address(settings)}", ""]
    if passwords.exists():
        lines += [f"  Sign in with one of these (kept in {passwords}, readable by you alone):", ""]
        lines += [f"    {line}" for line in passwords.read_text().splitlines() if line]
    else:
        lines += ["  Add people with `assay user add`."]
    return "\n".join([*lines, "", "  Ctrl-C ends everything; the data stay.", ""])
