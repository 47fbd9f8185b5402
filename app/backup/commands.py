"""`assay backup` and `assay restore`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.core.settings import settings
from app.embedded import data, services

if TYPE_CHECKING:  # loaded when needed: every command should not wait for them
    from app.backup.contents import Contents
    from app.backup.making import Tell


def backup(
    file: Annotated[Path, typer.Argument(help="Tar file to write; its end .tar is usual.")],
) -> None:
    """Write the database and all files, as of one moment, into one file; people may go on working."""
    from app.backup import making

    with services.reached():
        key, root = settings().secret_key.get_secret_value(), settings().storage_root()
        made = making.back_up(settings().database_url_or_refuse(), root, key, _is_ours(key), file, _teller())
        _note(file.name, made)
    print(f"{file}: {_told(made)}")


def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What `assay backup` wrote.")],
    check: Annotated[bool, typer.Option("--check", help="Only read it all and compare every sum.")] = False,
    other_key: Annotated[bool, typer.Option("--other-key", help="Although SECRET_KEY is another one.")] = False,
) -> None:
    """Fill an empty instance from a backup, count it, and bring it to this version's schema."""
    from app.backup import restoring

    if check:
        print(f"{file} is whole: {_told(restoring.check(file, _teller()))}")
        return
    contents, key = restoring.read_head(file)
    if not key and not other_key:
        restoring.check_key(contents, _known_key())
    with services.laid_anew():
        made = restoring.restore(settings().database_url_or_refuse(), settings().storage_root(), file, _teller())
        _keep_key(key)
        _migrate()
        _mark_seeded()
    print(f"Restored: {_told(made)}")


def _is_ours(key: str) -> bool:
    """Whether SECRET_KEY was made by the data folder, so that no operator keeps it elsewhere."""
    made = settings().data.resolve() / "session.secret"
    return made.exists() and made.read_text().strip() == key


def _known_key() -> str:
    made = settings().data.resolve() / "session.secret"
    return settings().secret_key.get_secret_value() or (made.read_text().strip() if made.exists() else "")


def _keep_key(key: str) -> None:
    """The data folder signs and seals as the one before did, unless the operator named a key."""
    folder = settings().data.resolve()
    if key and folder.is_dir():
        data.write_private(folder / "session.secret", key + "\n")


def _mark_seeded() -> None:
    """`assay up` makes no demonstration project beside what was restored."""
    folder = settings().data.resolve()
    if data.is_laid(folder):
        (folder / "seeded").touch()


def _migrate() -> None:
    from app.core import migrations
    from app.core.db import engine

    migrations.upgrade()
    engine().dispose()


def _note(name: str, made: Contents) -> None:
    """In the audit log: who has a backup has everything."""
    from app.accounts.log import audit
    from app.core.db import engine, transaction

    with transaction() as session:
        audit(session, None, "backup.made", f"backup {name}", bytes=made.bytes, files=made.files)
    engine().dispose()


def _told(made: Contents) -> str:
    rows = sum(table.rows for table in made.tables.values())
    return (
        f"{rows:,} rows of {len(made.tables)} tables, {made.files:,} files of {made.bytes / 2**20:,.1f} MiB, "
        f"as of {made.at}, schema {made.revision}"
    )


def _teller() -> Tell:
    """Says every few seconds how far it has come, where somebody watches."""
    last = [time.monotonic()]

    def tell(done: int, of: int) -> None:
        if os.isatty(sys.stderr.fileno()) and time.monotonic() > last[0] + 2:
            last[0] = time.monotonic()
            print(f"{done / 2**20:,.0f} of {of / 2**20:,.0f} MiB", file=sys.stderr)

    return tell
