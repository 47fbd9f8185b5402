"""Files that nothing needs any more go; whatever somebody may need stays."""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from app.accounts.tables import AuditEntry
from app.backup import making
from app.cli import cli
from app.core import storage
from app.core.db import transaction
from app.samples import collecting, renditions
from app.samples.tables import Medium
from tests import cast
from worker import keeping

YESTERDAY = 25 * 3600


def _age(path: Path, seconds: float = YESTERDAY) -> Path:
    os.utime(path, (time.time() - seconds, time.time() - seconds))
    return path


def _orphan(content: bytes = b"of a broken import") -> Path:
    return _age(storage.blob_path(storage.put_blob(content)))


@pytest.fixture
def used(session: Session) -> Path:
    """An old blob that a sample names, with its rendition."""
    medium = cast.sample(session, cast.project(session, cast.user(session, "alice"))).media[0]
    session.commit()
    made = renditions.folder_of(medium.blob_sha256)
    made.mkdir(parents=True)
    (made / "about.json").write_text('{"levels": 0}')
    _age(made)
    return _age(storage.blob_path(medium.blob_sha256))


def _collect(delete: bool = True) -> collecting.Found:
    with transaction() as session:
        found = collecting.look(session)
        if delete:
            collecting.collect(session, found)
    return found


def test_what_no_sample_names_goes_with_its_renditions_and_the_rest_stays(session: Session, used: Path) -> None:
    orphan = _orphan()
    made = renditions.folder_of(orphan.name)
    made.mkdir(parents=True)
    (made / "about.json").write_text('{"levels": 3}')
    _age(made)
    assert renditions.about(orphan.name) == {"levels": 3}
    (broken := orphan.with_name(".aside-abc")).write_text("cut")
    _age(broken)
    found = _collect()
    assert (found.blobs, found.unneeded, found.renditions, found.leftovers) == (2, 1, 1, 1)
    assert found.bytes == len(b"of a broken import") + len('{"levels": 3}') + len("cut")
    assert [path.exists() for path in (orphan, made, broken, used)] == [False, False, False, True]
    assert renditions.about(orphan.name) is None, "it is remembered although it is gone"
    assert renditions.about(used.name) is not None
    line = session.scalars(sa.select(AuditEntry).filter_by(action="blobs.collected")).one()
    assert line.detail == {"blobs": 1, "renditions": 1, "bytes": found.bytes, "deleted": 3}


def test_what_is_young_stays_and_content_brought_again_is_young(session: Session, used: Path) -> None:
    young, again = _orphan(b"one"), _orphan(b"two")
    os.utime(young)
    storage.put_blob(b"two")
    assert _collect().unneeded == 0
    assert young.exists() and again.exists()


def test_what_an_import_brings_again_after_the_look_stays(session: Session, used: Path) -> None:
    orphan = _orphan()
    with transaction() as at_work:
        found = collecting.look(at_work)
        storage.put_blob(b"of a broken import")
        assert collecting.collect(at_work, found) == 0
    assert orphan.read_bytes() == b"of a broken import"


def test_what_was_moved_aside_when_a_collection_was_killed_comes_back(session: Session, used: Path) -> None:
    os.replace(used, _age(used).with_name(f".aside-going-{used.name}"))
    _collect(delete=False)
    assert used.exists()


def test_a_frozen_dataset_keeps_its_pictures(session: Session, used: Path) -> None:
    orphan = _orphan()
    frozen = storage.dataset_folder(1) / "media" / "one.jpg"
    frozen.parent.mkdir(parents=True)
    os.link(orphan, frozen)
    assert _collect().bytes == 0, "nothing comes free while the dataset holds it"
    assert not orphan.exists() and frozen.read_bytes() == b"of a broken import"


def test_no_collection_begins_while_a_backup_copies(session: Session, used: Path, database_url: str) -> None:
    orphan = _orphan()
    with making._uncollected(database_url), making._uncollected(database_url), pytest.raises(collecting.BackupAtWork):
        _collect()
    assert orphan.exists()
    _collect()
    assert not orphan.exists()


def test_a_backup_waits_for_a_collection(session: Session, used: Path, database_url: str) -> None:
    begun = threading.Event()

    def back_up() -> None:
        with making._uncollected(database_url):
            begun.set()

    other = threading.Thread(target=back_up)
    with transaction() as at_work:
        collecting.look(at_work)
        other.start()
        waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        while not session.scalar(waiting):
            assert not begun.is_set()
    other.join(60)
    assert begun.is_set()


def test_every_night_it_is_done_unless_most_would_go(
    session: Session, used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = _orphan()
    keeping.collect_blobs()
    assert not orphan.exists()
    monkeypatch.setattr(collecting, "FEW", 1)
    several = [_orphan(b"%d" % number) for number in range(3)]
    keeping.collect_blobs()  # refused: most blobs are no sample's, as where DATABASE_URL names another database
    assert all(path.exists() for path in several)


def test_the_command_deletes_nothing_until_it_is_told_to(session: Session, used: Path) -> None:
    orphan = _orphan()
    run = CliRunner()
    said = run.invoke(cli, ["collect"], catch_exceptions=False).output
    assert "1 of 2 blobs" in said and "18 bytes" in said and "dry run" in said and orphan.exists()
    assert "1 deleted" in run.invoke(cli, ["collect", "--delete"], catch_exceptions=False).output
    assert not orphan.exists() and used.exists()


def test_a_grace_in_which_uploads_run_is_refused(session: Session) -> None:
    with pytest.raises(collecting.GraceTooShort):
        collecting.look(session, dt.timedelta(minutes=5))
    assert session.scalar(sa.select(sa.func.count()).select_from(Medium)) == 0
