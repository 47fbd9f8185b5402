"""Downloads: the published keys and TRL's, with their media, whoever asks."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.core import storage
from app.datasets import actions, export
from app.datasets.members import Margins
from app.datasets.refusals import BadFormat
from app.datasets.tables import Dataset
from app.samples.tables import Medium, Sample
from tests import cast
from tests.app.datasets.test_freezing import judged_project

PUBLISHED = {"id", "image", "prompt", "chosen", "rejected", "chosen_reason", "rejected_reason"}


def opened(dataset: Dataset, kind: str, margins: Margins | None = None) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(export.stream(dataset, kind, margins))))
    assert archive.testzip() is None
    return archive


def rows(archive: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in archive.read(name).splitlines()]


def test_dpo_pairs_has_the_published_keys_and_its_media(session: Session) -> None:
    dataset = actions.freeze(session, judged_project(session, samples=3, accepted=3), "Early data")
    archive = opened(dataset, "mm-rlhf")
    lines = rows(archive, "dpo_pairs.jsonl")
    assert len(lines) == dataset.counts["pairs"] == 18
    assert all(set(line) == PUBLISHED for line in lines)
    assert lines[0]["image"].startswith("short/")
    assert lines[0]["chosen_reason"].startswith("Because of")
    assert {line["image"] for line in lines} == {name for name in archive.namelist() if "/" in name}
    assert archive.read(lines[0]["image"]) == cast.picture(size=(32, 32))


def test_a_scored_pair_carries_its_margin(session: Session) -> None:
    dataset = actions.freeze(session, judged_project(session, samples=1), "data")
    pair = json.loads((storage.dataset_folder(dataset.id) / "pairs.jsonl").read_text().splitlines()[0])
    margins = {(pair["sample"], pair["chosen"], pair["rejected"]): -0.25}
    first, *others = rows(opened(dataset, "mm-rlhf", margins), "dpo_pairs.jsonl")
    assert first["ls_factor"] == -0.25
    assert not any("ls_factor" in line for line in others)
    assert rows(opened(dataset, "trl", margins), "train.jsonl")[0]["margin"] == -0.25


def test_held_out_pairs_are_named(session: Session) -> None:
    dataset = actions.freeze(session, judged_project(session), "data", held_out_share=0.3)
    archive = opened(dataset, "mm-rlhf")
    named = archive.read("held_out.txt").decode().split()
    assert len(named) == dataset.counts["held_out"]["pairs"] > 0
    assert set(named) < {line["id"] for line in rows(archive, "dpo_pairs.jsonl")}


def test_a_video_is_a_folder_of_frames_and_safety_a_folder_of_its_own(session: Session) -> None:
    seat = judged_project(session, samples=2)
    video, unsafe = session.query(Sample).order_by(Sample.id).all()
    frame = storage.put_blob(cast.picture("red"))
    video.domain, unsafe.domain = "video", "safety"
    video.media[0].kind = "frame"
    video.media.append(
        Medium(position=1, kind="frame", blob_sha256=frame, media_type="image/jpeg", width=64, height=48)
    )
    session.flush()
    dataset = actions.freeze(session, seat, "data")
    archive = opened(dataset, "mm-rlhf")
    lines = rows(archive, "dpo_pairs.jsonl")
    assert {line["video"] for line in lines if "video" in line} == {f"video/s{video.id}"}
    assert archive.read(f"video/s{video.id}/00002.jpg") == cast.picture("red")
    assert all(line["image"].startswith("safety/") for line in lines if "image" in line)


def test_trl_reads_messages_with_an_image_for_each_picture(session: Session) -> None:
    dataset = actions.freeze(session, judged_project(session), "data")
    archive = opened(dataset, "trl")
    lines = [
        line
        for split in ("train", "held_out")
        if f"{split}.jsonl" in archive.namelist()
        for line in rows(archive, f"{split}.jsonl")
    ]
    assert len(lines) == dataset.counts["pairs"]
    (asked,) = lines[0]["prompt"]
    assert [part["type"] for part in asked["content"]] == ["image", "text"]
    assert lines[0]["images"][0] in archive.namelist()
    assert lines[0]["chosen"][0]["role"] == "assistant"


def test_the_whole_folder_can_be_unpacked_and_its_sums_hold(session: Session, tmp_path: Path) -> None:
    dataset = actions.freeze(session, judged_project(session, samples=2), "data")
    assert export.write_zip(dataset, "folder", tmp_path / "out" / "data.zip") == 12
    with zipfile.ZipFile(tmp_path / "out" / "data.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    for line in (tmp_path / "unpacked" / "SHA256SUMS").read_text().splitlines():
        sha256, name = line.split("  ")
        assert storage.sha256_of(tmp_path / "unpacked" / name) == sha256


def test_an_unknown_format_is_refused_before_a_file_is_made(session: Session, tmp_path: Path) -> None:
    dataset = actions.freeze(session, judged_project(session, samples=1), "data")
    with pytest.raises(BadFormat, match="mm-rlhf, trl, llama-factory, ms-swift, parquet, hugging-face, folder"):
        export.write_zip(dataset, "csv", tmp_path / "data.zip")
    assert list(tmp_path.glob("*data.zip*")) == []
