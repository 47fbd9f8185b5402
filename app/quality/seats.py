"""Who may look at a project's quality, and who takes a table of it with them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.accounts.log import audit
from app.core.db import Db
from app.projects.guard import Seat, needs

Watcher = Annotated[Seat, Depends(needs("admin", "reviewer"))]


def noted(request: Request, session: Db, seat: Watcher) -> Seat:
    """The seat of somebody who takes a table with them: what leaves the platform stands in the audit log."""
    table = request.url.path.rsplit("/quality/", 1)[-1]
    audit(session, seat.user, "table.exported", f"project {seat.project.id}", seat.project.id, table=table)
    return seat


Taker = Annotated[Seat, Depends(noted)]
