"""Reasons expanded by an endpoint that speaks OpenAI's protocol, and by a local model."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ml.endpoint import Endpoint
from ml.errors import BadEndpoint, NoExpander, Stopped
from ml.folder import RunFolder
from ml.recipes import expand
from tests.ml import cast

Answer = Callable[[int, dict[str, Any]], tuple[int, bytes]]


def said(text: str) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


class Expander:
    """A small server of the protocol: `answer` takes how many requests came before and the body."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.answer: Answer = lambda number, body: (200, said("  A fuller critique.  "))
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.path == "/v1/chat/completions"
                number = len(outer.requests)
                outer.requests.append(body)
                outer.keys.append(self.headers.get("Authorization"))
                status, content = outer.answer(number, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/"


@pytest.fixture
def expander(monkeypatch: pytest.MonkeyPatch) -> Iterator[Expander]:
    found = Expander()
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("OPENAI_BASE_URL", found.url)
    monkeypatch.setenv("OPENAI_MODEL", "house-model")
    monkeypatch.setenv("OPENAI_API_KEY", "k-123")
    monkeypatch.setattr(Endpoint, "_pause", lambda self, trial, asked: 0.0)
    yield found
    found.server.shutdown()
    found.server.server_close()


def go(folder: Path, data: Path, **config: Any) -> Path:
    cast.run_folder(folder, "expand", {"dataset": data}, **config)
    return again(folder)


def again(folder: Path) -> Path:
    expand.run(RunFolder(folder), RunFolder(folder).config("expand"))  # type: ignore[arg-type]
    return folder


def test_every_reason_is_expanded_and_kept_beside_the_human_one(tmp_path: Path, data: Path, expander: Expander) -> None:
    folder = go(tmp_path / "run", data)
    rows = cast.lines(folder / "output" / "critiques.jsonl")
    assert len(rows) == len(expander.requests) == 32
    assert rows[0]["text"] == "A fuller critique."
    assert rows[0]["human"] == "right, it is red, and clear"
    assert rows[0]["origin"] == "expanded"
    assert rows[0]["parameters"]["model"] == "house-model"
    assert "k-123" not in json.dumps(rows)
    assert set(expander.keys) == {"Bearer k-123"}


def test_the_prompt_holds_question_response_reason_and_the_rules(
    tmp_path: Path, data: Path, expander: Expander
) -> None:
    folder = go(tmp_path / "run", data, limit=1, send_images=False)
    prompt = expander.requests[0]["messages"][0]["content"]
    assert prompt == cast.lines(folder / "output" / "critiques.jsonl")[0]["prompt"]
    for part in ("What colour is the circle?", "The circle in the picture is red.", "right, it is red, and clear"):
        assert part in prompt
    assert "do not answer the question" in prompt
    assert "add nothing" in prompt


def test_the_pictures_are_sent_as_data_urls(tmp_path: Path, data: Path, expander: Expander) -> None:
    go(tmp_path / "run", data, limit=1)
    content = expander.requests[0]["messages"][0]["content"]
    assert [part["type"] for part in content] == ["image_url", "text"]
    head, picture = content[0]["image_url"]["url"].split(",", 1)
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (64, 64)


def test_an_endpoint_that_is_busy_is_asked_again(tmp_path: Path, data: Path, expander: Expander) -> None:
    expander.answer = lambda number, body: (429, b"slow down") if number in (0, 1) else (200, said("ok"))
    folder = go(tmp_path / "run", data, limit=3, concurrency=1)
    assert [row["text"] for row in cast.lines(folder / "output" / "critiques.jsonl")] == ["ok"] * 3
    assert len(expander.requests) == 5


def test_an_endpoint_that_refuses_is_not_asked_again(tmp_path: Path, data: Path, expander: Expander) -> None:
    expander.answer = lambda number, body: (401, b"no such key")
    with pytest.raises(BadEndpoint, match="401: no such key"):
        go(tmp_path / "run", data, limit=1)
    assert len(expander.requests) == 1


def test_an_endpoint_that_stays_busy_is_given_up(tmp_path: Path, data: Path, expander: Expander) -> None:
    expander.answer = lambda number, body: (503, b"")
    with pytest.raises(BadEndpoint, match="after 3 tries"):
        go(tmp_path / "run", data, limit=1, retries=2)


@pytest.mark.parametrize("content", [b"<html>", b"{}", b'{"choices": []}', b"[]"])
def test_an_answer_that_is_not_of_the_protocol_is_named(
    tmp_path: Path, data: Path, expander: Expander, content: bytes
) -> None:
    expander.answer = lambda number, body: (200, content)
    with pytest.raises(BadEndpoint, match="not of the protocol"):
        go(tmp_path / "run", data, limit=1)


def test_what_is_written_is_not_asked_again(tmp_path: Path, data: Path, expander: Expander) -> None:
    expander.answer = lambda number, body: (200, said("ok")) if number < 5 else (400, b"enough")
    with pytest.raises(BadEndpoint):
        go(tmp_path / "run", data, concurrency=1)
    assert len(cast.lines(tmp_path / "run" / "output" / "critiques.jsonl")) == 5
    expander.answer = lambda number, body: (200, said("ok"))
    again(tmp_path / "run")
    keys = [(row["sample"], row["response"]) for row in cast.lines(tmp_path / "run" / "output" / "critiques.jsonl")]
    assert len(keys) == len(set(keys)) == 32
    assert len(expander.requests) == 6 + 27


def test_a_stopped_run_keeps_what_it_has(
    tmp_path: Path, data: Path, expander: Expander, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.run_folder(tmp_path / "run", "expand", {"dataset": data}, concurrency=1)
    folder = RunFolder(tmp_path / "run")
    monkeypatch.setattr(folder, "progress", lambda phase, done, total: setattr(folder, "stopping", done == 3))
    with pytest.raises(Stopped):
        expand.run(folder, folder.config("expand"))  # type: ignore[arg-type]
    assert len(cast.lines(tmp_path / "run" / "output" / "critiques.jsonl")) == 3


def test_with_no_expander_configured_the_run_is_refused(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NoExpander, match="set OPENAI_BASE_URL"):
        go(tmp_path / "run", data)
    assert not (tmp_path / "run" / "output").exists()


def test_a_local_model_expands_too(tmp_path: Path, data: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    folder = go(tmp_path / "run", data, base=str(base), limit=2, max_new_tokens=8)
    rows = cast.lines(folder / "output" / "critiques.jsonl")
    assert rows
    assert rows[0]["parameters"]["expander"] == "local"
    assert rows[0]["parameters"]["model"] == str(base)
