"""Addresses that users give lead to the public internet or nowhere."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from app.core import outside
from app.core.settings import settings

PRIVATE = [
    "http://127.0.0.1/", "http://localhost:5432/", "http://0.0.0.0/", "http://10.1.2.3/", "http://172.16.0.1/",
    "http://192.168.1.1/", "http://169.254.169.254/latest/meta-data/", "http://100.64.0.1/", "http://224.0.0.1/",
    "http://[::1]/", "http://[::]/", "http://[fe80::1]/", "http://[fd00::1]/", "http://[ff02::1]/",
    "http://[::ffff:127.0.0.1]/", "http://[::ffff:a00:1]/", "http://[2002:7f00:1::]/", "http://[64:ff9b::7f00:1]/",
    "http://[::127.0.0.1]/", "http://2130706433/", "http://0x7f.1/", "http://127.1/",
]  # fmt: skip
NO_ADDRESS = ["", "no address", "ftp://example.org/", "file:///etc/passwd", "http://", "gopher://127.0.0.1", "//x"]


@pytest.mark.parametrize("url", PRIVATE)
def test_what_is_not_public_is_refused_however_it_is_written(url: str) -> None:
    with pytest.raises((outside.PrivateAddress, outside.BadAddress)) as refusal:
        outside.check(url, "endpoint")
    assert refusal.value.where == "endpoint"


@pytest.mark.parametrize("url", [*NO_ADDRESS, "http://alice:secret@example.org/"])
def test_what_is_no_address_is_named(url: str) -> None:
    with pytest.raises(outside.BadAddress):
        outside.check(url)


def test_a_public_address_is_let_through() -> None:
    assert str(outside.check("https://93.184.215.14/")) == "93.184.215.14"
    assert str(outside.check("https://[2606:2800:21f::1]/")) == "2606:2800:21f::1"


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Names resolve to these answers, one after the other; the names that were asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        if host == "127.0.0.1":  # what is an address already resolves to itself
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(outside.socket, "getaddrinfo", getaddrinfo)
    return asked


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["93.184.215.14", "10.0.0.1"])
    with pytest.raises(outside.PrivateAddress):
        outside.check("https://two-faced.example/")


class Site(BaseHTTPRequestHandler):
    """Says which name it was asked by; /away leads to another port of this machine."""

    def do_GET(self) -> None:
        away = self.path == "/away"
        self.send_response(302 if away else 200)
        if away:
            self.send_header("location", "http://10.9.9.9/secret")
        self.end_headers()
        self.wfile.write(str(self.headers["host"]).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def here_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTSIDE_ALLOWED", "127.0.0.0/8")
    settings.cache_clear()


def test_the_operator_may_allow_a_network_and_no_other(here_allowed: None, port: int) -> None:
    with outside.client() as client:
        assert client.get(f"http://127.0.0.1:{port}/").status_code == 200
        with pytest.raises(outside.PrivateAddress):
            client.get("http://10.0.0.1/")


def test_a_redirect_is_judged_like_any_request(here_allowed: None, port: int) -> None:
    with outside.client() as client, pytest.raises(outside.PrivateAddress, match=r"10\.9\.9\.9"):
        client.get(f"http://127.0.0.1:{port}/away")


def test_the_connection_goes_to_the_address_that_was_judged(
    here_allowed: None, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that answers differently the second time is never asked a second time."""
    asked = resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    with outside.client() as client:
        answer = client.get(f"http://rebinding.example:{port}/")
    assert answer.text == f"rebinding.example:{port}"
    assert asked == ["rebinding.example"]


def test_a_setting_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTSIDE_ALLOWED", "everything")
    settings.cache_clear()
    with pytest.raises(Exception, match="everything"):
        outside.check("http://127.0.0.1/")
