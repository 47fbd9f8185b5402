"""Addresses of media that work without a sign-in, for a while: for a model's server, or a page elsewhere."""

from __future__ import annotations

import math
import time

import sqlalchemy as sa

from app.core import sealing
from app.core.db import Session
from app.core.errors import Forbidden, NotFound
from app.core.language import N_
from app.core.language import gettext as _
from app.samples.tables import Medium

LASTS = 3600
"""Seconds. An address holds for one to two times as long: its end is rounded, so that a browser asked again within the
hour is given the same address and finds its own copy."""


class BadSignature(Forbidden):
    """The address was changed, or signed by another installation."""


class AddressExpired(Forbidden):
    """The address was valid once."""

    advice = N_("Ask for a new one.")


def address(medium: Medium, size: str) -> tuple[str, int]:
    """The path of a signed address, and until when it holds (Unix seconds). Who may see it is the caller's to know."""
    until = (math.floor(time.time() / LASTS) + 2) * LASTS
    signature = sealing.sign(_text(medium.blob_sha256, size, until))
    return f"/signed-media/{medium.blob_sha256}/{size}?until={until}&signature={signature}", until


def medium_of(session: Session, sha256: str, size: str, until: int, signature: str) -> Medium:
    """The medium that a signed address names. Raises BadSignature, AddressExpired, NotFound."""
    if not sealing.is_signed(_text(sha256, size, until), signature):
        raise BadSignature(_("This address is not signed by this installation."), "signature")
    if until < time.time():
        raise AddressExpired(_("This address has expired."), "until")
    found = session.scalar(sa.select(Medium).where(Medium.blob_sha256 == sha256).limit(1))
    if found is None:
        raise NotFound(where="medium")
    return found


def _text(sha256: str, size: str, until: int) -> str:
    return f"medium {sha256} {size} {until}"
