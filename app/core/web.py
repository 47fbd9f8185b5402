"""What stands between the browser and every route: security headers, and no unsafe request from another site."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import language
from app.core.errors import Forbidden, TooLarge
from app.core.html import answer_refusal, too_large
from app.core.language import gettext as _

POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "style-src 'self'",
        "script-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
FILE_POLICY = "default-src 'none'; sandbox"
"""For what people have uploaded: opened by itself it is nobody's page, and runs nothing."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
HSTS = "max-age=31536000"
SAFE = {"GET", "HEAD", "OPTIONS"}
LARGEST_FORM = 4 * 2**20
LARGEST_UPLOAD = 2 * 2**30


class CrossSite(Forbidden):
    """An unsafe request that another site's page sent (CSRF)."""


def comes_from_elsewhere(method: str, headers: Headers) -> bool:
    """True for an unsafe request that a browser says another origin made; tokens carry no ambient authority."""
    if method in SAFE or headers.get("authorization"):
        return False
    if site := headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def largest(path: str) -> int:
    return LARGEST_UPLOAD if path.endswith("/imports") else LARGEST_FORM


def is_too_large(path: str, headers: Headers) -> bool:
    length = headers.get("content-length", "0")
    return not length.isdigit() or int(length) > largest(path)


def counted(receive: Receive, limit: int) -> Receive:
    """The body's parts as they come, until they are more than `limit` bytes: who sends in chunks announces no length.

    The frameworks in between let only their own exception through; the handler of errors gives it back its name.
    """
    taken = 0

    async def take() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise HTTPException(TooLarge.status)
        return message

    return take


class Shield:
    """ASGI middleware; see the module's sentence."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("strict-transport-security", HSTS)
                if "cache-control" not in headers:
                    headers["cache-control"] = "no-store"
            await send(message)

        headers = Headers(scope=scope)
        request = Request(scope, receive)
        language.listen(request.cookies.get("language"), headers.get("accept-language", ""))
        if comes_from_elsewhere(scope["method"], headers):
            refusal = CrossSite(
                _("This request came from another site's page."), "Origin", _("Open the page here and try again.")
            )
            return await answer_refusal(request, refusal)(scope, receive, send_with_headers)
        if is_too_large(scope["path"], headers):
            return await answer_refusal(request, too_large())(scope, receive, send_with_headers)
        await self.app(scope, counted(receive, largest(scope["path"])), send_with_headers)
