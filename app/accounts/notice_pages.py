"""One's own notices: their list, the way to what each tells of, and reading all of them. Never by a token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import Response

from app.accounts import notices
from app.accounts.guard import InPerson
from app.core.db import Db
from app.core.html import here, page, redirect

router = APIRouter(prefix="/notices")
Number = Annotated[int, Query(ge=0, lt=2**63)]
NoticeId = Annotated[int, Path(ge=1, lt=2**63)]


@router.get("")
def list_page(request: Request, entry: InPerson, session: Db, before: Number = 0) -> Response:
    rows = notices.page_of(session, entry.user, before)
    shown = rows[: notices.PAGE]
    more = shown[-1].id if len(rows) > notices.PAGE else None
    return page(request, "accounts/notices.html", notices=shown, more=more, before=before, days=notices.KEPT.days)


@router.get("/{notice_id:int}")
def open_one(entry: InPerson, session: Db, notice_id: NoticeId) -> Response:
    return redirect(here(notices.open_one(session, entry.user, notice_id)))


@router.post("/readings")
def read(entry: InPerson, session: Db, address: Annotated[str, Form(max_length=2000)] = "") -> Response:
    """All of them, or those about one page."""
    notices.read(session, entry.user, address)
    return redirect("/notices")
