"""A backup of an instance at work, and what an empty instance becomes of it."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.orm import Session

from app.accounts import log
from app.accounts.log import audit
from app.backup import contents, making, restoring
from app.core import migrations, storage
from app.core.db import engine, transaction
from app.core.errors import Refusal
from app.core.settings import settings
from tests import cast

KEY = "only for tests"


@pytest.fixture
def elsewhere(postgres: Callable[[str], str]) -> Iterator[str]:
    """An empty database."""
    with psycopg.connect(postgres("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE elsewhere")
        yield postgres("elsewhere")
        connection.execute("DROP DATABASE elsewhere WITH (FORCE)")


@pytest.fixture
def instance(session: Session) -> Session:
    """Two people, a project, samples with pictures, a frozen folder that shares one, a run that reads it."""
    alice = cast.user(session, "alice", is_admin=True)
    project = cast.project(session, alice)
    medium = cast.sample(session, project, "Was zeigt das Bild? 你好").media[0]
    audit(session, alice, "tasks.cut", f"project {project.id}")
    session.commit()
    while log.seal(session):
        session.commit()
    frozen = storage.dataset_folder(1) / "media" / "one.jpg"
    frozen.parent.mkdir(parents=True)
    os.link(storage.blob_path(medium.blob_sha256), frozen)
    run = storage.run_folder(7)
    (run / "inputs").mkdir(parents=True)
    (run / "inputs" / "dataset").symlink_to(storage.dataset_folder(1).resolve())
    (run / "log.txt").write_text("loss 0.5\n")
    (run / ".half.aside").write_text("being written")
    return session


@pytest.fixture
def made(instance: Session, database_url: str, tmp_path: Path) -> Path:
    file = tmp_path / "monday.tar"
    making.back_up(database_url, storage.root(), KEY, False, file)
    return file


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in making.walk(root) if path.is_file()}


def test_an_empty_instance_becomes_what_was_backed_up(
    made: Path, database_url: str, elsewhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = storage.root()
    kept = restoring.restore(elsewhere, tmp_path / "there", made)
    assert made.stat().st_mode & 0o077 == 0, "a backup is everything; only its owner may read it"
    with psycopg.connect(database_url) as one, psycopg.connect(elsewhere) as two:
        assert contents.tables_of(one) == contents.tables_of(two) == kept.tables
    assert kept.tables["samples"].rows == 1 and kept.tables["users"].rows == 1
    assert files_of(tmp_path / "there") == files_of(before)
    assert kept.files == len(files_of(before)) + 1  # and the link of the run
    read = tmp_path / "there" / "runs" / "7" / "inputs" / "dataset"
    assert read.resolve() == (tmp_path / "there" / "datasets" / "1").resolve()
    (picture,) = (tmp_path / "there" / "datasets" / "1" / "media").iterdir()
    assert picture.stat().st_nlink == 2, "what a dataset shares with the blobs lies there once"
    monkeypatch.setenv("DATABASE_URL", elsewhere)
    settings.cache_clear()
    engine.cache_clear()
    assert migrations.behind() is None
    with transaction() as session:
        assert log.verify(session)
        with pytest.raises(Exception, match="only ever added"):
            session.connection().exec_driver_sql("DELETE FROM audit_entries")
    engine().dispose()


def test_people_go_on_while_a_backup_is_made(
    instance: Session, database_url: str, tmp_path: Path, elsewhere: str
) -> None:
    """What comes after the snapshot is not in it, neither half nor whole."""
    added: list[int] = []

    def meanwhile(done: int, of: int) -> None:
        if not added:
            added.append(cast.user(instance, "bob").id)
            instance.commit()

    making.back_up(database_url, storage.root(), KEY, False, tmp_path / "file.tar", meanwhile)
    kept = restoring.restore(elsewhere, tmp_path / "there", tmp_path / "file.tar")
    assert added and kept.tables["users"].rows == 1


@pytest.mark.parametrize("at", [0.2, 0.5, 0.9, 0.999])
def test_a_backup_that_was_cut_off_leaves_everything_empty(
    made: Path, elsewhere: str, tmp_path: Path, at: float
) -> None:
    with tarfile.open(made) as tar:
        last = tar.getmembers()[-1]
    end = last.offset_data + last.size  # beyond it there is nothing but padding
    (short := tmp_path / "short.tar").write_bytes(made.read_bytes()[: int(end * at)])
    with pytest.raises(contents.BackupDamaged):
        restoring.check(short)
    refused_and_empty(short, elsewhere, tmp_path / "there", "BackupDamaged")


def refused_and_empty(file: Path, url: str, root: Path, name: str) -> None:
    with pytest.raises(Refusal) as refused:
        restoring.restore(url, root, file)
    assert refused.value.name == name
    assert not list(root.iterdir()) if root.exists() else True
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_one_changed_byte_of_a_picture_is_named(made: Path, elsewhere: str, tmp_path: Path) -> None:
    whole, picture = made.read_bytes(), cast.picture()
    at = whole.index(picture) + len(picture) // 2
    (changed := tmp_path / "changed.tar").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(contents.BackupDamaged) as refused:
        restoring.check(changed)
    assert refused.value.where.startswith("storage/blobs/")
    refused_and_empty(changed, elsewhere, tmp_path / "there", "BackupDamaged")


def test_a_backup_writes_over_nothing(made: Path, database_url: str, elsewhere: str, tmp_path: Path) -> None:
    with pytest.raises(making.FileThere):
        making.back_up(database_url, storage.root(), KEY, False, made)
    with pytest.raises(restoring.NotEmpty) as refused:
        restoring.restore(database_url, tmp_path / "there", made)
    assert refused.value.where == "audit_entries"
    with pytest.raises(restoring.NotEmpty) as refused:
        restoring.restore(elsewhere, storage.root(), made)
    assert "blobs" in refused.value.where


def test_another_programs_database_is_left_alone(made: Path, elsewhere: str, tmp_path: Path) -> None:
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        connection.execute("CREATE TABLE users (name text)")
        connection.execute("CREATE TABLE letters (text text)")
        connection.execute("INSERT INTO letters VALUES ('dear reader')")
        with pytest.raises(restoring.NotEmpty) as refused:
            restoring.restore(elsewhere, tmp_path / "there", made)
        assert refused.value.where == "letters"
        assert connection.execute("SELECT text FROM letters").fetchone() == ("dear reader",)


def test_a_database_without_the_platform_is_refused(elsewhere: str, tmp_path: Path) -> None:
    with pytest.raises(making.SchemaMissing):
        making.back_up(elsewhere, tmp_path / "nothing", KEY, False, tmp_path / "file.tar")
    assert not (tmp_path / "file.tar").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"contents.json", b"\0" * 2048])
def test_any_other_file_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (file := tmp_path / "other.tar").write_bytes(content)
    with pytest.raises((contents.NotABackup, contents.BackupDamaged)):
        restoring.read_head(file)


@pytest.mark.parametrize(
    "name", ["storage/../../outside", "/outside", "../outside", "outside", "storage/", "database.dump/../../outside"]
)
def test_a_name_that_leads_out_of_the_backup_writes_nothing(
    made: Path, elsewhere: str, tmp_path: Path, name: str
) -> None:
    head = restoring.read_head(made)[0]
    with tarfile.open(tmp_path / "hostile.tar", "w") as tar:
        for each, content in [("contents.json", head.model_dump_json().encode()), (name, b"x")]:
            member = tarfile.TarInfo(each)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    refused_and_empty(tmp_path / "hostile.tar", elsewhere, tmp_path / "there", "BackupDamaged")
    assert not list(tmp_path.rglob("outside"))


def test_another_key_is_noticed_before_anything_is_kept(made: Path) -> None:
    head, key = restoring.read_head(made)
    restoring.check_key(head, KEY)
    assert key == ""
    with pytest.raises(restoring.OtherKey):
        restoring.check_key(head, "another")


def test_a_newer_format_is_left_to_a_newer_version(made: Path, tmp_path: Path) -> None:
    text = made.read_bytes().replace(b'"format": 1,', b'"format": 9,', 1)
    (newer := tmp_path / "newer.tar").write_bytes(text)
    with pytest.raises(contents.NotABackup, match="format 9"):
        restoring.read_head(newer)
