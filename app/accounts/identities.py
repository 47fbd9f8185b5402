"""Whose account an identity opens. Nothing but the provider's subject, linked before, lets anybody in.

An account is linked in two ways only: by its owner, who is signed in and says yes; or, for somebody who was invited
and has not chosen a password, by the address that the provider has verified. An account that has a password is never
opened by an address: whoever made the password may be somebody else.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.accounts import actions, queries
from app.accounts.log import audit
from app.accounts.provider import Claims
from app.accounts.tables import Identity, PasswordLink, User
from app.core.db import Session, now
from app.core.errors import Conflict, Forbidden
from app.core.language import N_
from app.core.language import gettext as _


class NobodyKnown(Forbidden):
    """The provider knows this person and nobody here does."""

    advice = N_("Ask an admin to invite you with the address that your provider has verified.")


class LinkFirst(Forbidden):
    """There is an account with a password at this address."""

    advice = N_("Sign in with your password, then link the two under “Your account”.")


class LinkedAlready(Conflict):
    """The identity, or the account, is linked already, with another."""


class OnlyWayIn(Conflict):
    """Without it the person could not sign in any more."""

    advice = N_("Choose a password first, by “Forgotten your password?”, or ask an admin for a link.")


def sign_in(session: Session, claims: Claims, agent: str, address: str) -> str:
    """Open a session for whoever this is; its secret. Raises NobodyKnown, LinkFirst."""
    user = _known(session, claims) or _invited(session, claims)
    awaits = user.second_factor is not None and user.second_factor.confirmed_at is not None
    return actions.open_session(session, user, agent, address, awaits)


def _known(session: Session, claims: Claims) -> User | None:
    identity = queries.identity(session, claims.issuer, claims.subject)
    if identity is None:
        return None
    if identity.user.deactivated_at:
        raise _nobody()
    return identity.user


def _invited(session: Session, claims: Claims) -> User:
    """Somebody invited who comes by the provider instead of by the link, which works no more."""
    user = queries.user_by_email(session, claims.email) if claims.email and claims.email_verified else None
    if user is None or user.deactivated_at:
        raise _nobody()
    if user.password_hash or user.identities:
        raise LinkFirst(_("There is an account at %(email)s already.", email=user.email), "email")
    session.execute(
        sa.update(PasswordLink)
        .where(PasswordLink.user_id == user.id, PasswordLink.used_at.is_(None), PasswordLink.expires_at > now())
        .values(expires_at=sa.func.now())
    )
    if user.name == user.email and claims.name.strip():
        user.name = claims.name.strip()[:200]
    link(session, user, claims)
    return user


def _nobody() -> NobodyKnown:
    return NobodyKnown(_("Nobody here has this identity."), "identity")


def link(session: Session, user: User, claims: Claims) -> None:
    """Have the identity open this account from now on. Raises LinkedAlready."""
    linked = queries.identity(session, claims.issuer, claims.subject)
    if linked is not None and linked.user_id != user.id:
        raise LinkedAlready(_("This identity belongs to another account."), "identity")
    if linked is None and any(each.issuer == claims.issuer for each in user.identities):
        raise LinkedAlready(
            _("Your account is linked with another identity of this provider."), "identity", _("Unlink that one first.")
        )
    if linked is None:
        session.add(Identity(user=user, issuer=claims.issuer, subject=claims.subject, email=claims.email))
        session.flush()
        audit(session, user, "identity.linked", f"user {user.id}", issuer=claims.issuer)


def unlink(session: Session, user: User) -> None:
    """Twice is harmless. Raises OnlyWayIn."""
    if user.identities and not user.password_hash:
        raise OnlyWayIn(_("You have no password: this identity is your only way in."), "identity")
    for each in list(user.identities):
        session.delete(each)
        audit(session, user, "identity.unlinked", f"user {user.id}", issuer=each.issuer)
    session.flush()
    session.expire(user, ["identities"])
