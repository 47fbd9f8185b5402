"""Links for passwords, handed over by mail where a mail server is set up, and by a person where not."""

from __future__ import annotations

from app.accounts import passwords, queries
from app.accounts.tables import User
from app.core import mail, throttle
from app.core.db import Session
from app.core.language import N_, spoken_in
from app.core.settings import settings

PER_PERSON = "3 per hour"
PER_ADDRESS = "10 per hour"

INVITATION = N_("""Hello %(name)s,

%(author)s invites you to Assay, where people judge what multimodal language models say.
Choose your password here within seven days:

%(link)s
""")
RESET = N_("""Hello %(name)s,

choose a new password for Assay here within 24 hours:

%(link)s

If you did not ask for it, leave this mail alone; your password stays as it is.
""")


def path_of(secret: str) -> str:
    return f"/password-links/{secret}"


def invite(session: Session, user: User, author: User) -> str:
    """A link for somebody new, mailed if possible. Returns its path, for the author to pass on."""
    secret = passwords.make_link(session, user, "invitation", author)
    _send(session, user, N_("An invitation to Assay"), INVITATION, secret, author.name)
    return path_of(secret)


def reset(session: Session, user: User, author: User) -> str:
    """A link that an admin makes for somebody who cannot sign in. Returns its path."""
    secret = passwords.make_link(session, user, "reset", author)
    _send(session, user, N_("A new password for Assay"), RESET, secret, author.name)
    return path_of(secret)


def send_reset(session: Session, email: str, address: str) -> None:
    """Mail a link to whoever has this address; say nothing of whether anybody has."""
    if not mail.is_set_up() or throttle.take(PER_ADDRESS, "forgotten", address):
        return
    user = queries.user_by_email(session, email)
    if user is None or user.deactivated_at or throttle.take(PER_PERSON, "forgotten", str(user.id)):
        return
    secret = passwords.make_link(session, user, "reset", None)
    _send(session, user, N_("A new password for Assay"), RESET, secret, "")


def _send(session: Session, user: User, subject: str, text: str, secret: str, author: str) -> None:
    if mail.is_set_up():
        link = settings().public_url.rstrip("/") + path_of(secret)
        words = spoken_in(user.language, text, name=user.name, link=link, author=author)
        mail.send_later(session, user.email, spoken_in(user.language, subject), words)
