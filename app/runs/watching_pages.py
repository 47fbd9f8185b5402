"""What the live page fetches beside its stream: the history to begin with, and places in the log."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from app.core.db import Db
from app.projects.guard import Overseer
from app.runs import history, queries, results, searching

router = APIRouter()
RunId = Annotated[int, Path(ge=1, lt=2**63)]


@router.get("/{run_id:int}/history")
def history_of(session: Db, seat: Overseer, run_id: RunId) -> Response:
    queries.run(session, seat, run_id)
    return _json(history.told(session, run_id))


@router.get("/{run_id:int}/log/search")
def search_log(
    session: Db,
    seat: Overseer,
    run_id: RunId,
    words: Annotated[str, Query(max_length=200)] = "",
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
) -> Response:
    path = results.log_path(queries.run(session, seat, run_id))
    return _json(searching.found(path, words, after) if words and path.is_file() else {"lines": [], "more": None})


def _json(found: object) -> Response:
    return Response(orjson.dumps(found), media_type="application/json", headers={"cache-control": "no-store"})
