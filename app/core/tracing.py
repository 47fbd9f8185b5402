"""A name for each request, in its answer and in every log line, down to the jobs that it asked for."""

from __future__ import annotations

import re
import secrets

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-request-id"
# What a proxy in front chose is kept; anything longer or stranger could forge log lines.
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}")


def named(offered: str) -> str:
    """The offered request id where it is well-formed, else a new one (16 hexadecimal digits)."""
    return offered if _WELL_FORMED.fullmatch(offered) else secrets.token_hex(8)


def current() -> str | None:
    """The id of the request that this code works for, or None outside of one."""
    return structlog.contextvars.get_contextvars().get("request")


def begin(request_id: str | None) -> None:
    """From here on, log lines of this context carry `request_id`, and nothing of what was before."""
    structlog.contextvars.clear_contextvars()
    if request_id:
        structlog.contextvars.bind_contextvars(request=request_id)


class NamedRequests:
    """ASGI middleware; see the module's sentence."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request_id = named(Headers(scope=scope).get(HEADER, ""))
        begin(request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self.app(scope, receive, send_with_id)
