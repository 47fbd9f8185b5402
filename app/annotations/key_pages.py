"""A person's own keys, kept with their account."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse

from app.accounts.guard import SignedIn
from app.annotations import keys as verbs
from app.core.db import Db

router = APIRouter(prefix="/api/v1")


@router.put("/keys")
def change_keys(session: Db, user: SignedIn, keys: Annotated[dict[str, str], Body(embed=True)]) -> JSONResponse:
    """The annotate page's keys: the usual one → the caller's own."""
    verbs.change(session, user, keys)
    return JSONResponse(user.keys)
