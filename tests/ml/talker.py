"""A real server of OpenAI's chat protocol on this machine, with whatever faults a test asks for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


@dataclass
class Answer:
    """What the server sends. cut: it says that it will send more than it does, and hangs up."""

    status: int = 200
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


def said(text: str | None, finish: str = "stop", taken: tuple[int, int] | None = (100, 10), **message: Any) -> Answer:
    usage = {"prompt_tokens": taken[0], "completion_tokens": taken[1]} if taken else None
    choice = {"message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return Answer(content=json.dumps({"choices": [choice], "usage": usage}).encode())


def streamed(words: list[str], whole: bool = True) -> Answer:
    """A stream of pieces; not whole: without its last ones."""
    pieces: list[Any] = [{"choices": [{"delta": {"content": word}, "finish_reason": None}]} for word in words]
    if whole:
        pieces.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        pieces.append({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(words)}})
    lines = "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces) + ("data: [DONE]\n\n" if whole else "")
    return Answer(content=lines.encode(), headers={"Content-Type": "text/event-stream"}, cut=not whole)


class Talker:
    """`answer` takes the body and how many requests came before."""

    def __init__(self) -> None:
        self.bodies: list[Body] = []
        self.keys: list[str | None] = []
        self.at_once = self.most_at_once = 0
        self.answer: Callable[[Body, int], Answer] = lambda body, number: said(f"{body['model']} says so.")
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._lock:
                    number = len(outer.bodies)
                    outer.bodies.append(body)
                    outer.keys.append(self.headers.get("Authorization"))
                    outer.at_once += 1
                    outer.most_at_once = max(outer.most_at_once, outer.at_once)
                given = outer.answer(body, number)
                with outer._lock:
                    outer.at_once -= 1
                self.send_response(given.status)
                for name, value in given.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(given.content) + (100 if given.cut else 0)))
                self.end_headers()
                self.wfile.write(given.content)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def question(self, number: int) -> str:
        """The words of a request."""
        return words_of(self.bodies[number])


def words_of(body: Body) -> str:
    content = body["messages"][-1]["content"]
    return str(content if isinstance(content, str) else content[-1]["text"])


@contextmanager
def talking() -> Iterator[Talker]:
    found = Talker()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
