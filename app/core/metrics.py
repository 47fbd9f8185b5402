"""What the web process has answered, for Prometheus: how many requests of each route, how they ended, how soon."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import logs
from app.core.settings import settings

REGISTRY = CollectorRegistry()
SECONDS = Histogram(
    "assay_request_seconds",
    "Seconds until a request was answered whole, by the pattern of its address.",
    ("method", "route", "status"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
NOWHERE = "none"
"""For addresses without a route: strangers must not be able to make up labels."""


class Measured:
    """ASGI middleware; live pages count when they end."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun, status = time.perf_counter(), 500

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_see)
        finally:
            method = scope["method"] if scope["method"] in METHODS else NOWHERE
            route, seconds = pattern(scope), time.perf_counter() - begun
            SECONDS.labels(method, route, status).observe(seconds)
            if settings().access_log:
                logs.tell_of_request(scope, route, status, seconds)


def pattern(scope: Scope) -> str:
    """The route's path with its names in braces."""
    route = scope.get("route")
    return str(getattr(route, "path", NOWHERE)) or NOWHERE
