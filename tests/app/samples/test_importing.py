"""Import: good lines become samples, bad ones are named by line and field and leave nothing behind."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image, ImageOps
from sqlalchemy.orm import Session

from app.core import storage
from app.projects.tables import Project
from app.samples.finding import Plan
from app.samples.importing import Report, import_samples, try_batch
from app.samples.schemas import question_type
from app.samples.sources import LONGEST_LINE, entries_of, lines_of
from app.samples.tables import Medium, Sample
from tests import cast

REPLIES = [{"model": "demo-a", "text": "A cat."}, {"model": "demo-b", "text": "A dog."}]


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "cat.jpg").write_bytes(cast.picture())
    return tmp_path


@pytest.fixture
def project(session: Session) -> Project:
    return cast.project(session, cast.user(session, "alice"))


def line(**changes: Any) -> str:
    return json.dumps({"id": "s1", "prompt": "What is it?", "image": "cat.jpg", "responses": REPLIES, **changes})


def bring_in(session: Session, project: Project, media: Path, *lines: str | bytes) -> Report:
    return import_samples(session, project, lines, media, cast.user(session, f"importer{len(lines)}"))


def count(session: Session) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(Sample)) or 0


def test_a_line_becomes_a_sample_with_its_picture_and_responses(
    session: Session, project: Project, media: Path
) -> None:
    report = bring_in(session, project, media, line(credit="Jo, CC0"))
    sample = session.scalars(sa.select(Sample)).one()
    assert (report.added, report.faulty) == (1, 0)
    assert (sample.external_id, sample.domain, sample.question_type, sample.credit) == (
        "s1",
        "image",
        "short",
        "Jo, CC0",
    )
    assert [response.model for response in sample.responses] == ["demo-a", "demo-b"]
    assert storage.blob_path(sample.media[0].blob_sha256).exists()


def test_the_same_line_again_adds_nothing(session: Session, project: Project, media: Path) -> None:
    report = bring_in(session, project, media, line(), line())
    assert (report.added, report.already) == (1, 1)
    author = cast.user(session, "second")
    assert import_samples(session, project, [line()], media, author).already == 1
    assert count(session) == 1


BAD_LINES = {
    "no JSON": ("{not json", "line"),
    "a list": ("[1, 2]", "line"),
    "NaN": ('{"prompt": NaN}', "line"),
    "half a character": (line(prompt="\ud800"), "line"),
    "no prompt": (line(prompt=""), "prompt"),
    "NUL": (line(prompt="a\0b"), "prompt"),
    "a response without text": (line(responses=[*REPLIES, {"model": "m"}]), "responses.2.text"),
    "an unknown field": (line(imgae="cat.jpg"), "imgae"),
    "an unknown domain": (line(domain="audio"), "domain"),
    "no medium": (line(image=None), "line"),
    "a missing file": (line(image="dog.jpg"), "image"),
    "a path that leads outside": (line(image="../../etc/passwd"), "image"),
    "an absolute path": (line(image="/etc/passwd"), "image"),
    "a missing folder of frames": (line(image=None, video="frames"), "video"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_named_and_leaves_nothing(session: Session, project: Project, media: Path, name: str) -> None:
    text, field = BAD_LINES[name]
    report = bring_in(session, project, media, "", text, line(prompt="A good one"))
    assert [(fault.line, fault.field) for fault in report.faults] == [(2, field)]
    assert report.faults[0].reason
    assert (report.added, count(session)) == (1, 1)


def bomb() -> bytes:
    """A PNG of a few bytes whose head promises 60,000 × 60,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_hostile_and_damaged_pictures_are_named_with_line_and_file(
    session: Session, project: Project, media: Path
) -> None:
    (media / "cut.jpg").write_bytes(cast.picture(size=(640, 480))[:2000])
    (media / "bomb.png").write_bytes(bomb())
    (media / "script.svg").write_bytes(b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    (media / "page.jpg").write_bytes(b"<html>not a picture</html>")
    names = ["cut.jpg", "bomb.png", "script.svg", "page.jpg"]
    report = bring_in(session, project, media, *[line(image=name) for name in names])
    assert [(fault.line, fault.field) for fault in report.faults] == list(enumerate(names, 1))
    words = ["cut off", "60,000 × 60,000", "SVG", "no picture"]
    assert all(word in fault.reason for word, fault in zip(words, report.faults, strict=True))
    assert count(session) == 0
    assert session.scalar(sa.select(sa.func.count()).select_from(Medium)) == 0


def test_a_link_out_of_the_media_folder_is_not_followed(session: Session, project: Project, media: Path) -> None:
    secret = media.parent / "secret.jpg"
    secret.write_bytes(cast.picture("red"))
    (media / "link.jpg").symlink_to(secret)
    assert (
        bring_in(session, project, media, line(image="link.jpg")).faults[0].reason.endswith("outside the media folder.")
    )


def test_pictures_are_kept_upright_and_without_metadata(session: Session, project: Project, media: Path) -> None:
    image, exif = Image.new("RGB", (80, 40), "red"), Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Secret Camera"  # turned by 90 degrees
    image.save(media / "turned.jpg", exif=exif)
    bring_in(session, project, media, line(image="turned.jpg"))
    medium = session.scalars(sa.select(Medium)).one()
    kept = storage.blob_path(medium.blob_sha256).read_bytes()
    assert (medium.width, medium.height) == (40, 80)
    assert b"Secret Camera" not in kept
    assert ImageOps.exif_transpose(Image.open(io.BytesIO(kept))).size == (40, 80)


def test_a_folder_of_frames_is_a_video_in_the_order_of_its_names(
    session: Session, project: Project, media: Path
) -> None:
    (media / "clip").mkdir()
    for number, colour in enumerate(["red", "green", "blue"]):
        (media / "clip" / f"{number:03}.jpg").write_bytes(cast.picture(colour))
    bring_in(session, project, media, line(image=None, video="clip"))
    sample = session.scalars(sa.select(Sample)).one()
    assert sample.domain == "video"
    assert [(medium.kind, medium.position) for medium in sample.media] == [("frame", 0), ("frame", 1), ("frame", 2)]
    assert len({medium.blob_sha256 for medium in sample.media}) == 3


@pytest.mark.parametrize(
    ("prompt", "reference", "kind"),
    [
        ("Which?\nA. red\nB. blue", "A", "mcq"),
        ("Which? (A) red (B) blue (C) green", "x" * 500, "mcq"),
        ("Describe it.", "x" * 129, "long"),
        ("What is it?", "x" * 128, "short"),
        ("What did plan B. mean?", "Nothing", "short"),
    ],
)
def test_the_question_type_is_read_off_options_and_length(prompt: str, reference: str, kind: str) -> None:
    assert question_type(prompt, reference) == kind


def test_a_line_beyond_the_limit_is_a_fault_and_the_next_one_is_read(
    session: Session, project: Project, media: Path
) -> None:
    file = io.BytesIO(b'{"prompt": "' + b"x" * (3 * LONGEST_LINE) + b'"}\n' + line().encode())
    report = bring_in(session, project, media, *lines_of(file))
    assert [(fault.line, fault.field) for fault in report.faults] == [(1, "line")]
    assert report.added == 1


def test_a_dry_run_shows_samples_and_faults_and_adds_nothing(session: Session, project: Project, media: Path) -> None:
    report = Report()
    entries = list(entries_of([line(), "{", line(image="none.jpg")]))
    first = try_batch(session, project, entries, Plan(media, media), report)
    assert [each.id for each in first] == ["s1"]
    assert [fault.line for fault in report.faults] == [2, 3]
    assert count(session) == 0
