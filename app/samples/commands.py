"""`assay collect`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer

from app.embedded import services

if TYPE_CHECKING:  # loaded when needed: every command should not wait for them
    from app.samples.collecting import Found


def collect(
    delete: Annotated[bool, typer.Option("--delete", help="Delete it; without, only say what would go.")] = False,
    grace: Annotated[float, typer.Option(help="Hours for which what nobody names is left alone; 1 at least.")] = 24,
) -> None:
    """Find media in the storage that no sample names any more, with their renditions."""
    from app.core.db import engine, transaction
    from app.samples import collecting

    with services.reached():
        try:
            with transaction() as session:
                found = collecting.look(session, dt.timedelta(hours=grace))
                gone = collecting.collect(session, found) if delete else 0
        finally:
            engine().dispose()
    print(_told(found))
    print(f"{gone:,} deleted." if delete else "Nothing was deleted: this was a dry run. --delete takes them.")


def _told(found: Found) -> str:
    return (
        f"{found.unneeded:,} of {found.blobs:,} blobs are named by no sample. With {found.renditions:,} folders of "
        f"renditions and {found.leftovers:,} files of broken writes they hold {found.bytes:,} bytes."
    )
