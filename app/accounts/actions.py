"""Accounts' verbs: add, deactivate and promote people; sign in and out."""

from __future__ import annotations

import datetime as dt

from pydantic import TypeAdapter, ValidationError
from pydantic.networks import validate_email

from app.accounts import passwords, queries, second_factor
from app.accounts.log import audit as audit  # the other rooms say accounts.audit
from app.accounts.passwords import WeakPassword as WeakPassword
from app.accounts.tables import SignIn, User
from app.core import throttle
from app.core.db import Session, now
from app.core.errors import Conflict, Invalid, NotFound, NotSignedIn
from app.core.language import LANGUAGES, N_
from app.core.language import gettext as _
from app.core.sealing import fingerprint, new_secret

SIGNED_IN_FOR = dt.timedelta(days=14)
CODE_WITHIN = dt.timedelta(minutes=10)
SEEN_EVERY = dt.timedelta(minutes=5)

# Who guesses one account's password from one address is stopped soon; who tries many accounts from one address, or one
# account from many addresses, a little later. An address from which the owner has signed in before answers only for
# its own tries: strangers elsewhere cannot lock the owner out.
FROM_ONE_ADDRESS = "5 per 15 minutes"
BY_ONE_ADDRESS = "50 per 15 minutes"
ON_ONE_ACCOUNT = "30 per 15 minutes"


class WrongCredentials(NotSignedIn):
    """The address and the password do not belong together; which of them is wrong is not said."""


class EmailTaken(Conflict):
    """Someone with this address exists already."""


class BadEmail(Invalid):
    """Text that is no e-mail address."""


class UnknownLanguage(Invalid):
    """A language that the interface does not speak."""


class LastPlatformAdmin(Conflict):
    """The platform must keep one person who can administer it."""

    advice = N_("Make somebody else an admin first.")

    def __init__(self, where: str) -> None:
        super().__init__(_("This is the platform's last admin."), where)


def add_user(session: Session, email: str, name: str, password: str, is_admin: bool = False) -> User:
    """A new user with a password. Raises BadEmail, WeakPassword, EmailTaken."""
    email = checked_email(email)
    return _add(session, email, name, passwords.hashed(password, email), is_admin)


def add_invited(session: Session, email: str, name: str = "") -> User:
    """A new user who chooses a password through a link. Raises BadEmail, EmailTaken."""
    return _add(session, checked_email(email), name, "", False)


def _add(session: Session, email: str, name: str, password_hash: str, is_admin: bool) -> User:
    if queries.user_by_email(session, email):
        raise EmailTaken(_("%(email)s has an account already.", email=email), "email")
    user = User(email=email, name=name.strip()[:200] or email, password_hash=password_hash, is_admin=is_admin)
    session.add(user)
    session.flush()
    audit(session, user, "user.added", f"user {user.id}")
    return user


def checked_email(email: str) -> str:
    """The address in lower case. Raises BadEmail."""
    try:
        return validate_email(TypeAdapter(str).validate_python(email))[1].lower()
    except (ValueError, ValidationError):
        raise BadEmail(_("“%(text)s” is not an e-mail address.", text=email[:80]), "email") from None


def sign_in(session: Session, email: str, password: str, agent: str = "", address: str = "") -> str:
    """Open a session and return its secret for the cookie. Raises WrongCredentials, throttle.TooMany.

    With a second factor the session awaits its code; nothing but `give_code` may be done with it.
    """
    email = email.strip().lower()
    user = queries.user_by_email(session, email)
    known = user is not None and bool(address) and queries.came_from(session, user, address)
    _take_turn(email, address, known)
    hashed = user.password_hash if user else passwords.hash_of_nobody()
    if not passwords.matches(hashed, password) or user is None or user.deactivated_at:
        raise WrongCredentials(_("This address and password do not belong together."), "password")
    throttle.forget(FROM_ONE_ADDRESS, "sign-in", email, address)
    awaits = user.second_factor is not None and user.second_factor.confirmed_at is not None
    return open_session(session, user, agent, address, awaits)


def note_wrong_password(session: Session, email: str) -> None:
    """In the log of an account that somebody tried to open; of addresses without one nothing is kept."""
    if user := queries.user_by_email(session, email.strip().lower()):
        audit(session, None, "user.sign_in_failed", f"user {user.id}")


def note_wrong_code(session: Session, secret: str) -> None:
    """Worth more attention than a wrong password: whoever tried knows that one."""
    if entry := queries.open_sign_in(session, secret):
        audit(session, None, "second_factor.failed", f"user {entry.user_id}")


def _take_turn(email: str, address: str, known: bool) -> None:
    """Count this try wherever it counts. Raises throttle.TooMany."""
    counts: list[tuple[str, tuple[str, ...]]] = [(FROM_ONE_ADDRESS, ("sign-in", email, address))]
    if not known:
        counts += [(BY_ONE_ADDRESS, ("sign-in by", address)), (ON_ONE_ACCOUNT, ("sign-in on", email))]
    waits = [throttle.take(limit, *key) for limit, key in counts]
    if wait := max(waits):
        raise throttle.TooMany(
            _("Too many tries to sign in."),
            "password",
            _("Try again in %(n)s minutes, or choose a new password.", n=-(-wait // 60)),
        )


def open_session(session: Session, user: User, agent: str, address: str, awaits_code: bool = False) -> str:
    """A session for somebody who has proved who they are; its secret is new at each sign-in."""
    secret = new_secret()
    lasts = CODE_WITHIN if awaits_code else SIGNED_IN_FOR
    session.add(
        SignIn(
            user_id=user.id,
            secret_sha256=fingerprint(secret),
            expires_at=now() + lasts,
            agent=agent[:200],
            address=address[:64],
            awaits_code=awaits_code,
        )
    )
    audit(session, user, "user.gave_password" if awaits_code else "user.signed_in", f"user {user.id}")
    return secret


def give_code(session: Session, secret: str, code: str) -> str:
    """Finish signing in with the second factor; a new secret for the cookie. Raises NotSignedIn, WrongCode, TooMany."""
    entry = queries.open_sign_in(session, secret)
    if entry is None or not entry.awaits_code:
        raise NotSignedIn(_("Too much time has passed. Sign in again."))
    second_factor.check(session, entry.user, code)
    entry.ended_at = now()
    return open_session(session, entry.user, entry.agent, entry.address)


def sign_out(session: Session, secret: str) -> None:
    if entry := queries.open_sign_in(session, secret):
        _end(session, entry, entry.user)


def choose_language(session: Session, secret: str, language: str) -> None:
    """Note the choice with the account, where someone is signed in. Raises UnknownLanguage."""
    if language not in LANGUAGES:
        raise UnknownLanguage(_("“%(text)s” is no language of this interface.", text=language[:40]), "language")
    if entry := queries.open_sign_in(session, secret):
        entry.user.language = language


def end_sign_in(session: Session, user: User, sign_in_id: int) -> None:
    """End one of one's own sessions. Raises NotFound."""
    entry = next((each for each in queries.sign_ins_of(session, user) if each.id == sign_in_id), None)
    if entry is None:
        raise NotFound()
    _end(session, entry, user)


def end_other_sign_ins(session: Session, user: User, kept: SignIn) -> None:
    ended = passwords.end_sign_ins(session, user, but=kept)
    audit(session, user, "user.signed_out_elsewhere", f"user {user.id}", sessions=ended)


def _end(session: Session, entry: SignIn, author: User) -> None:
    entry.ended_at = now()
    audit(session, author, "user.signed_out", f"user {entry.user_id}")


def seen(entry: SignIn) -> None:
    """Note when a session was last used, to within some minutes."""
    if entry.last_seen_at < now() - SEEN_EVERY:
        entry.last_seen_at = now()


def rename(session: Session, user: User, name: str) -> None:
    """Raises Invalid."""
    if not name.strip():
        raise Invalid(_("A name is what your colleagues see of you."), "name")
    user.name = name.strip()[:200]


def deactivate(session: Session, author: User, user: User) -> None:
    """Keep somebody out and end their sessions; their work stays. Raises LastPlatformAdmin."""
    if user.is_admin and not user.deactivated_at and queries.count_admins(session) == 1:
        raise LastPlatformAdmin(where="user")
    user.deactivated_at = user.deactivated_at or now()
    passwords.end_sign_ins(session, user)
    audit(session, author, "user.deactivated", f"user {user.id}")


def reactivate(session: Session, author: User, user: User) -> None:
    """Raises Conflict for somebody who was erased."""
    if user.erased_at:
        raise Conflict(_("Who was erased cannot come back."), "user")
    user.deactivated_at = None
    audit(session, author, "user.reactivated", f"user {user.id}")


def make_admin(session: Session, author: User, user: User) -> None:
    user.is_admin = True
    audit(session, author, "user.made_admin", f"user {user.id}")


def unmake_admin(session: Session, author: User, user: User) -> None:
    """Raises LastPlatformAdmin."""
    if user.is_admin and queries.count_admins(session) == 1:
        raise LastPlatformAdmin(where="user")
    user.is_admin = False
    audit(session, author, "user.unmade_admin", f"user {user.id}")
