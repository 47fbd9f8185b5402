"""Everybody on the platform, for its admins: invite, let in again, keep out, promote. And the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response, StreamingResponse

from app.accounts import actions, erasing, letters, log, queries, second_factor
from app.accounts.audit_words import KINDS
from app.accounts.guard import PlatformAdmin, in_person
from app.accounts.tables import User
from app.core.db import Db, Session
from app.core.errors import NotFound
from app.core.html import page, redirect

router = APIRouter(dependencies=[Depends(in_person)])
AT_ONCE = 100


@router.get("/people")
def people(request: Request, author: PlatformAdmin, session: Db) -> Response:
    return page(request, "accounts/people.html", people=queries.users(session))


@router.post("/people")
def invite(
    request: Request,
    author: PlatformAdmin,
    session: Db,
    email: Annotated[str, Form(max_length=320)],
    name: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    user = actions.add_invited(session, email, name)
    return _link(request, user, letters.invite(session, user, author))


@router.get("/audit")
def audit_page(
    request: Request,
    author: PlatformAdmin,
    session: Db,
    person: int | None = None,
    action: Annotated[str, Query(max_length=100)] = "",
    before: int | None = None,
) -> Response:
    entries = queries.changes(session, person=person, action=action, before=before, limit=AT_ONCE)
    return page(
        request,
        "accounts/audit.html",
        entries=entries,
        people=queries.users(session),
        kinds=queries.actions_known(session),
        kinds_in_words=KINDS,
        chosen={"person": person, "action": action},
        older=entries[-1].id if len(entries) == AT_ONCE else None,
        chain=log.state(session),
    )


@router.get("/audit.jsonl")
def audit_export(author: PlatformAdmin, session: Db) -> Response:
    """The whole log, oldest first, a line an entry, with the hashes that chain them."""
    log.audit(session, author, "log.exported", "log")
    name = "attachment; filename=audit.jsonl"
    return StreamingResponse(log.lines(), media_type="application/x-ndjson", headers={"content-disposition": name})


@router.post("/people/{user_id}/password-link")
def password_link(request: Request, author: PlatformAdmin, session: Db, user_id: int) -> Response:
    user = _user(session, user_id)
    make = letters.reset if user.password_hash else letters.invite
    return _link(request, user, make(session, user, author))


@router.post("/people/{user_id}/deactivation")
def deactivate(author: PlatformAdmin, session: Db, user_id: int) -> Response:
    actions.deactivate(session, author, _user(session, user_id))
    return redirect("/people")


@router.post("/people/{user_id}/reactivation")
def reactivate(author: PlatformAdmin, session: Db, user_id: int) -> Response:
    actions.reactivate(session, author, _user(session, user_id))
    return redirect("/people")


@router.post("/people/{user_id}/admin")
def make_admin(author: PlatformAdmin, session: Db, user_id: int) -> Response:
    actions.make_admin(session, author, _user(session, user_id))
    return redirect("/people")


@router.post("/people/{user_id}/admin/removal")
def unmake_admin(author: PlatformAdmin, session: Db, user_id: int) -> Response:
    actions.unmake_admin(session, author, _user(session, user_id))
    return redirect("/people")


@router.post("/people/{user_id}/second-factor/removal")
def drop_second_factor(author: PlatformAdmin, session: Db, user_id: int) -> Response:
    second_factor.drop(session, author, _user(session, user_id))
    return redirect("/people")


@router.get("/people/{user_id}/erasure")
def erasure_page(request: Request, author: PlatformAdmin, session: Db, user_id: int) -> Response:
    return page(request, "accounts/erase.html", person=_user(session, user_id), error=None)


@router.post("/people/{user_id}/erasure")
def erase(
    request: Request,
    author: PlatformAdmin,
    session: Db,
    user_id: int,
    confirmed: Annotated[str, Form(max_length=320)],
) -> Response:
    user = _user(session, user_id)
    try:
        erasing.erase(session, author, user, confirmed)
    except (erasing.NotConfirmed, actions.LastPlatformAdmin) as refusal:
        return page(request, "accounts/erase.html", refusal.status, person=user, error=refusal)
    return redirect("/people")


def _user(session: Session, user_id: int) -> User:
    if (user := session.get(User, user_id)) is None:
        raise NotFound()
    return user


def _link(request: Request, user: User, path: str) -> Response:
    """The link, shown once to whoever made it."""
    address = str(request.base_url).rstrip("/") + path
    return page(request, "accounts/link.html", 201, person=user, link=address, back="/people")
