"""Choosing the language of the pages, and the sentences that scripts say in it."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from app.accounts import actions
from app.accounts.guard import COOKIE, Anyone
from app.core.db import Db
from app.core.errors import NotFound
from app.core.html import here, redirect
from app.core.language import LANGUAGES, script_words

router = APIRouter(dependencies=[Anyone])
YEAR = 365 * 24 * 3600


@router.post("/language")
def choose_language(
    request: Request,
    session: Db,
    language: Annotated[str, Form(max_length=40)],
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """For whoever is signed in with the account, and for this browser until then."""
    actions.choose_language(session, request.cookies.get(COOKIE, ""), language)
    answer = redirect(here(next))
    answer.set_cookie("language", language, max_age=YEAR, samesite="lax", secure=request.url.scheme == "https")
    return answer


@router.get("/language/{code}.js")
def words_of_scripts(code: str) -> Response:
    """What static/js/words.js looks sentences up in. The address carries the content's hash."""
    if code not in LANGUAGES:
        raise NotFound(where="language")
    words = b"globalThis.assayWords = " + orjson.dumps(script_words(code)) + b";\n"
    kept = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(words, media_type="text/javascript; charset=utf-8", headers=kept)
