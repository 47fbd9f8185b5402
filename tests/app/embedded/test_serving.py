"""The web server as the supervisor starts it, asked to end while somebody is in the middle of something."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.embedded import data
from tests.app.embedded.waiting import eventually, free_port

ROOT = Path(__file__).resolve().parents[3]
FORM = b"email=nobody%40example.org&password=wrong"
HEAD = (
    b"POST /sign-in HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    b"content-length: %d\r\naccept: application/json\r\n\r\n" % len(FORM)
)
ASKING = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture
def server(database_url: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    with data.listen("127.0.0.1", port) as listener:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.embedded.serve", str(listener.fileno())],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": database_url},
            pass_fds=[listener.fileno()],
        )
    yield process, port
    process.kill()
    process.wait()


def reach(port: int) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port), timeout=60)
    found.settimeout(60)
    return found


def ask(connection: socket.socket) -> None:
    """Head and body may come one after the other."""
    connection.sendall(ASKING)
    answer = b""
    while b'"alive"' not in answer:
        answer += (part := connection.recv(4096))
        assert part, answer
    assert answer.startswith(b"HTTP/1.1 200")


def test_who_is_in_the_middle_of_a_form_is_answered_before_the_server_ends(
    server: tuple[subprocess.Popen[bytes], int],
) -> None:
    process, port = server
    with closing(reach(port)) as resting, closing(reach(port)) as writing:
        ask(resting)
        writing.sendall(HEAD + FORM[:10])
        ask(resting)  # the server has read what came before it
        process.send_signal(signal.SIGTERM)
        assert resting.recv(4096) == b"", "a connection at rest is closed: the server is ending"
        writing.sendall(FORM[10:])
        assert writing.recv(65536).startswith(b"HTTP/1.1 401")
    assert process.wait(60) in (0, -signal.SIGTERM)
    eventually(lambda: _refused(port))


def _refused(port: int) -> bool:
    try:
        reach(port).close()
    except OSError:
        return True
    return False
