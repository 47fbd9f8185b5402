"""The data folder: one platform at a time, of one version, with room, and secrets for its owner's eyes."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.embedded import data
from app.embedded.refusals import CannotStart, DiskFull, FolderTaken, PortTaken, WrongVersion


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "house"


@pytest.fixture
def occupied() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_second_start_in_the_same_folder_is_refused_by_name(folder: Path) -> None:
    with data.prepare(folder), pytest.raises(FolderTaken, match="works in this data folder already"):
        data.prepare(folder)


def test_a_lock_whose_owner_was_killed_is_free(folder: Path) -> None:
    code = (
        f"import os, pathlib; from app.embedded import data; kept = data.prepare(pathlib.Path({str(folder)!r})); "
        "print('locked', flush=True); os.kill(os.getpid(), 9)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert answer.stdout == "locked\n"
    data.prepare(folder).close()


def test_a_folder_of_another_layout_is_refused_and_left_as_it_is(folder: Path) -> None:
    data.prepare(folder).close()
    (folder / "VERSION").write_text("99\n")
    with pytest.raises(WrongVersion, match="layout '99'"):
        data.prepare(folder)
    assert (folder / "VERSION").read_text() == "99\n"


def test_a_full_disk_is_named_before_anything_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=3 * 2**20))
    with pytest.raises(DiskFull, match="Only 3 MB are free"):
        data.prepare(folder)
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="cannot be used: Not a directory"):
        data.prepare(tmp_path / "file" / "house")


def test_a_port_in_use_is_refused_by_name(occupied: int) -> None:
    with pytest.raises(PortTaken, match=f"127.0.0.1:{occupied} cannot be used: Address already in use"):
        data.listen("127.0.0.1", occupied)


def test_secrets_are_made_once_and_the_owner_alone_reads_them(folder: Path) -> None:
    data.prepare(folder).close()
    first = data.secret(folder, "session")
    assert data.secret(folder, "session") == first != data.secret(folder, "database")
    assert (folder / "session.secret").stat().st_mode & 0o777 == 0o600
