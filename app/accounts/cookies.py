"""The session's cookie, and what a request says of where it came from."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from app.accounts import actions
from app.accounts.guard import COOKIE


def with_cookie(answer: Response, request: Request, secret: str) -> Response:
    """Give the browser the session's secret."""
    age = int(actions.SIGNED_IN_FOR.total_seconds())
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, secret, max_age=age, httponly=True, samesite="lax", secure=secure)
    return answer


def agent_of(request: Request) -> str:
    return request.headers.get("user-agent", "")


def address_of(request: Request) -> str:
    """Where the request came from; behind a proxy, uvicorn has put the forwarded address here."""
    return request.client.host if request.client else ""
