"""The second factor: six digits from an authenticator app (RFC 6238), or a recovery code, each good once."""

from __future__ import annotations

import secrets
import time

import pyotp

from app.accounts import passwords
from app.accounts.log import audit
from app.accounts.tables import SecondFactor, User
from app.core import throttle
from app.core.db import Session, now
from app.core.errors import Conflict, Invalid
from app.core.language import gettext as _
from app.core.sealing import fingerprint, seal, unseal

STEP = 30  # seconds
DRIFT = 1  # steps that a phone's clock may be off, either way
RECOVERY_CODES = 8
TRIES = "6 per 15 minutes"


class WrongCode(Invalid):
    """Six digits that the app does not show now, or that were used already."""


class FactorOn(Conflict):
    """A second factor is set up already."""


def begin(session: Session, user: User) -> str:
    """The address (otpauth://) that an app reads from a QR code; it counts only once confirmed. Raises FactorOn."""
    if user.second_factor and user.second_factor.confirmed_at:
        raise FactorOn(
            _("A second factor is on already."), "second factor", _("Turn it off before you set up another.")
        )
    secret = pyotp.random_base32()
    if user.second_factor is None:
        user.second_factor = SecondFactor(user_id=user.id, sealed_secret="", last_step=0, recovery_sha256=[])
    user.second_factor.sealed_secret = seal(secret)
    session.flush()
    return address_of(user)


def address_of(user: User) -> str:
    """What the QR code says."""
    return pyotp.TOTP(_secret(user)).provisioning_uri(name=user.email, issuer_name="Assay")


def confirm(session: Session, user: User, code: str) -> list[str]:
    """Turn it on with a code from the app; returns the recovery codes, shown once. Raises WrongCode, FactorOn."""
    factor = user.second_factor
    if factor is None or factor.confirmed_at:
        raise FactorOn(_("There is nothing to confirm."), "second factor", _("Begin setting it up."))
    _accept(user, factor, code)
    codes = ["-".join(secrets.token_hex(2) for _ in range(3)) for _ in range(RECOVERY_CODES)]
    factor.recovery_sha256 = [fingerprint(each) for each in codes]
    factor.confirmed_at = now()
    audit(session, user, "second_factor.on", f"user {user.id}")
    return codes


def check(session: Session, user: User, code: str) -> None:
    """Accept a code of the app or a recovery code. Raises WrongCode, throttle.TooMany."""
    factor = user.second_factor
    if wait := throttle.take(TRIES, "code", str(user.id)):
        raise throttle.TooMany(
            _("Too many wrong codes."), "code", _("Try again in %(wait)s minutes.", wait=-(-wait // 60))
        )
    if factor is None:
        raise WrongCode(_("No second factor is set up."), "code")
    spent = fingerprint(code.strip().lower())
    if spent in factor.recovery_sha256:
        factor.recovery_sha256 = [each for each in factor.recovery_sha256 if each != spent]
        audit(session, user, "second_factor.recovered", f"user {user.id}", left=len(factor.recovery_sha256))
    else:
        _accept(user, factor, code)
    throttle.forget(TRIES, "code", str(user.id))


def turn_off(session: Session, user: User, password: str) -> None:
    """Raises WrongPassword."""
    passwords.prove(user, password)
    drop(session, user, user)


def drop(session: Session, author: User, user: User) -> None:
    """Turn it off for somebody whose phone is lost."""
    if user.second_factor:
        session.delete(user.second_factor)
        user.second_factor = None
        audit(session, author, "second_factor.off", f"user {user.id}")


def _secret(user: User) -> str:
    assert user.second_factor is not None
    return unseal(user.second_factor.sealed_secret)


def _accept(user: User, factor: SecondFactor, code: str) -> None:
    """Note the step of the code, so that neither it nor an older one is taken again."""
    totp = pyotp.TOTP(_secret(user), interval=STEP)
    present = int(time.time()) // STEP
    digits = "".join(code.split())
    for step in range(present - DRIFT, present + DRIFT + 1):
        if step > factor.last_step and secrets.compare_digest(totp.at(step * STEP), digits):
            factor.last_step = step
            return
    raise WrongCode(
        _("This code is not the one that your app shows now."), "code", _("Wait for the next one and try again.")
    )
