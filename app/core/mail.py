"""Mail, where SMTP_URL names a server: smtp://user:password@host:587 (STARTTLS) or smtps://…:465."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from app.core.db import Session
from app.core.jobs import nudge
from app.core.settings import settings

PATIENCE = 20  # seconds


def is_set_up() -> bool:
    """Mails carry links, and links must not be built from what a request says of its host."""
    return bool(settings().smtp_url.get_secret_value() and settings().public_url)


def send_later(session: Session, to: str, subject: str, text: str) -> None:
    """Have a worker send it once the transaction is committed."""
    nudge(session, "send_mail", to, subject, text)


def send(to: str, subject: str, text: str) -> None:
    """Raises OSError, smtplib.SMTPException."""
    message = EmailMessage()
    message["From"] = settings().mail_from or f"assay@{urlsplit(settings().public_url).hostname}"
    message["To"], message["Subject"] = to, subject
    message.set_content(text)
    server = urlsplit(settings().smtp_url.get_secret_value())
    with _connected(server.scheme, server.hostname or "localhost", server.port) as connection:
        if server.username:
            connection.login(unquote(server.username), unquote(server.password or ""))
        connection.send_message(message)


def _connected(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=PATIENCE, context=ssl.create_default_context())
    connection = smtplib.SMTP(host, port or 587, timeout=PATIENCE)
    connection.ehlo()
    if connection.has_extn("starttls"):
        connection.starttls(context=ssl.create_default_context())
    return connection
