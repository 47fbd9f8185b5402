"""A new version's migrations on a database of version 0.1.0 at work: its data stay, and it goes on meanwhile.

`version_0_1_0.sql` is that version's schema with rows in every table, as pg_dump wrote it.
"""

from __future__ import annotations

import ast
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql

from app.core import db, migrations
from app.core.settings import settings

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FIRST = "5e71a0c4d902"
CONTRACTS = re.compile(r"DROP (COLUMN|TABLE|CONSTRAINT)|RENAME|SET NOT NULL", re.I)
NEXT = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "next", "HEAD"
def upgrade():
    op.add_column("users", sa.Column("nickname", sa.Text(), server_default="", nullable=False))
    op.add_column("tasks", sa.Column("nickname", sa.Text()))
"""
Columns = dict[str, list[str]]


@pytest.fixture
def first(postgres: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database of version 0.1.0."""
    with psycopg.connect(postgres("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE first")
        with psycopg.connect(postgres("first")) as filling:
            filling.execute((HERE / "version_0_1_0.sql").read_text())
        monkeypatch.setenv("DATABASE_URL", postgres("first"))
        settings.cache_clear()
        db.engine.cache_clear()
        yield postgres("first")
        db.engine().dispose()
        db.engine.cache_clear()
        connection.execute("DROP DATABASE first WITH (FORCE)")


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The migrations, and one more that changes a table which everybody reads."""
    shutil.copytree(ROOT / "migrations", tmp_path / "migrations")
    (head,) = ScriptDirectory.from_config(migrations._config()).get_heads()
    text = NEXT.replace("HEAD", head)
    (tmp_path / "migrations" / "versions" / "2099-01-01-0000_nicknames.py").write_text(text)
    config = Config()
    config.set_main_option("script_location", str(tmp_path / "migrations"))
    monkeypatch.setattr(migrations, "_config", lambda: config)


def columns_of(url: str) -> Columns:
    """Every column that version 0.1.0 knows, by table; numbers that the database makes itself stay away."""
    query = (
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, ordinal_position"
    )
    found: Columns = {}
    with psycopg.connect(url) as connection:
        for table, column in connection.execute(query):
            found.setdefault(table, []).append(column)
    return found


def said(columns: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def contents(url: str, known: Columns) -> dict[str, list[tuple[object, ...]]]:
    with psycopg.connect(url) as connection:
        return {
            table: connection.execute(
                sql.SQL("SELECT {} FROM {} ORDER BY 1, 2").format(said(columns), sql.Identifier(table))
            ).fetchall()
            for table, columns in known.items()
        }


def test_what_version_0_1_0_kept_is_there_after_every_migration(first: str) -> None:
    known = columns_of(first)
    before = contents(first, known)
    assert len(before) > 40 and all(before.values()), "the old database has rows in every table"
    migrations.upgrade()
    assert migrations.behind() is None
    assert contents(first, known) == before


def test_version_0_1_0_reads_and_writes_every_table_of_the_newest_schema(first: str) -> None:
    """It names its own columns only: a new one must have a default, and an old one must stay."""
    known = columns_of(first)
    migrations.upgrade()
    with psycopg.connect(first) as connection:
        for table, columns in known.items():
            with connection.transaction(force_rollback=True):
                write_as_before(connection, table, columns)


def write_as_before(connection: psycopg.Connection, table: str, columns: list[str]) -> None:
    named = [column for column in columns if column != "id"]
    copy = sql.SQL("INSERT INTO {t} ({c}) SELECT {c} FROM {t} LIMIT 1 ON CONFLICT DO NOTHING")
    connection.execute(copy.format(t=sql.Identifier(table), c=said(named)))
    if table != "audit_entries":  # they are only ever added
        again = sql.SQL("UPDATE {t} SET {c} = {c}").format(t=sql.Identifier(table), c=sql.Identifier(named[-1]))
        connection.execute(again)


def test_people_are_served_while_the_schema_changes(first: str, next_version: None) -> None:
    known, rounds, ended = columns_of(first), threading.Semaphore(0), threading.Event()
    problems: list[Exception] = []

    def serve() -> None:
        with psycopg.connect(first, autocommit=True) as connection:
            while not ended.is_set():
                for table, columns in known.items():
                    try:
                        with connection.transaction(force_rollback=True):
                            write_as_before(connection, table, columns)
                    except Exception as problem:
                        problems.append(problem)
                rounds.release()

    person = threading.Thread(target=serve)
    person.start()
    try:
        rounds.acquire()  # they are at work
        migrations.upgrade()
        rounds.acquire()
        rounds.acquire()  # a whole round after it
    finally:
        ended.set()
        person.join()
    assert not problems


def test_a_migration_that_meets_a_long_reader_lets_others_pass_and_tries_again(
    first: str, next_version: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a bound on its waiting, everybody would queue behind the migration, for as long as the reader reads."""
    monkeypatch.setattr(migrations, "PAUSE", 0.0)
    with psycopg.connect(first) as reader:
        reader.execute("SELECT count(*) FROM users")
        with pytest.raises(migrations.TablesHeld):
            migrations.upgrade(tries=1)
        reader.execute("SELECT count(*) FROM users")
    migrations.upgrade()
    assert migrations.behind() is None


def later_than_first() -> list[Path]:
    script = ScriptDirectory.from_config(migrations._config())
    return [Path(each.path) for each in script.walk_revisions(FIRST, "heads") if each.revision != FIRST]


def test_migrations_since_version_0_1_0_only_add() -> None:
    """What an older version still uses goes a release later, by a migration whose first word is “Contract”."""
    for path in later_than_first():
        tree = ast.parse(path.read_text())
        if not (ast.get_docstring(tree) or "").startswith("Contract"):
            upgrade = next(part for part in tree.body if isinstance(part, ast.FunctionDef) and part.name == "upgrade")
            taken = [ast.unparse(call) for call in ast.walk(upgrade) if isinstance(call, ast.Call) and takes_away(call)]
            assert not taken, f"{path.name}: expand first, contract a release later: {taken}"


def takes_away(call: ast.Call) -> bool:
    verb = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    named = {each.arg: ast.unparse(each.value) for each in call.keywords}
    if verb == "alter_column":
        return named.get("nullable") == "False" or bool({"new_column_name", "type_"} & set(named))
    return verb in ("drop_column", "drop_table", "rename_table") or (
        verb == "execute" and bool(CONTRACTS.search(ast.unparse(call)))
    )


@pytest.mark.parametrize(
    ("line", "takes"),
    [
        ('op.drop_column("users", "name")', True),
        ('op.alter_column("users", "name", new_column_name="called")', True),
        ('op.alter_column("users", "name", nullable=False)', True),
        ('op.alter_column("users", "name", server_default="x")', False),
        ('op.add_column("users", sa.Column("nickname", sa.Text()))', False),
        ('op.execute("ALTER TABLE users DROP COLUMN name")', True),
        ('op.execute("UPDATE users SET name = 1")', False),
    ],
)
def test_what_takes_away_is_told_from_what_adds(line: str, takes: bool) -> None:
    (call,) = [each for each in ast.walk(ast.parse(line)) if isinstance(each, ast.Call)][:1]
    assert takes_away(call) is takes
