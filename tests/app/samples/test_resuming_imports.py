"""Going on with an import: by what the file holds now, and in the way that is asked for now."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.tables import User
from app.annotations import bringing
from app.projects.tables import Project
from app.samples import imports, local
from app.samples.importing import A_BATCH_LASTS, HEAVIEST, MOST_AT_ONCE, next_batch, next_size
from app.samples.local import Wish
from app.samples.sources import Entry
from app.samples.tables import Import, Sample
from tests import cast
from tests.app.samples.test_shapes_and_sources import tar


@pytest.fixture
def project(session: Session) -> Project:
    return cast.project(session, cast.user(session, "alice"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "cat.jpg").write_bytes(cast.picture())
    return write(tmp_path / "many.jsonl", range(150))


def line(number: int) -> str:
    return json.dumps({"image": "cat.jpg", "prompt": f"Number {number}?"})


def write(path: Path, numbers: range) -> Path:
    path.write_text("\n".join(map(line, numbers)))
    return path


def begin(session: Session, project: Project, path: Path, **wish: object) -> Import:
    author = session.scalars(sa.select(User).order_by(User.id)).first()
    assert author is not None
    begun = local.begin(session, project, author, path, Wish(**wish))  # type: ignore[arg-type]
    session.commit()
    return begun


def go_on(session: Session, begun: Import, leave: bool = False) -> Import:
    imports.perform(begun.id, bringing.keep, lambda: leave, begun.fence)
    session.expire_all()
    return session.get_one(Import, begun.id)


def test_a_file_that_changed_meanwhile_is_read_from_its_beginning(
    session: Session, project: Project, file: Path
) -> None:
    begun = go_on(session, begin(session, project, file), leave=True)
    assert begun.reached == 100
    write(file, range(-10, 150))  # ten new lines above: by its place alone, the import would pass them over
    again = begin(session, project, file)
    assert again.id == begun.id
    ended = go_on(session, again)
    assert (ended.added, ended.already, ended.total) == (160, 100, 160)
    assert session.scalar(sa.select(sa.func.count(Sample.id))) == 160


def test_a_broken_import_is_not_gone_on_with_in_another_way(session: Session, project: Project, file: Path) -> None:
    broken = go_on(session, begin(session, project, file), leave=True)
    (file.parent / "media").mkdir()
    other = begin(session, project, file, media=file.parent / "media")
    assert other.id != broken.id
    session.expire_all()
    assert broken.ended_at is not None
    assert broken.failure.startswith("Replaced")
    assert go_on(session, other).faulty == 150  # there is no cat.jpg in that folder


def test_an_archive_packed_anew_is_unpacked_anew(session: Session, project: Project, tmp_path: Path) -> None:
    def pack(*numbers: int) -> None:
        text = "\n".join(map(line, numbers)).encode()
        members = (tarfile.TarInfo("lines.jsonl"), text), (tarfile.TarInfo("cat.jpg"), cast.picture())
        (tmp_path / "all.tar").write_bytes(tar(*members).getvalue())

    pack(1, 2)
    broken = begin(session, project, tmp_path / "all.tar")
    assert begin(session, project, tmp_path / "all.tar").id == broken.id
    pack(1, 2, 3)
    os.utime(tmp_path / "all.tar", (4e9, 4e9))
    again = begin(session, project, tmp_path / "all.tar")
    assert again.id != broken.id
    assert go_on(session, again).added == 3


def test_a_batch_is_full_by_number_or_by_weight() -> None:
    entries = iter([Entry(number, dict, HEAVIEST // 2) for number in range(1, 6)])
    assert [len(next_batch(entries, 100)) for _ in range(4)] == [2, 2, 1, 0]
    assert len(next_batch(iter([Entry(1, dict, 10)] * 9), 4)) == 4


def test_batches_grow_while_they_are_quick_and_shrink_to_be_heard_of() -> None:
    assert next_size(100, A_BATCH_LASTS / 10) == 200
    assert next_size(800, A_BATCH_LASTS / 10) == MOST_AT_ONCE
    assert next_size(100, A_BATCH_LASTS * 100) == 1
