"""Who is asking. Every route names a guard; a test walks the routes and fails where one has none."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.accounts import queries
from app.accounts.tables import User
from app.core.db import Db
from app.core.errors import Forbidden, NotSignedIn

COOKIE = "assay_session"


def anyone() -> None:
    """The guard of the few pages that need no account: said aloud, so that none lacks a guard by accident."""


def signed_in(request: Request, session: Db) -> User:
    """The user whose cookie this is. Raises NotSignedIn."""
    secret = request.cookies.get(COOKIE)
    entry = queries.open_sign_in(session, secret) if secret else None
    if entry is None:
        raise NotSignedIn("Sign in first.", advice="Your work is kept; you come back to this page after signing in.")
    request.state.user = entry.user
    return entry.user


def platform_admin(user: Annotated[User, Depends(signed_in)]) -> User:
    if not user.is_admin:
        raise Forbidden("Only an admin of the platform may do this.", advice="Ask an admin.")
    return user


Anyone = Depends(anyone)
SignedIn = Annotated[User, Depends(signed_in)]
PlatformAdmin = Annotated[User, Depends(platform_admin)]
GUARDS = [anyone, signed_in, platform_admin]
"""Functions that count as a guard; `app.projects.guard` adds its own."""
