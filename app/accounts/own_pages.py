"""One's own account: name, password, second factor, sessions and tokens. Never by a token."""

from __future__ import annotations

from typing import Annotated, Any

import segno
from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from app.accounts import actions, passwords, provider, queries, second_factor, tokens
from app.accounts.guard import InPerson
from app.accounts.tables import SignIn
from app.core.db import Db, Session
from app.core.errors import Refusal
from app.core.html import page, redirect
from app.core.language import gettext as _

router = APIRouter()
Line = Annotated[str, Form(max_length=1000)]


@router.get("/account")
def account(request: Request, entry: InPerson, session: Db) -> Response:
    return _account(request, entry, session)


def _account(request: Request, entry: SignIn, session: Session, status: int = 200, **context: Any) -> Response:
    factor = entry.user.second_factor
    return page(
        request,
        "accounts/account.html",
        status,
        **{
            "entry": entry,
            "sign_ins": queries.sign_ins_of(session, entry.user),
            "tokens": queries.tokens_of(session, entry.user),
            "factor": factor if factor and factor.confirmed_at else None,
            "provider": provider.name(),
            "identities": entry.user.identities,
            "faults": {},
            "new_token": None,
            "said": "",
            **context,
        },
    )


def _refused(request: Request, entry: SignIn, session: Session, place: str, refusal: Refusal) -> Response:
    """The page again with the refusal beside the form that it is about; nothing else was changed."""
    return _account(request, entry, session, refusal.status, faults={place: refusal})


@router.post("/account/name")
def rename(request: Request, entry: InPerson, session: Db, name: Line) -> Response:
    actions.rename(session, entry.user, name)
    return redirect("/account")


@router.post("/account/veil")
def veil(entry: InPerson, veils: Annotated[str, Form(max_length=5)] = "") -> Response:
    """Whether safety pictures are veiled: an absent box is a no."""
    entry.user.veils = bool(veils)
    return redirect("/account#veil")


@router.post("/account/password")
def change_password(request: Request, entry: InPerson, session: Db, present: Line, new: Line) -> Response:
    try:
        passwords.change(session, entry.user, present, new, entry)
    except (passwords.WrongPassword, passwords.WeakPassword) as refusal:
        return _refused(request, entry, session, "password", refusal)
    return _account(request, entry, session, said=_("Your password is changed; every other session has ended."))


@router.post("/account/sign-ins/{sign_in_id}/ending")
def end_sign_in(entry: InPerson, session: Db, sign_in_id: int) -> Response:
    actions.end_sign_in(session, entry.user, sign_in_id)
    return redirect("/account#sessions")


@router.post("/account/other-sign-ins/ending")
def end_other_sign_ins(entry: InPerson, session: Db) -> Response:
    actions.end_other_sign_ins(session, entry.user, entry)
    return redirect("/account#sessions")


@router.post("/account/tokens")
def make_token(
    request: Request, entry: InPerson, session: Db, name: Line, scope: Line, days: Annotated[int, Form()]
) -> Response:
    try:
        secret = tokens.make(session, entry.user, name, scope, days)
    except tokens.TokenRefused as refusal:
        return _refused(request, entry, session, "tokens", refusal)
    return _account(request, entry, session, 201, new_token=secret)


@router.post("/account/tokens/{token_id}/revocation")
def revoke_token(entry: InPerson, session: Db, token_id: int) -> Response:
    tokens.revoke(session, entry.user, token_id)
    return redirect("/account#tokens")


@router.get("/account/second-factor")
def second_factor_page(request: Request, entry: InPerson, session: Db) -> Response:
    factor = entry.user.second_factor
    if factor is None or factor.confirmed_at:
        return redirect("/account#second-factor")
    return _setting_up(request, entry)


def _setting_up(request: Request, entry: SignIn, error: Refusal | None = None) -> Response:
    address = second_factor.address_of(entry.user)
    return page(
        request,
        "accounts/second_factor.html",
        error.status if error else 200,
        picture=segno.make(address, error="m").svg_data_uri(scale=5, border=2),
        secret=address.split("secret=")[1].split("&")[0],
        error=error,
        codes=None,
    )


@router.post("/account/second-factor")
def begin_second_factor(entry: InPerson, session: Db) -> Response:
    second_factor.begin(session, entry.user)
    return redirect("/account/second-factor")


@router.post("/account/second-factor/confirmation")
def confirm_second_factor(request: Request, entry: InPerson, session: Db, code: Line) -> Response:
    try:
        codes = second_factor.confirm(session, entry.user, code)
    except second_factor.WrongCode as refusal:
        return _setting_up(request, entry, refusal)
    return page(request, "accounts/second_factor.html", codes=codes, picture="", secret="", error=None)


@router.post("/account/second-factor/removal")
def turn_off_second_factor(request: Request, entry: InPerson, session: Db, password: Line) -> Response:
    try:
        second_factor.turn_off(session, entry.user, password)
    except passwords.WrongPassword as refusal:
        return _refused(request, entry, session, "second-factor", refusal)
    return redirect("/account#second-factor")
