"""The `assay` command."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.backup import commands as backups
from app.core.errors import Refusal
from app.core.settings import settings
from app.embedded.services import reached
from app.samples import commands as samples

if TYPE_CHECKING:  # commands load what they need: `up` should not wait for the whole site
    from app.accounts.tables import User
    from app.core.db import Session
    from app.projects.tables import Project
    from app.samples.local import Wish
    from app.samples.tables import Import

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Assay: people's judgements of models, and models from judgements."
)
users = typer.Typer(no_args_is_help=True, help="People who sign in.")
cli.add_typer(users, name="user")
log = typer.Typer(no_args_is_help=True, help="The log of who did what.")
cli.add_typer(log, name="audit")
cli.command("backup")(backups.backup)
cli.command("restore")(backups.restore)
cli.command("collect")(samples.collect)


def main() -> None:
    """Run a command; a refusal is one sentence on standard error and exit code 1."""
    try:
        cli()
    except Refusal as refusal:
        where = f" ({refusal.where})" if refusal.where else ""
        sys.exit("\n".join(part for part in [f"{refusal.name}: {refusal.what}{where}", refusal.advice] if part))


@cli.command()
def up(seed: Annotated[bool, typer.Option(help="Make the demonstration project on the first start.")] = True) -> None:
    """Start everything on this machine: database, broker, web server, workers."""
    from app.embedded.up import up as start

    start(settings(), seed)


@cli.command()
def migrate() -> None:
    """Bring the database to this version's schema."""
    from app.core import migrations
    from app.core.db import engine

    with reached():
        migrations.upgrade()
        engine().dispose()
    print("The database has this version's schema.")


@users.command("add")
def add_user(
    email: str,
    name: Annotated[str, typer.Option(help="As colleagues will read it.")] = "",
    admin: Annotated[bool, typer.Option("--admin", help="May administer the whole platform.")] = False,
    project: Annotated[str, typer.Option(help="Address of a project to join.")] = "",
    role: Annotated[str, typer.Option(help="annotator, reviewer, researcher or admin.")] = "annotator",
) -> None:
    """Add someone; their password is generated and printed once."""
    from app.accounts import actions as accounts
    from app.projects import actions as projects

    password = secrets.token_urlsafe(12)
    with _transaction() as session:
        user = accounts.add_user(session, email, name, password, admin)
        if project:
            projects.give_role(session, user, _project(session, project), email, role)
    print(f"{email}\t{password}")


@users.command("password")
def password_link(email: str) -> None:
    """Print a link through which somebody who cannot sign in chooses a new password, once, within a day."""
    from app.accounts import letters, passwords

    with _transaction() as session:
        secret = passwords.make_link(session, _person(session, email), "reset", None)
    base = settings().public_url or f"http://{settings().host}:{settings().port}"
    print(base.rstrip("/") + letters.path_of(secret))


@users.command("erase")
def erase(
    email: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
) -> None:
    """Erase who somebody is, for good; what they did stays under a number."""
    from app.accounts import erasing

    with _transaction() as session:
        user = _person(session, email)
        if not yes:
            typer.confirm(f"Erase {user.name} <{user.email}> for good? Their work stays as #{user.id}", abort=True)
        erasing.erase(session, None, user, user.email)
        number = user.id
    print(f"Erased; their work stays under #{number}.")


@log.command("verify")
def verify_log(head: Annotated[str, typer.Option(help="A hash noted down earlier.")] = "") -> None:
    """Compute the chain of the audit log anew; exit code 1 where it was tampered with."""
    from app.accounts.log import verify

    with _transaction() as session:
        verdict = verify(session, head)
    print(f"{verdict.chained:,} entries chained, {verdict.waiting} not yet; newest hash {verdict.head}")
    if not verdict:
        print(f"Tampered with: {verdict.fault}", file=sys.stderr)
        raise typer.Exit(1)


@cli.command("import")
def import_file(
    file: Annotated[
        Path,
        typer.Argument(exists=True, help="JSONL, JSON, CSV, Parquet, a datasets folder, ZIP or TAR."),
    ],
    project: Annotated[str, typer.Option(help="Address of the project.")],
    media: Annotated[
        Path | None, typer.Option(help="Folder that the lines' media lie in; the file's own by default.")
    ] = None,
    by: Annotated[str, typer.Option("--as", help="E-mail of the person who imports.")] = "",
    cut: Annotated[bool, typer.Option(help="Cut tasks from the project's samples right away.")] = False,
    shape: Annotated[str, typer.Option(help="How its records are written; guessed from the first one.")] = "",
    column: Annotated[
        list[str] | None, typer.Option(help="FIELD=COLUMN, or response:COLUMN=MODEL; guessed from the names.")
    ] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would be added and what is at fault.")] = False,
) -> None:
    """Import samples with their media and responses; the same file again adds nothing, a broken import goes on."""
    from app.samples.local import Wish

    with reached():
        row, tasks = _bring(file, project, by, cut, Wish(media, shape, tuple(column or ()), dry))
    for line, field, reason in row.faults:
        print(f"line {line}, {field}: {reason}", file=sys.stderr)
    if row.failure:
        raise Refusal(row.failure, str(file))
    if row.ended_at is None:
        raise Refusal(f"Another process took this import up at line {row.reached:,} and goes on with it.", str(file))
    verb = "would be added" if dry else "added"
    print(f"{row.added} {verb}, {row.already} there already, {row.faulty} faults, {tasks} tasks cut")
    if row.faulty:
        raise typer.Exit(1)


@cli.command("export")
def export_dataset(
    dataset: Annotated[int, typer.Argument(help="Number of the dataset, as its page's address says.")],
    file: Annotated[Path, typer.Argument(help="ZIP file to write.")],
    kind: Annotated[
        str,
        typer.Option(
            "--format", help="mm-rlhf (dpo_pairs.jsonl), trl, llama-factory, ms-swift, parquet, hugging-face or folder."
        ),
    ] = "mm-rlhf",
    margins: Annotated[int, typer.Option(help="Number of a score run: its margins stand for imported ones.")] = 0,
) -> None:
    """Write a frozen dataset with its media as a ZIP file."""
    from app.accounts.log import audit
    from app.datasets.export import write_zip
    from app.datasets.tables import Dataset
    from app.runs.uses import margins_by

    with _transaction() as session:
        row = session.get(Dataset, dataset)
        if row is None:
            raise Refusal("There is no such dataset.", f"dataset {dataset}")
        written = write_zip(row, kind, file, margins_by(session, row, margins) if margins else None)
        audit(session, None, "dataset.exported", f"dataset {row.id}", row.project_id, format=kind)
    print(f"{file}: {written} pairs")


@cli.command()
def seed() -> None:
    """Make the demonstration project, its people and their work; twice is harmless."""
    from app.demo.seed import seed as sow

    with _transaction() as session:
        seeded = sow(session, settings().data.resolve())
    print(
        "The demonstration project is there already."
        if seeded.already
        else f"The demonstration project has {seeded.samples} samples."
    )


@cli.command("doctor")
def examine() -> None:
    """Say what is missing and what to do."""
    from app.embedded import doctor

    missing = False
    for finding in doctor.examine(settings()):
        mark = {"ok": "✓", "warning": "!", "missing": "✗"}[finding.state]
        print(f"{mark} {finding.name:<20} {finding.text}")
        if finding.advice:
            print(f"  {'':<20} → {finding.advice}")
        missing |= finding.state == "missing"
    raise typer.Exit(1 if missing else 0)


@contextmanager
def _transaction() -> Iterator[Session]:
    """A session on that database; what the block did is committed at its end."""
    from app.core import db

    with reached():
        try:
            with db.transaction() as session:
                yield session
        finally:
            db.engine().dispose()


def _bring(file: Path, project: str, by: str, cut: bool, wish: Wish) -> tuple[Import, int]:
    """The import as it ended, and how many tasks were cut."""
    from app.annotations.bringing import keep
    from app.core import db
    from app.samples import imports, local
    from app.samples.tables import Import
    from app.tasks.actions import cut_tasks

    try:
        with db.transaction() as session:
            begun = local.begin(session, _project(session, project), _person(session, by), file, wish)
        imports.perform(begun.id, keep, _telling(begun.id), begun.fence)
        with db.transaction() as session:
            row = session.get_one(Import, begun.id)
            at = _project(session, project)
            tasks = cut_tasks(session, at, _person(session, by)) if cut and not wish.dry else 0
        return row, tasks
    finally:
        db.engine().dispose()


def _telling(import_id: int) -> Callable[[], bool]:
    """Says every few seconds how far the import has come, where somebody watches."""
    last = [time.monotonic()]

    def tell() -> bool:
        from app.core import db
        from app.samples.tables import Import

        if sys.stderr.isatty() and time.monotonic() > last[0] + 2:
            last[0] = time.monotonic()
            with db.transaction() as session:
                row = session.get_one(Import, import_id)
            print(f"line {row.reached:,}: {row.added:,} added, {row.faulty:,} faults", file=sys.stderr)
        return False

    return tell


def _project(session: Session, slug: str) -> Project:
    from app.projects.queries import project_by_slug

    if (found := project_by_slug(session, slug)) is None:
        raise Refusal("There is no such project.", slug)
    return found


def _person(session: Session, email: str) -> User:
    import sqlalchemy as sa

    from app.accounts.tables import User

    query = (
        sa.select(User).where(User.email == email.lower())
        if email
        else sa.select(User).where(User.is_admin).order_by(User.id)
    )
    if (found := session.scalar(query.limit(1))) is None:
        raise Refusal("Nobody with this address has an account.", email or "an admin")
    return found


if __name__ == "__main__":
    main()
