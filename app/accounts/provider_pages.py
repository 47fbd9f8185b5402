"""The way to an OpenID Connect provider and back: to sign in, or to link one's account."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.accounts import identities, provider, queries
from app.accounts.cookies import address_of, agent_of, with_cookie
from app.accounts.guard import Anyone, InPerson
from app.accounts.provider import Claims, NoProvider, ProviderRefused
from app.core.db import Db
from app.core.errors import Refusal
from app.core.html import here, page, redirect
from app.core.language import gettext as _
from app.core.sealing import SealBroken, seal, unseal
from app.core.settings import settings

router = APIRouter()
VISIT, FOUND = "assay_visit", "assay_found"
Line = Annotated[str, Query(max_length=4000)]


@router.get("/sign-in/provider", dependencies=[Anyone])
def go(request: Request, next: Line = "/") -> Response:
    return _leave(request, here(next))


@router.get("/account/identity")
def go_to_link(request: Request, entry: InPerson) -> Response:
    return _leave(request, "/account", entry.user.id)


def _leave(request: Request, next: str, linking: int = 0) -> Response:
    if not provider.is_set_up():
        raise NoProvider(_("No provider is set up here."), "OIDC_ISSUER")
    address, visit = provider.leave(_back(request), next, linking)
    return _remember(RedirectResponse(address, status_code=303), request, VISIT, visit)


def _back(request: Request) -> str:
    return (settings().public_url or str(request.base_url)).rstrip("/") + "/sign-in/provider/return"


@router.get("/sign-in/provider/return", dependencies=[Anyone])
def come_back(request: Request, session: Db, state: Line = "", code: Line = "", error: Line = "") -> Response:
    """Sign in; or, for somebody who came to link their account, ask whether it is to be linked with what was found."""
    try:
        if error:
            raise ProviderRefused(_("The provider refuses (%(problem)s).", problem=error[:200]), "provider")
        visit, claims = provider.arrive(_back(request), request.cookies.get(VISIT, ""), state, code)
        if visit.linking:
            answer: Response = redirect("/account/identity/confirmation")
            found = seal(orjson.dumps({"user": visit.linking, **vars(claims)}).decode())
            return _remember(answer, request, FOUND, found)
        secret = identities.sign_in(session, claims, agent_of(request), address_of(request))
    except (ProviderRefused, identities.NobodyKnown, identities.LinkFirst) as refusal:
        return _refused(request, refusal)
    entry = queries.open_sign_in(session, secret)
    awaits = entry is not None and entry.awaits_code
    answer = with_cookie(redirect(f"/sign-in/code?next={visit.next}" if awaits else visit.next), request, secret)
    answer.delete_cookie(VISIT)
    return answer


def _refused(request: Request, refusal: Refusal) -> Response:
    return page(request, "accounts/provider_refused.html", refusal.status, error=refusal)


@router.get("/account/identity/confirmation")
def confirmation_page(request: Request, entry: InPerson) -> Response:
    return page(request, "accounts/link_identity.html", claims=_found(request, entry.user.id), provider=provider.name())


@router.post("/account/identity/confirmation")
def confirm(request: Request, entry: InPerson, session: Db) -> Response:
    identities.link(session, entry.user, _found(request, entry.user.id))
    answer = redirect("/account#identity")
    answer.delete_cookie(FOUND)
    return answer


@router.post("/account/identity/removal")
def unlink(entry: InPerson, session: Db) -> Response:
    identities.unlink(session, entry.user)
    return redirect("/account#identity")


def _found(request: Request, user_id: int) -> Claims:
    """What this very person brought back from the provider. Raises ProviderRefused."""
    try:
        found = orjson.loads(unseal(request.cookies.get(FOUND, ""), provider.WITHIN))
    except SealBroken:
        found = {}
    if found.pop("user", None) != user_id:
        raise ProviderRefused(_("Too much time has passed, or this browser did not begin here."), "cookie")
    return Claims(**found)


def _remember(answer: Response, request: Request, name: str, sealed: str) -> Response:
    secure = request.url.scheme == "https"
    answer.set_cookie(name, sealed, max_age=provider.WITHIN, httponly=True, samesite="lax", secure=secure)
    return answer
