"""The `assay` command: a person at a terminal, with nothing running and with the platform running."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from app.embedded import data
from tests import cast
from tests.app.embedded.waiting import eventually, free_port

ROOT = Path(__file__).resolve().parents[3]
REPLIES = [{"model": "demo-a", "text": "A wall."}, {"model": "demo-b", "text": "Nothing."}]
LINE = {"id": "s1", "image": "s1.jpg", "prompt": "What is shown?", "responses": REPLIES}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="assay-commands-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "ASSAY_DATA": str(folder / "data"), **more}


def assay(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", *words]
    return subprocess.run(
        command, cwd=ROOT, env=environment(folder, **more), capture_output=True, text=True, timeout=200
    )


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[int]:
    """The port of a platform without the demonstration, ended as by Ctrl-C."""
    port = free_port()
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up", "--no-seed"],
            cwd=ROOT,
            env=environment(folder, ASSAY_PORT=str(port)),
            stdout=out,
            stderr=out,
        )
    eventually(lambda: process.poll() is not None or "Assay is at" in log.read_text(), seconds=200)
    assert process.poll() is None, log.read_text()
    yield port
    process.send_signal(2)
    assert process.wait(100) == 0
    assert "Ended; the data stay." in log.read_text()


def test_before_the_first_start_a_command_says_what_to_do(folder: Path) -> None:
    answer = assay(folder, "user", "add", "ana@example.org")
    assert answer.returncode == 1
    assert answer.stderr.startswith("CannotStart: There is no data folder here yet.")
    assert "Start `assay up`" in answer.stderr
    assert not (folder / "data").exists()


def test_a_person_is_added_and_samples_imported_while_the_platform_runs(folder: Path, running: int) -> None:
    added = assay(folder, "user", "add", "ana@example.org", "--admin")
    assert added.returncode == 0, added.stderr
    address, password = added.stdout.split()
    assert (address, len(password) >= 12) == ("ana@example.org", True)
    again = assay(folder, "user", "add", "ana@example.org")
    assert (again.returncode, "EmailTaken" in again.stderr) == (1, True)
    unknown = assay(folder, "import", str(Path(__file__)), "--project", "nowhere")
    assert (unknown.returncode, "There is no such project. (nowhere)" in unknown.stderr) == (1, True)


def test_a_running_platform_tells_prometheus_of_its_broker_and_queues(running: int) -> None:
    with urlopen(f"http://127.0.0.1:{running}/metrics", timeout=60) as answer:
        told = answer.read().decode()
    assert "assay_broker_up 1.0" in told
    assert {f'assay_jobs_waiting{{queue="{name}"}}' in told for name in ("desk", "gpu", "media")} == {True}


def test_a_second_start_on_the_same_folder_is_refused(folder: Path, running: int) -> None:
    answer = assay(folder, "up", ASSAY_PORT=str(free_port()))
    assert answer.returncode == 1
    assert answer.stderr.startswith("FolderTaken: Assay works in this data folder already.")


def test_a_port_in_use_is_refused_and_nothing_is_left_running(folder: Path, running: int) -> None:
    other = folder / "other"
    answer = assay(other, "up", ASSAY_PORT=str(running))
    assert answer.returncode == 1
    assert answer.stderr.startswith("PortTaken:")
    assert not (other / "data" / "services").exists()


def test_a_folder_of_another_version_is_refused(folder: Path) -> None:
    old = folder / "old" / "data"
    data.prepare(old).close()
    (old / "VERSION").write_text("0")
    answer = assay(folder / "old", "up", ASSAY_PORT=str(free_port()))
    assert (answer.returncode, answer.stderr.split(":")[0]) == (1, "WrongVersion")


def test_the_doctor_finds_a_running_platform_well(folder: Path, running: int) -> None:
    answer = assay(folder, "doctor", ASSAY_PORT=str(running))
    assert answer.returncode == 0, answer.stdout
    assert "✗" not in answer.stdout
    assert "Set OPENAI_BASE_URL" in answer.stdout


def test_the_doctor_says_what_to_do_about_a_database_that_does_not_answer(folder: Path) -> None:
    answer = assay(folder, "doctor", DATABASE_URL="postgresql://127.0.0.1:1/none", ASSAY_PORT=str(free_port()))
    assert answer.returncode == 1
    assert "✗ database" in answer.stdout
    assert "Check DATABASE_URL" in answer.stdout


def test_samples_are_imported_and_a_dataset_is_asked_for_by_number(
    folder: Path, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "s1.jpg").write_bytes(cast.picture())
    (file := tmp_path / "samples.jsonl").write_text(json.dumps(LINE) + "\n")
    told = {"DATABASE_URL": database_url, "STORAGE_URL": str(tmp_path / "storage"), "BROKER_URL": "memory://"}
    make_project(folder, told)
    first = assay(folder, "import", str(file), "--project", "streets", "--cut", **told)
    assert first.stdout.startswith("1 added, 0 there already, 0 faults"), first.stderr
    again = assay(folder, "import", str(file), "--project", "streets", **told)
    assert again.stdout.startswith("0 added, 1 there already, 0 faults"), again.stderr
    file.write_text('{"id": "s2"}\n')
    faulty = assay(folder, "import", str(file), "--project", "streets", **told)
    assert (faulty.returncode, "line 1, prompt: Field required" in faulty.stderr) == (1, True)
    missing = assay(folder, "export", "7", str(tmp_path / "out.zip"), **told)
    assert (missing.returncode, "There is no such dataset. (dataset 7)" in missing.stderr) == (1, True)


def make_project(folder: Path, told: dict[str, str]) -> None:
    code = """
from app.core.db import transaction
from tests import cast
with transaction() as session:
    cast.project(session, cast.user(session, "alice", is_admin=True))
"""
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(folder, **told),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert answer.returncode == 0, answer.stderr


def test_a_running_platform_is_backed_up_and_restored_into_a_new_folder(folder: Path, running: int) -> None:
    assert assay(folder, "user", "add", "eve@example.org", "--admin").returncode == 0
    made = assay(folder, "backup", str(folder / "monday.tar"))
    assert made.returncode == 0, made.stderr
    assert assay(folder, "restore", str(folder / "monday.tar"), "--check").stdout.count("is whole") == 1
    taken = assay(folder, "restore", str(folder / "monday.tar"))
    assert (taken.returncode, taken.stderr.split(":")[0]) == (1, "FolderTaken")
    there = assay(folder / "new", "restore", str(folder / "monday.tar"))
    assert there.returncode == 0, there.stderr
    assert there.stdout.removeprefix("Restored") == made.stdout.removeprefix(str(folder / "monday.tar"))
    again = assay(folder / "new", "user", "add", "eve@example.org")
    assert (again.returncode, "EmailTaken" in again.stderr) == (1, True)
    verified = assay(folder / "new", "audit", "verify")
    assert verified.returncode == 0, verified.stderr
    keys = [(place / "data" / "session.secret").read_text() for place in (folder, folder / "new")]
    assert keys[0] == keys[1], "what was sealed must open"
    full = assay(folder / "new", "restore", str(folder / "monday.tar"))
    assert (full.returncode, full.stderr.split(":")[0]) == (1, "NotEmpty")
