"""Bring a database to the schema that this code expects, while the version before goes on serving."""

from __future__ import annotations

import time

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from app.core.db import engine
from app.core.errors import Conflict
from app.core.html import ROOT

log = structlog.get_logger()
TRIES = 40
PAUSE = 1.0
"""Seconds between tries, in which those who waited behind the migration are served."""

LOCK_NOT_AVAILABLE = "55P03"


class TablesHeld(Conflict):
    """Somebody keeps a table for so long that a migration never got it."""


def _config() -> Config:
    return Config(ROOT / "alembic.ini")


def upgrade(tries: int = TRIES) -> None:
    """Run every migration that the database of DATABASE_URL lacks; safe when two processes try at once.

    Raises TablesHeld.
    """
    for left in reversed(range(tries)):
        try:
            return command.upgrade(_config(), "head")
        except OperationalError as problem:
            if getattr(problem.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            log.warning("a table is held by somebody; the migration tries again", tries_left=left)
            time.sleep(PAUSE)
    raise TablesHeld(
        "A migration did not get a table that it changes.", "database", "End what runs for long, and migrate again."
    )


def behind() -> str | None:
    """The revision that the database lacks, or None when it is up to date."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    with engine().connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return None if current == newest else newest
