"""Sign in, sign out, and the links through which a password is chosen."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from app.accounts import (
    actions,
    language_pages,
    notice_pages,
    own_pages,
    passwords,
    people_pages,
    provider,
    provider_pages,
    queries,
    second_factor,
)
from app.accounts.cookies import address_of, agent_of, with_cookie
from app.accounts.guard import COOKIE, Anyone
from app.accounts.letters import send_reset
from app.core import mail, throttle
from app.core.db import Db
from app.core.errors import Refusal
from app.core.html import here, page, redirect

door = APIRouter(dependencies=[Anyone])
Secret = Annotated[str, Form(max_length=1000)]
Email = Annotated[str, Form(max_length=320)]
Path = Annotated[str, Form(max_length=2000)]


@door.get("/sign-in")
def sign_in_page(request: Request, next: str = "/") -> Response:
    return _sign_in_page(request, next)


def _sign_in_page(request: Request, next: str, error: Refusal | None = None, email: str = "") -> Response:
    status, context = error.status if error else 200, {"mail": mail.is_set_up(), "provider": provider.name()}
    return page(request, "accounts/sign_in.html", status, error=error, email=email, next=here(next), **context)


@door.post("/sign-in")
def sign_in(request: Request, session: Db, email: Email, password: Secret, next: Path = "/") -> Response:
    try:
        secret = actions.sign_in(session, email, password, agent_of(request), address_of(request))
    except (actions.WrongCredentials, throttle.TooMany) as refusal:
        if isinstance(refusal, actions.WrongCredentials):
            actions.note_wrong_password(session, email)
        return _sign_in_page(request, next, refusal, email)
    entry = queries.open_sign_in(session, secret)
    awaits = entry is not None and entry.awaits_code
    return with_cookie(redirect(f"/sign-in/code?next={here(next)}" if awaits else here(next)), request, secret)


@door.get("/sign-in/code")
def code_page(request: Request, next: str = "/") -> Response:
    return page(request, "accounts/code.html", error=None, next=here(next))


@door.post("/sign-in/code")
def give_code(request: Request, session: Db, code: Secret, next: Path = "/") -> Response:
    try:
        secret = actions.give_code(session, request.cookies.get(COOKIE, ""), code)
    except (second_factor.WrongCode, throttle.TooMany) as refusal:
        actions.note_wrong_code(session, request.cookies.get(COOKIE, ""))
        return page(request, "accounts/code.html", refusal.status, error=refusal, next=here(next))
    return with_cookie(redirect(here(next)), request, secret)


@door.post("/sign-out")
def sign_out(request: Request, session: Db) -> Response:
    actions.sign_out(session, request.cookies.get(COOKIE, ""))
    answer = redirect("/sign-in")
    answer.delete_cookie(COOKIE)
    answer.headers["clear-site-data"] = '"cache"'  # the task fetched ahead and its pictures; kept drafts stay
    return answer


@door.get("/forgotten")
def forgotten_page(request: Request) -> Response:
    return page(request, "accounts/forgotten.html", asked="", mail=mail.is_set_up())


@door.post("/forgotten")
def forgotten(request: Request, session: Db, email: Email) -> Response:
    """The answer is the same whether or not somebody has this address."""
    send_reset(session, email.strip().lower(), address_of(request))
    return page(request, "accounts/forgotten.html", asked=email, mail=mail.is_set_up())


@door.get("/password-links/{secret}")
def password_link(request: Request, session: Db, secret: str) -> Response:
    link = passwords.open_link(session, secret)
    return page(request, "accounts/password_link.html", link=link, error=None, name=link.user.name)


@door.post("/password-links/{secret}")
def use_password_link(request: Request, session: Db, secret: str, password: Secret, name: Secret = "") -> Response:
    """Choose the password and be signed in. A second factor that is on is still asked for."""
    try:
        user = passwords.use_link(session, secret, password, name)
    except passwords.WeakPassword as refusal:
        link = passwords.open_link(session, secret)
        return page(request, "accounts/password_link.html", 422, link=link, error=refusal, name=name)
    awaits = user.second_factor is not None and user.second_factor.confirmed_at is not None
    opened = actions.open_session(session, user, agent_of(request), address_of(request), awaits)
    return with_cookie(redirect("/sign-in/code" if awaits else "/"), request, opened)


router = APIRouter()
for part in (door, language_pages.router, provider_pages.router, own_pages.router, people_pages.router):
    router.include_router(part)
router.include_router(notice_pages.router)
