"""Asking to be told of every run of a project, and no longer asking."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from app.core.db import Db
from app.core.html import redirect
from app.projects.guard import Overseer
from app.runs import following

router = APIRouter(prefix="/following")


@router.post("")
def follow(session: Db, seat: Overseer) -> Response:
    following.follow(session, seat)
    return redirect(f"/projects/{seat.project.slug}/runs")


@router.post("/ending")
def unfollow(session: Db, seat: Overseer) -> Response:
    following.unfollow(session, seat)
    return redirect(f"/projects/{seat.project.slug}/runs")
