"""What strangers send: whatever is in a file, an import takes it or says what is wrong and where."""

from __future__ import annotations

import csv
import io
import json
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core.errors import Invalid
from app.samples import columnar, guessing, importing, mapping, shapes, sources, unpacking
from app.samples.confined import REFUSED
from app.samples.tables import Sample
from tests import cast

QUICK = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
REPLIES = [{"model": "demo-a", "text": "A cat."}, {"model": "demo-b", "text": "A dog."}]
WORDS = sorted(
    {"prompt", "question", "image", "images", "video", "responses", "scores", "rank", "ranks", "reason", "model"}
    | {"text", "conversations", "from", "value", "human", "gpt", "chosen", "rejected", "data", "fields", "annotations"}
    | {"result", "ranker", "suggestions", "metadata", "id", "frames", "judgement", "options", "<image>", "A. x\nB. y"}
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=25,
)


@QUICK
@given(row=st.dictionaries(st.sampled_from(WORDS), ANYTHING, max_size=8), shape=st.sampled_from(sorted(shapes.SHAPES)))
def test_a_record_of_any_make_is_read_or_refused_by_name(row: dict[str, Any], shape: str) -> None:
    plan = importing.Plan(Path("/nowhere"), Path("/nowhere"), shape, mapping.guess([*row]))
    for made_for in (shape, guessing.guess(row)):
        report = importing.Report()
        entry = sources.Entry(1, lambda: row)
        list(importing._read_all([entry], importing.Plan(plan.media, plan.aside, made_for, plan.mapping), report))
        assert all(fault.line == 1 and fault.reason and fault.field for fault in report.faults)


def _whole_files() -> dict[str, bytes]:
    rows = [{"prompt": f"Number {n}?", "image": "cat.jpg", "response_a": "A.", "response_b": "B."} for n in range(9)]
    table, made = pa.Table.from_pylist(rows), {}
    for kind in ("parquet", "arrow"):
        buffer = io.BytesIO()
        if kind == "parquet":
            pq.write_table(table, buffer)
        else:
            with pa.ipc.new_stream(buffer, table.schema) as out:
                out.write_table(table)
        made[f".{kind}"] = buffer.getvalue()
    text = io.StringIO()
    cells = csv.DictWriter(text, [*rows[0]])
    cells.writeheader()
    cells.writerows(rows)
    made[".csv"] = made[".tsv"] = text.getvalue().encode()
    made[".jsonl"] = "\n".join(map(json.dumps, rows)).encode()
    made[".json"] = json.dumps({"rows": rows}).encode()
    return made


WHOLE = _whole_files()


@QUICK
@given(data=st.data(), kind=st.sampled_from(sorted(WHOLE)))
def test_a_file_damaged_anywhere_is_read_or_refused_by_name(data: st.DataObject, kind: str) -> None:
    content = bytearray(WHOLE[kind])
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)
    ):
        content[place] = byte
    cut = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    with tempfile.TemporaryDirectory() as folder:
        (file := Path(folder, f"some{kind}")).write_bytes(content[:cut])
        _read_through(file)


@QUICK
@given(content=st.binary(max_size=400), kind=st.sampled_from(sorted(WHOLE)))
def test_bytes_of_no_meaning_are_read_or_refused_by_name(content: bytes, kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (file := Path(folder, f"some{kind}")).write_bytes(content)
        _read_through(file)


def _damage(content: bytearray, data: st.DataObject) -> None:
    spots = st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)
    for place, byte in data.draw(spots):
        content[place] = byte


def _read_through(file: Path) -> None:
    if file.suffix in sources.SHARDS:  # here and not in a process of its own: that would start hundreds
        for line in columnar.lines([file], file.parent, 0):
            assert line.startswith((b"{", REFUSED))
        return
    try:
        for entry in sources.records(file, file.parent):
            try:
                entry.value()
            except Invalid as refusal:
                _names_something(refusal)
    except Invalid as refusal:
        _names_something(refusal)


def _names_something(refusal: Invalid) -> None:
    assert refusal.what and refusal.where


def _zip(write: Callable[[zipfile.ZipFile], None]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        write(archive)
    return buffer.getvalue()


def _linked(archive: zipfile.ZipFile) -> None:
    about = zipfile.ZipInfo("media")
    about.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(about, "/etc")


def _many(archive: zipfile.ZipFile) -> None:
    for number in range(50):
        archive.writestr(f"{number}.txt", "")


def _tar_of_many() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in range(50):
            archive.addfile(tarfile.TarInfo(f"{number}.txt"))
    return buffer.getvalue()


ARCHIVES = {
    "a link": (_zip(_linked), "holds a link"),
    "a path upwards": (_zip(lambda archive: archive.writestr("a/../../evil.jsonl", "{}")), "leads outside"),
    "an absolute path": (_zip(lambda archive: archive.writestr("/etc/evil.jsonl", "{}")), "leads outside"),
    "a drive of another system": (_zip(lambda archive: archive.writestr("C:evil.jsonl", "{}")), "leads outside"),
    "too many files": (_zip(_many), "at most 40"),
    "too many in a TAR": (_tar_of_many(), "at most 40"),
    "too much": (_zip(lambda archive: archive.writestr("a.jsonl", bytes(range(256)) * 8000)), "unpack"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_hostile_archive_is_named_and_nothing_is_written_outside(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MOST_FILES", 40)
    monkeypatch.setattr(unpacking, "LARGEST_UNPACKED", 2_000_000)
    content, words = ARCHIVES[name]
    with pytest.raises(unpacking.UnsafeArchive, match=words) as refusal:
        unpacking.unpack(io.BytesIO(content), tmp_path / "target")
    assert refusal.value.where
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.parent == tmp_path] == []


SOUND = _zip(lambda archive: archive.writestr("rows/a.jsonl", "{}" * 40))


@QUICK
@given(data=st.data())
def test_an_archive_damaged_anywhere_is_unpacked_or_refused_by_name(data: st.DataObject) -> None:
    whole = (
        _zip(lambda archive: archive.writestr("rows/a.jsonl", "{}" * 40))
        if data.draw(st.booleans())
        else _tar_of_many()
    )
    content = bytearray(whole)
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)
    ):
        content[place] = byte
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder, "a", "b", "c")
        try:
            unpacking.unpack(io.BytesIO(content), inside)
        except unpacking.BadUpload as refusal:
            _names_something(refusal)
        assert all(path.is_relative_to(inside) or path in inside.parents for path in Path(folder).rglob("*"))


@pytest.fixture
def admin(client: TestClient, session: Session) -> TestClient:
    alice = cast.user(session, "alice")
    cast.project(session, alice)
    return cast.sign_in(client, session, alice)


LINES: dict[str, bytes] = {
    "an infinite number": b'{"prompt": "?", "image": "a", "responses": [], "id": Infinity}',
    "a number beyond all": b'{"prompt": "?", "image": "a", "responses": [], "id": 1e999}',
    "NaN": b'{"prompt": "?", "image": "a", "responses": [], "id": NaN}',
    "a NUL": b'{"prompt": "a\\u0000b", "image": "a", "responses": []}',
    "a NUL in a name": b'{"prompt": "?", "image": "a\\u0000b", "responses": []}',
    "half a character": b'{"prompt": "\\ud800", "image": "a", "responses": []}',
    "half a character in bytes": b'{"prompt": "\xed\xa0\x80", "image": "a", "responses": []}',
    "no UTF-8": b'{"prompt": "\xff\xfe", "image": "a", "responses": []}',
    "a thousand brackets": b"[" * 100_000,
    "a key of no field": b'{"__proto__": 1, "prompt": "?", "image": "a", "responses": []}',
}


@pytest.mark.parametrize("name", LINES)
def test_a_hostile_line_is_a_fault_with_its_number_and_the_others_are_taken(
    name: str, session: Session, tmp_path: Path
) -> None:
    (tmp_path / "cat.jpg").write_bytes(cast.picture())
    alice = cast.user(session, "alice")
    good = json.dumps({"prompt": "Which?", "image": "cat.jpg", "responses": REPLIES})
    report = importing.import_samples(session, cast.project(session, alice), [good, LINES[name], good], tmp_path, alice)
    assert (report.added, report.already, [fault.line for fault in report.faults]) == (1, 1, [2])
    assert report.faults[0].field and report.faults[0].reason
    assert session.scalar(sa.select(sa.func.count()).select_from(Sample)) == 1


def test_a_line_of_a_hundred_megabytes_is_a_fault_and_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    good = b'{"prompt": "Which?"}\n'
    with (tmp_path / "long.jsonl").open("wb") as file:
        file.write(good + b'{"prompt": "')
        file.truncate(100 * 2**20)  # a hole of NULs: a line without end, and no disk
        file.seek(0, io.SEEK_END)
        file.write(b'"}\n' + good)
    with (tmp_path / "long.jsonl").open("rb") as file:
        assert [len(line) for line in sources.lines_of(file)] == [len(good), sources.LONGEST_LINE + 1, len(good)]
    entries = list(sources.records(tmp_path / "long.jsonl", tmp_path))
    with pytest.raises(sources.BadLine, match="longer than"):
        entries[1].value()
    assert entries[2].value() == {"prompt": "Which?"}


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("right.jsonl\u202eexe", b"\x00\x01", "BadUpload"),
        ("script.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "BadUpload"),
        ("x.html", b"<html><script>alert(1)</script></html>", "BadUpload"),
        ("../../evil.exe", b"MZ", "BadUpload"),
        ("long" * 500 + ".bin", b"\x00", "BadUpload"),
        ("empty.jsonl", b"", "BadUpload"),
    ],
)
def test_a_hostile_upload_is_named_and_nothing_of_it_stays(
    admin: TestClient, session: Session, name: str, content: bytes, error: str, tmp_path: Path
) -> None:
    answer = admin.post(
        "/projects/streets/samples/imports",
        files={"file": (name, content)},
        headers={"accept": "application/json"},
    )
    assert (answer.status_code, answer.json()["error"]) == (422, error), answer.text
    assert answer.json()["message"] and answer.json()["where"]
    assert [path for path in tmp_path.rglob("*") if path.is_file() and b"MZ" in path.read_bytes()[:2]] == []
    assert session.scalar(sa.select(sa.func.count()).select_from(Sample)) == 0


def _endless() -> Iterator[bytes]:
    for _ in range(5 * 16):
        yield b"x" * 2**16


@pytest.mark.parametrize("path", ["/projects/streets/settings", "/api/v1/keys", "/projects/streets/samples/uploads"])
def test_a_request_that_announces_no_length_is_cut_off_at_the_same_limit(admin: TestClient, path: str) -> None:
    method = "PUT" if path == "/api/v1/keys" else "POST"
    kind = "application/json" if path == "/api/v1/keys" else "application/x-www-form-urlencoded"
    headers = {"accept": "application/json", "content-type": kind}
    answer = admin.request(method, path, content=_endless(), headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (413, "TooLarge"), answer.text


def test_the_records_of_an_upload_are_counted_in_bytes_before_it_begins(admin: TestClient) -> None:
    asked = {"name": "a.zip", "size": 2**50}
    answer = admin.post(
        "/projects/streets/samples/uploads", json=asked, data=None, headers={"accept": "application/json"}
    )
    assert answer.status_code == 422 and answer.json()["where"], answer.text


@pytest.mark.parametrize("head", [b"[", b'{"a":', b'[{"prompt": "What?"}, ', b'{"a": [1], "b": '])
def test_a_thousand_arrays_within_one_another_are_refused_before_they_take_the_memory(
    tmp_path: Path, head: bytes
) -> None:
    (tmp_path / "deep.json").write_bytes(head + b"[" * 100_000)
    with pytest.raises(sources.BadSource, match="within one another"):
        list(sources.records(tmp_path / "deep.json", tmp_path))


def test_an_element_as_long_as_the_memory_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LONGEST_LINE", 500_000)
    rows = ['{"prompt": "good"}'] * 40_000  # together far longer than one may be
    (tmp_path / "long.json").write_text("[" + ",".join([*rows, '"' + "a" * 1_000_000 + '"']) + "]")
    found = sources.records(tmp_path / "long.json", tmp_path)
    assert [next(found).value() for _ in rows[:39_000]] == [{"prompt": "good"}] * 39_000
    with pytest.raises(sources.BadSource, match="longer than 500,000 bytes"):
        list(found)
