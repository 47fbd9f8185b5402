"""Finding: the files that a line names, also as other platforms and other machines write them down."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from app.samples.finding import MOST_FRAMES, Plan, files_of
from app.samples.schemas import SampleLine
from app.samples.sources import BadLine, find_source
from tests import cast
from tests.app.samples.test_shapes_and_sources import save


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "media").mkdir()
    return Plan(tmp_path / "media", tmp_path / "aside")


def found(plan: Plan, **fields: object) -> list[Path]:
    return files_of(SampleLine.model_validate({"prompt": "What?", **fields}), plan)


def test_a_picture_within_an_address_is_put_aside(plan: Plan) -> None:
    text = base64.b64encode(cast.picture()).decode()
    (path,) = found(plan, image=f"data:image/jpeg;base64,{text}")
    assert path.parent == plan.aside
    assert path.read_bytes() == cast.picture()
    for broken in (f"data:image/jpeg;base64,{text[:-3]}", "data:image/svg+xml,<svg/>", "data:"):
        with pytest.raises(BadLine, match="data: address"):
            found(plan, image=broken)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a" * 300 + ".jpg", "no file “a{80}”"),
        ("https://example.org/cat.jpg", "Nothing is fetched"),
        ("../cat.jpg", "outside"),
        ("/etc/passwd", "outside"),
        ("sub/../../cat.jpg", "outside"),
        (".", "no file"),
        ("..", "outside"),
        ("embedded:../media/cat.jpg", "outside"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_by_the_reason(plan: Plan, name: str, words: str) -> None:
    (plan.media / "cat.jpg").write_bytes(cast.picture())
    with pytest.raises(BadLine, match=words):
        found(plan, image=name)


def test_a_link_is_followed_within_the_media_and_not_beyond(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (plan.media / "real").mkdir()
    (plan.media / "real" / "cat.jpg").write_bytes(cast.picture())
    (plan.media / "also").symlink_to("real")
    (plan.media / "out").symlink_to(tmp_path)
    (plan.media / "leak.jpg").symlink_to(tmp_path / "secret.jpg")
    assert found(plan, image="also/cat.jpg") == [plan.media / "real" / "cat.jpg"]
    for name in ("out/secret.jpg", "leak.jpg"):
        with pytest.raises(BadLine, match="outside"):
            found(plan, image=name)


def test_many_frames_are_thinned_out_evenly_however_they_are_named(plan: Plan) -> None:
    names = [f"clip/{number:03}.jpg" for number in range(150)]
    (plan.media / "clip").mkdir()
    for name in names:
        (plan.media / name).touch()
    (plan.media / "clip" / "._000.jpg").touch()
    listed = found(plan, video=names)
    assert listed == found(plan, video="clip")
    assert len(listed) <= MOST_FRAMES
    assert [path.name for path in (listed[0], listed[1], listed[-1])] == ["000.jpg", "003.jpg", "147.jpg"]


def test_splits_are_found_within_the_folder_that_was_packed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "dataset_dict.json").write_text('{"splits": ["test", "train"]}')
    for split in ("test", "train"):
        save(tmp_path / "mine" / split, [{"prompt": split}], 1)
    assert find_source(tmp_path) == tmp_path / "mine"


def test_what_a_mac_adds_to_an_archive_is_no_file_of_records(tmp_path: Path) -> None:
    for name in ("mine/lines.jsonl", "__MACOSX/mine/._lines.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert find_source(tmp_path) == tmp_path / "mine" / "lines.jsonl"
