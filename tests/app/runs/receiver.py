"""A server that webhooks are sent to: it keeps what it hears, and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """status: what it answers; slow: nothing until it is let go, or a byte at a time."""

    url: str = ""
    status: int = 200
    text: str = "thanks"
    location: str = ""
    slow: str = ""
    let_go: threading.Event = field(default_factory=threading.Event)
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiver() -> Iterator[Receiver]:
    it = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(it))
    server.daemon_threads = True
    it.url = f"http://127.0.0.1:{server.server_port}/runs"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield it
    finally:
        it.let_go.set()
        server.shutdown()
        server.server_close()


def _handler(it: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            it.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if it.slow == "silent":
                it.let_go.wait(60)
            self.send_response(it.status)
            if it.location:
                self.send_header("location", it.location)
            self.end_headers()
            if it.slow == "dripping":
                self._drip()
            self.wfile.write(it.text.encode())

        do_GET = do_POST  # what a redirect would become

        def _drip(self) -> None:
            while not it.let_go.wait(0.05):
                self.wfile.write(b".")
                self.wfile.flush()

        def log_message(self, *_: Any) -> None: ...

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # who sent it did not wait
                pass

    return Handler
