"""Bring a database to the schema that this code expects."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.core.db import engine
from app.core.html import ROOT


def _config() -> Config:
    return Config(ROOT / "alembic.ini")


def upgrade() -> None:
    """Run every migration that the database of DATABASE_URL lacks; safe when two processes try at once."""
    command.upgrade(_config(), "head")


def behind() -> str | None:
    """The revision that the database lacks, or None when it is up to date."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    with engine().connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return None if current == newest else newest
