"""API tokens: a program's key, with an end and a scope, kept as a fingerprint only."""

from __future__ import annotations

import datetime as dt

from app.accounts import queries
from app.accounts.log import audit
from app.accounts.tables import ApiToken, User
from app.core import throttle
from app.core.db import Session, now
from app.core.errors import Invalid, NotFound, NotSignedIn
from app.core.language import gettext as _
from app.core.sealing import fingerprint, new_secret

PREFIX = "assay_"
SCOPES = ("read", "write")
LONGEST_DAYS = 366
RATE = "1200 per minute"
SEEN_EVERY = dt.timedelta(minutes=5)


class BadToken(NotSignedIn):
    """A token that is unknown, revoked or past its end."""


class TokenRefused(Invalid):
    """A token's name, scope or end is out of bounds."""


def make(session: Session, user: User, name: str, scope: str, days: int) -> str:
    """A new token's secret, shown once. Raises TokenRefused."""
    if not name.strip():
        raise TokenRefused(_("Give the token a name that says what uses it."), "name")
    if scope not in SCOPES:
        raise TokenRefused(_("A token's scope is %(scopes)s.", scopes=" or ".join(SCOPES)), "scope")
    if not 1 <= days <= LONGEST_DAYS:
        raise TokenRefused(
            _("A token lasts 1 to %(longest_days)s days, not %(days)s.", longest_days=LONGEST_DAYS, days=days), "days"
        )
    secret = new_secret(PREFIX)
    token = ApiToken(
        user_id=user.id,
        name=name.strip()[:200],
        scope=scope,
        secret_sha256=fingerprint(secret),
        expires_at=now() + dt.timedelta(days=days),
    )
    session.add(token)
    session.flush()
    audit(session, user, "token.made", f"token {token.id}", scope=scope, days=days)
    return secret


def revoke(session: Session, user: User, token_id: int) -> None:
    """Twice is harmless. Raises NotFound."""
    token = queries.token_of(session, user, token_id)
    if token is None:
        raise NotFound()
    if token.revoked_at is None:
        token.revoked_at = now()
        audit(session, user, "token.revoked", f"token {token.id}")


def open_token(session: Session, secret: str) -> ApiToken:
    """The token of this secret. Raises BadToken, throttle.TooMany."""
    token = queries.open_token(session, fingerprint(secret))
    if token is None:
        raise BadToken(_("This token is unknown, revoked or past its end."), "Authorization", _("Make a new one."))
    if wait := throttle.take(RATE, "token", str(token.id)):
        raise throttle.TooMany(
            _("This token asks too often."), "Authorization", _("Try again in %(wait)s seconds.", wait=wait)
        )
    if token.last_used_at is None or token.last_used_at < now() - SEEN_EVERY:
        token.last_used_at = now()  # not at each request: a row written for every read would cost more than the read
    return token
