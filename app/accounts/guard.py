"""Who is asking. Every route names a guard; a test walks the routes and fails where one has none."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.accounts import actions, queries, tokens
from app.accounts.tables import SignIn, User
from app.core.db import Db, Session
from app.core.errors import Forbidden, NotSignedIn
from app.core.language import gettext as _
from app.core.language import speak
from app.core.web import SAFE

COOKIE = "assay_session"


class CodeAwaited(NotSignedIn):
    """The password was right; the second factor is still missing."""

    page = "/sign-in/code"


class ReadingToken(Forbidden):
    """A token of scope read was used to change something."""


class TokensMayNot(Forbidden):
    """Something that only a person who signed in may do."""


def anyone() -> None:
    """The guard of the few pages that need no account: said aloud, so that none lacks a guard by accident."""


def signed_in(request: Request, session: Db) -> User:
    """The user whose cookie or token this is. Raises NotSignedIn, CodeAwaited, BadToken, ReadingToken."""
    authorization = request.headers.get("authorization")
    # A token, once shown, is all that counts: the check against other sites' forms relies on it.
    user = _by_token(request, session, authorization) if authorization else _sign_in(request, session).user
    request.state.user = user
    speak(user.language)
    return user


def _by_token(request: Request, session: Session, authorization: str) -> User:
    kind, _space, secret = authorization.partition(" ")
    if kind.lower() != "bearer":
        raise tokens.BadToken(_("Authorization is “Bearer” and a token."), "Authorization")
    token = tokens.open_token(session, secret.strip())
    if token.scope == "read" and request.method not in SAFE:
        raise ReadingToken(_("This token may only read."), "Authorization", _("Make one with the scope write."))
    return token.user


def _sign_in(request: Request, session: Session) -> SignIn:
    secret = request.cookies.get(COOKIE)
    entry = queries.open_sign_in(session, secret) if secret else None
    if entry is None:
        advice = _("Your work is kept; you come back to this page after signing in.")
        raise NotSignedIn(_("Sign in first."), advice=advice)
    if entry.awaits_code:
        raise CodeAwaited(_("Give the code of your second factor first."))
    request.state.unread = entry.unread  # for the bell of the page
    actions.seen(entry)
    return entry


def in_person(request: Request, session: Db) -> SignIn:
    """The session of somebody who signed in: tokens may not change an account. Raises NotSignedIn, TokensMayNot."""
    if request.headers.get("authorization"):
        raise TokensMayNot(_("A token may not do this."), "Authorization", _("Sign in with a browser."))
    entry = _sign_in(request, session)
    request.state.user = entry.user
    speak(entry.user.language)
    return entry


def platform_admin(user: Annotated[User, Depends(signed_in)]) -> User:
    if not user.is_admin:
        raise Forbidden(_("Only an admin of the platform may do this."), advice=_("Ask an admin."))
    return user


Anyone = Depends(anyone)
SignedIn = Annotated[User, Depends(signed_in)]
InPerson = Annotated[SignIn, Depends(in_person)]
PlatformAdmin = Annotated[User, Depends(platform_admin)]
GUARDS = [anyone, signed_in, in_person, platform_admin]
"""Functions that count as a guard; `app.projects.guard` adds its own."""
