"""What a backup says of itself, and what is counted before and after: one tar file of a snapshot and all files.

Members, in this order: `contents.json`; `key`, where the data folder made it itself; `database.dump` (pg_dump's own
format); `storage/…`; and last `SHA256SUMS` over all of them, so that a file that was cut off is known as such.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import BaseModel

from app.core.errors import Refusal

FORMAT = 1
CONTENTS, KEY, DUMP, SUMS, STORAGE = "contents.json", "key", "database.dump", "SHA256SUMS", "storage/"
REVISIONS = "alembic_version"


class NotABackup(Refusal):
    """The file was not written by `assay backup`, or by a newer version of it."""


class BackupDamaged(Refusal):
    """A file in the backup is missing, cut off, or not what was written."""


class ToolMissing(Refusal):
    """The programs that write and read PostgreSQL's dumps are not installed, or too old for the server."""


class Table(BaseModel):
    rows: int
    digest: str
    """The sum of a 64-bit hash of each row's text: the same in whatever order the rows lie."""


class Contents(BaseModel):
    format: int
    version: str
    revision: str
    at: str
    key: str
    """A fingerprint of SECRET_KEY: what is sealed in the database opens with that key alone."""

    tables: dict[str, Table]
    files: int
    bytes: int


def key_fingerprint(key: str) -> str:
    return hashlib.sha256(b"assay backup\n" + key.encode()).hexdigest()[:32]


def tables_of(connection: psycopg.Connection[Any]) -> dict[str, Table]:
    """Rows and digest of every table, as the connection's transaction sees them."""
    connection.execute("SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL extra_float_digits = 1")
    names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
    return {name: _table(connection, name) for (name,) in names if name != REVISIONS}


def _table(connection: psycopg.Connection[Any], name: str) -> Table:
    query = sql.SQL("SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM {} t")
    row = connection.execute(query.format(sql.Identifier(name))).fetchone()
    assert row is not None
    return Table(rows=row[0], digest=row[1])


@dataclass(frozen=True)
class Address:
    """A database as libpq's programs are told of it: the password is in no command line."""

    place: str
    password: str

    @classmethod
    def of(cls, url: str) -> Address:
        parts = conninfo_to_dict(url.replace("postgresql+psycopg://", "postgresql://", 1))
        password = str(parts.pop("password", None) or "")
        return cls(make_conninfo("", **parts), password)

    @property
    def environment(self) -> dict[str, str]:
        return {"PGPASSWORD": self.password} if self.password else {}
