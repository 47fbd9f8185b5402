"""Files that lie on this machine already: what `assay import` is given."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from app.accounts.tables import User
from app.core import storage
from app.core.db import Session
from app.core.errors import Invalid
from app.core.language import gettext as _
from app.projects.tables import Project
from app.samples import guessing, imports, mapping, shapes, sources, staging
from app.samples.finding import Plan
from app.samples.tables import Import
from app.samples.unpacking import unpack


class Wish(NamedTuple):
    """What was said on the command line; empty: guessed."""

    media: Path | None = None
    shape: str = ""
    columns: Sequence[str] = ()
    dry: bool = False


class BadWish(Invalid):
    """A shape or a column that cannot be read in this way."""


def begin(session: Session, project: Project, author: User, path: Path, wish: Wish) -> Import:
    """An import of a file, an archive or a datasets folder; one of the same file that was broken off goes on, unless
    it is now to be read in another way.

    Raises BadUpload, UnsafeArchive, BadSource, BadWish.
    """
    path = path.resolve()
    broken = sa.select(Import).filter_by(project_id=project.id, name=str(path), dry=wish.dry, ended_at=None)
    if known := session.scalar(broken.order_by(Import.id.desc()).limit(1)):
        if _as_wished(known, path, wish):
            return known
        imports.replace(session, known)
    token = secrets.token_hex(12)
    folder = storage.root() / "uploads" / str(project.id) / token
    source = _source(path, folder / "media")
    media = wish.media or sources.media_root_of(source)
    plan = _plan(source, media.resolve(), folder / "aside", wish)
    return imports.begin(session, project, author, token, str(path), source, plan, wish.dry, ask=False)


def _as_wished(known: Import, path: Path, wish: Wish) -> bool:
    unpacked = Path(known.aside).parent / "media"
    newer = unpacked.is_dir() and path.is_file() and path.stat().st_mtime > unpacked.stat().st_ctime
    said = dict(column.partition("=")[::2] for column in wish.columns)
    return (
        not newer
        and wish.shape in ("", known.shape)
        and (wish.media is None or str(wish.media.resolve()) == known.media)
        and all(known.mapping.get(field, "") == column for field, column in said.items())
    )


def _source(path: Path, folder: Path) -> Path:
    if path.is_dir():
        return sources.find_source(path)
    if path.suffix.lower() in sources.TABLES:
        return path
    folder.mkdir(parents=True)
    with path.open("rb") as file:
        if unpack(file, folder):
            return sources.find_source(folder)
        staging.check_begin(path.name, ".jsonl", file)
    return path


def _plan(source: Path, media: Path, aside: Path, wish: Wish) -> Plan:
    shape, columns = guessing.look_at(source, aside, wish.shape)
    if shape not in shapes.SHAPES:
        known = ", ".join(shapes.SHAPES)
        raise BadWish(_("“%(shape)s” is none of the shapes that are read.", shape=shape[:40]), "--shape", known)
    found = mapping.guess(columns)
    for each in wish.columns:
        field, _equals, column = each.partition("=")
        if field not in mapping.FIELDS and not field.startswith(mapping.REPLIES):
            raise BadWish(
                _("“%(field)s” is no field of a sample.", field=field[:40]), "--column", ", ".join(mapping.FIELDS)
            )
        found[field] = column
    return Plan(media, aside, shape, {field: column for field, column in found.items() if column})
