"""PostgreSQL of our own: nobody else gets in, root does not run it, and nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from app.embedded import linux, owner
from app.embedded.postgres import ENVIRONMENT, Postgres, new_password, running
from app.embedded.refusals import CannotStart, ServiceFailed, WrongVersion

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends its servers another user")


@pytest.fixture
def server() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="assay-pg-", dir="/tmp"))
    folder.chmod(0o711)
    uid = owner.servant()
    yield Postgres(folder / "cluster", owner.private_folder(folder / "s", uid), new_password(), uid, durable=False)
    shutil.rmtree(folder)


def left_running(server: Postgres) -> int:
    """Start the server as a supervisor would that is then killed; the number of its process."""
    process = subprocess.Popen(
        server.command(), env=ENVIRONMENT, cwd="/", stderr=subprocess.DEVNULL, **linux.as_user(server.uid)
    )
    while not server.answers():
        time.sleep(0.02)
    return process.pid


def test_rows_are_there_after_it_was_started_again(server: Postgres) -> None:
    with running(server) as url, psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with running(server) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_acknowledged_rows_survive_a_kill(server: Postgres) -> None:
    server = replace(server, durable=True)
    with running(server) as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        os.kill(int((server.folder / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        time.sleep(0.2)
    with running(server) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_nobody_gets_in_without_the_password_nor_by_network(server: Postgres) -> None:
    with running(server), pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host=str(server.sockets), user="assay", dbname="assay")
    assert "listen_addresses=" in server.command()
    assert server.sockets.stat().st_mode & 0o777 == 0o700


@as_root
def test_root_runs_it_as_a_user_of_no_rights(server: Postgres) -> None:
    with running(server) as url, psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row
        assert Path(f"/proc/{row[0]}").stat().st_uid == owner.SERVANT
    assert server.folder.stat().st_uid == owner.SERVANT


def ends_well_as(uid: int, what: Callable[[], None]) -> bool:
    """Run in a forked process of another user: that user may not even be able to read this Python's files."""
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    try:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        what()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


@as_root
def test_a_person_who_is_not_root_runs_it_as_themselves(server: Postgres) -> None:
    folder = server.folder.parent
    for path in (folder, server.sockets):
        shutil.chown(path, 65534, 65534)

    def serve() -> None:
        assert owner.servant() is None
        with running(replace(server, uid=None)) as url, psycopg.connect(url) as connection:
            connection.execute("SELECT 1")

    assert ends_well_as(65534, serve)
    assert server.folder.stat().st_uid == 65534


def test_a_cluster_of_another_version_is_refused_and_left_as_it_is(server: Postgres) -> None:
    server.folder.mkdir()
    (server.folder / "PG_VERSION").write_text("12\n")
    with pytest.raises(WrongVersion, match=r"laid by PostgreSQL 12; installed is \d+"):
        server.lay()
    assert [path.name for path in server.folder.iterdir()] == ["PG_VERSION"]


def test_a_pid_file_whose_number_is_now_another_programs_does_not_keep_it_from_starting(server: Postgres) -> None:
    server.lay()
    (server.folder / "postmaster.pid").write_text(f"{os.getpid()}\n{server.folder}\n0\n5432\n")
    with running(server) as url:
        psycopg.connect(url).close()


def test_a_server_that_was_left_running_is_ended_first(server: Postgres) -> None:
    server.lay()
    left = left_running(server)
    with running(server) as url:
        assert not linux.is_alive(left)
        psycopg.connect(url).close()


def test_laying_that_was_interrupted_begins_anew(server: Postgres) -> None:
    half = server.folder.with_name("cluster.laying")
    half.mkdir()
    (half / "PG_VERSION").write_text("half")
    with running(server) as url:
        psycopg.connect(url).close()
    assert not half.exists()


def test_a_server_that_cannot_start_says_why(server: Postgres) -> None:
    server.lay()
    (server.folder / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(ServiceFailed, match="PostgreSQL did not start: FATAL"), running(server):
        pass


@as_root
def test_under_a_closed_folder_the_files_are_kept_where_the_servant_can_reach_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Path(tempfile.mkdtemp(prefix="assay-shared-", dir="/tmp"))
    monkeypatch.setattr(owner, "SHARED", shared)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (tool := closed / "tool").write_text("#!/bin/sh\n")
    tool.chmod(0o700)
    home = owner.home(closed, owner.SERVANT)
    copy = owner.reachable_copy(tool, "tool", owner.SERVANT)
    assert home.parent == copy.parent == shared
    assert owner.is_reachable(copy, owner.SERVANT)
    assert owner.home(closed, owner.SERVANT) == home  # the second start finds it again
    shared.chmod(0o700)
    with pytest.raises(CannotStart, match="cannot reach its files"):
        owner.home(closed, owner.SERVANT)
    shutil.rmtree(shared)


@as_root
def test_a_socket_folder_that_a_stranger_made_is_refused(tmp_path: Path) -> None:
    (theirs := tmp_path / "s").mkdir()
    os.chown(theirs, 65534, 65534)
    with pytest.raises(CannotStart, match="belongs to someone else"):
        owner.private_folder(theirs, owner.SERVANT)
