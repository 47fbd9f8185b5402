"""Speaking with an OpenID Connect provider: the code flow with PKCE, and an ID token that is verified before it counts.

The browser carries what the way back is checked against in a sealed cookie of its own; the server keeps nothing.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app.core.errors import Conflict, Invalid, Refusal
from app.core.language import N_
from app.core.language import gettext as _
from app.core.sealing import SealBroken, new_secret, seal, unseal
from app.core.settings import settings

SCOPE = "openid email profile"
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
"""Signatures by a key of the provider's own: neither none, nor a secret that others share."""

WITHIN = 600  # seconds from leaving to coming back
LEEWAY = 60  # seconds that the provider's clock may be off
PATIENCE = httpx2.Timeout(10.0)
KEPT_FOR = 600  # seconds that the provider's description is not asked for again


class ProviderRefused(Invalid):
    """The provider, or what came back from it, does not say who somebody is."""

    advice = N_("Begin again on the sign-in page.")


class NoProvider(Conflict):
    """Nobody has set a provider up."""


class ProviderAway(Refusal):
    """The provider does not answer."""

    status = 502
    advice = N_("Try again in a minute, or sign in with your password.")


@dataclass(frozen=True)
class Visit:
    """What is remembered of a browser while it is at the provider."""

    state: str
    nonce: str
    verifier: str
    next: str
    linking: int = 0
    """The user whose account the identity is to be linked with; 0 for signing in."""


@dataclass(frozen=True)
class Claims:
    """What the provider says of somebody, once verified."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str


def is_set_up() -> bool:
    return bool(settings().oidc_issuer and settings().oidc_client_id)


def name() -> str:
    """What the button calls the provider; empty where there is none."""
    return (settings().oidc_name or urlsplit(settings().oidc_issuer).hostname or "") if is_set_up() else ""


def leave(back: str, next: str, linking: int = 0) -> tuple[str, str]:
    """Where to send the browser, and its cookie. back: the address that it returns to. Raises ProviderAway."""
    visit = Visit(new_secret(), new_secret(), secrets.token_urlsafe(48), next, linking)
    with _client(back) as client:
        address, _state = client.create_authorization_url(
            _about()["authorization_endpoint"], state=visit.state, nonce=visit.nonce, code_verifier=visit.verifier
        )
    return address, seal(orjson.dumps(asdict(visit)).decode())


def arrive(back: str, cookie: str, state: str, code: str) -> tuple[Visit, Claims]:
    """What the browser left with, and who the provider says it is. Raises ProviderRefused, ProviderAway."""
    visit = _visit(cookie)
    if not code or not secrets.compare_digest(visit.state.encode(), state.encode()):
        raise ProviderRefused(_("This way back from the provider is not the one that this browser left by."), "state")
    try:
        with _client(back) as client:
            token = client.fetch_token(_about()["token_endpoint"], code=code, code_verifier=visit.verifier)
    except httpx2.HTTPError as problem:
        raise _away(problem) from None
    except AuthlibBaseError as problem:
        raise ProviderRefused(_("The provider refuses (%(problem)s).", problem=str(problem)[:200]), "code") from None
    return visit, _verified(str(token.get("id_token", "")), visit.nonce)


def _visit(cookie: str) -> Visit:
    try:
        return Visit(**orjson.loads(unseal(cookie, WITHIN)))
    except SealBroken:
        raise ProviderRefused(_("Too much time has passed, or this browser did not begin here."), "cookie") from None


def _client(back: str) -> OAuth2Client:
    return OAuth2Client(
        settings().oidc_client_id,
        settings().oidc_client_secret.get_secret_value() or None,
        scope=SCOPE,
        redirect_uri=back,
        code_challenge_method="S256",
        timeout=PATIENCE,
    )


def _verified(id_token: str, nonce: str) -> Claims:
    """Signature, issuer, audience, times and nonce. Raises ProviderRefused."""
    issuer = settings().oidc_issuer.rstrip("/")
    try:
        token = jwt.decode(id_token, _keys(), algorithms=ALGORITHMS)
        options = {
            "iss": {"essential": True, "values": [issuer, issuer + "/"]},
            "aud": {"essential": True, "value": settings().oidc_client_id},
            "nonce": {"essential": True, "value": nonce},
            "sub": {"essential": True},
        }
        claims = CodeIDToken(
            token.claims, token.header, options, {"nonce": nonce, "client_id": settings().oidc_client_id}
        )
        claims.validate(leeway=LEEWAY)
    except (JoseError, AuthlibBaseError, ValueError) as problem:
        raise ProviderRefused(
            _("The provider's word cannot be trusted (%(problem)s).", problem=str(problem)[:200]), "id_token"
        ) from None
    found: dict[str, Any] = dict(token.claims)
    return Claims(
        issuer,
        str(found["sub"]),
        str(found.get("email", "")).strip().lower(),
        found.get("email_verified") is True,
        str(found.get("name", "")),
    )


def _keys() -> KeySet:
    found: Any = _fetched(_about()["jwks_uri"], _moment())
    return KeySet.import_key_set(found)


def _about() -> dict[str, Any]:
    """The provider's description of itself. Raises ProviderAway, ProviderRefused."""
    issuer = settings().oidc_issuer.rstrip("/")
    about = _fetched(f"{issuer}/.well-known/openid-configuration", _moment())
    if str(about.get("issuer", "")).rstrip("/") != issuer:
        raise ProviderRefused(_("The provider calls itself by another name than OIDC_ISSUER."), "OIDC_ISSUER")
    return about


def _moment() -> int:
    return int(time.monotonic() // KEPT_FOR)


@cache
def _fetched(url: str, moment: int) -> dict[str, Any]:
    """JSON that is asked for once in a while; what fails is asked for again."""
    try:
        answer = httpx2.get(url, timeout=PATIENCE, follow_redirects=False).raise_for_status()
        found: dict[str, Any] = answer.json()
    except (httpx2.HTTPError, ValueError) as problem:
        raise _away(problem) from None
    return found


def _away(problem: Exception) -> ProviderAway:
    return ProviderAway(_("The provider does not answer (%(problem)s).", problem=str(problem)[:200]), "provider")
