"""Sign in, sign out, light and dark."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from app.accounts import actions
from app.accounts.guard import COOKIE, Anyone
from app.core.db import Db
from app.core.html import page, redirect

router = APIRouter(dependencies=[Anyone])


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/") -> Response:
    return page(request, "accounts/sign_in.html", error=None, email="", next=_here(next))


@router.post("/sign-in")
def sign_in(
    request: Request,
    session: Db,
    email: Annotated[str, Form(max_length=320)],
    password: Annotated[str, Form(max_length=1000)],
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    try:
        secret = actions.sign_in(session, email, password, request.headers.get("user-agent", ""))
    except actions.WrongCredentials as refusal:
        return page(request, "accounts/sign_in.html", 401, error=refusal, email=email, next=_here(next))
    answer = redirect(_here(next))
    secure = request.url.scheme == "https"
    answer.set_cookie(
        COOKIE, secret, max_age=int(actions.SIGNED_IN_FOR.total_seconds()), httponly=True, samesite="lax", secure=secure
    )
    return answer


@router.post("/sign-out")
def sign_out(request: Request, session: Db) -> Response:
    actions.sign_out(session, request.cookies.get(COOKIE, ""))
    answer = redirect("/sign-in")
    answer.delete_cookie(COOKIE)
    return answer


def _here(next: str) -> str:
    """A path of this site: never another site's address."""
    return next if next.startswith("/") and not next.startswith(("//", "/\\")) else "/"
