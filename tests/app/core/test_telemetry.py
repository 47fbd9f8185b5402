"""Traces at a collector: a real one of this test's own, over HTTP, asked for as an operator would."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = Path(__file__).resolve().parents[3]
VISIT = """
from starlette.testclient import TestClient
from app.main import app
with TestClient(app) as client:
    client.get("/password-links/kept-between-two-people?next=hidden-too")
    client.get("/readyz")
"""


class Collector(HTTPServer):
    """Keeps the spans that it is sent: name → attributes as text."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiving)
        self.spans: dict[str, str] = {}
        self.services: set[str] = set()


class Receiving(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.server.services |= {
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            }
            for scope in resource.scope_spans:
                self.server.spans |= {span.name: str(span.attributes) for span in scope.spans}
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def visit(url: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": url, **more}
    return subprocess.run(
        [sys.executable, "-c", VISIT], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
    )


def test_a_collector_hears_of_requests_and_statements_and_of_no_secret(collector: Collector, database_url: str) -> None:
    endpoint = f"http://127.0.0.1:{collector.server_port}"
    answer = visit(database_url, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert answer.returncode == 0, answer.stderr
    assert collector.services == {"assay-web"}
    assert {"GET /password-links/{secret}", "GET /readyz"} <= set(collector.spans)
    assert any(name.startswith("SELECT") for name in collector.spans), sorted(collector.spans)
    told = "\n".join(collector.spans.values())
    assert "/password-links/…" in told or "\\342\\200\\246" in told
    assert "kept-between" not in told and "hidden-too" not in told


def test_without_a_collector_no_span_is_made(database_url: str) -> None:
    loaded = "{'opentelemetry.sdk.trace', 'opentelemetry.exporter'} & set(sys.modules)"
    watched = f"{VISIT}import sys; print(sorted({loaded}))"
    environment = {**os.environ, "DATABASE_URL": database_url}
    answer = subprocess.run(
        [sys.executable, "-c", watched], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
    )
    assert answer.stdout.strip().endswith("[]"), answer.stdout + answer.stderr
