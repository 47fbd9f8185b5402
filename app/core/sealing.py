"""Secrets: made, fingerprinted where they need only be recognised, encrypted where they must be read again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from cryptography.fernet import Fernet, InvalidToken

from app.core.errors import Refusal
from app.core.language import gettext as _
from app.core.settings import SettingMissing, settings


class SealBroken(Refusal):
    """A sealed text was written under another SECRET_KEY."""

    status = 500


def new_secret(prefix: str = "") -> str:
    """256 random bits as text that fits into an address."""
    return prefix + secrets.token_urlsafe(32)


def fingerprint(secret: str) -> str:
    """SHA-256 of a secret that is random itself, and so needs neither salt nor a slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def seal(text: str) -> str:
    """Encrypt and authenticate (Fernet) with a key from SECRET_KEY. Raises SettingMissing."""
    return _key().encrypt(text.encode()).decode()


def unseal(sealed: str, within: int | None = None) -> str:
    """within: seconds after which the seal is worth nothing. Raises SettingMissing, SealBroken."""
    try:
        return _key().decrypt(sealed.encode(), ttl=within).decode()
    except InvalidToken:
        raise SealBroken(
            _("This was sealed under another key."), "SECRET_KEY", _("Set the key it was made with.")
        ) from None


def sign(text: str) -> str:
    """An HMAC-SHA256 of a text, in hex, with a key from SECRET_KEY. Raises SettingMissing."""
    return hmac.new(_derived(b"assay signing\n"), text.encode(), hashlib.sha256).hexdigest()


def is_signed(text: str, signature: str) -> bool:
    return hmac.compare_digest(sign(text).encode(), signature.encode())


def _key() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_derived(b"assay sealing\n")))


def _derived(purpose: bytes) -> bytes:
    """32 bytes for one purpose."""
    key = settings().secret_key.get_secret_value()
    if not key:
        raise SettingMissing(_("The installation has no secret."), "SECRET_KEY", _("Set it to a long random text."))
    return hashlib.sha256(purpose + key.encode()).digest()
