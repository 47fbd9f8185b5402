"""Downloads as others read them: by their library where it is installed, else by the rules that it documents."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy.orm import Session

from app.core import storage
from app.datasets import actions, columnar, export
from app.datasets.members import Margins
from app.datasets.tables import Dataset
from app.samples.tables import Medium, Response, Sample
from tests import cast
from tests.app.datasets.test_freezing import judged_project


@pytest.fixture
def dataset(session: Session) -> Dataset:
    """Three samples: one is a video of two frames, one asks about the word <image> itself; some pairs are held out."""
    seat = judged_project(session, samples=3, accepted=3)
    video, curious, _other = session.query(Sample).order_by(Sample.id).all()
    video.domain, video.media[0].kind = "video", "frame"
    frame = storage.put_blob(cast.picture("red"))
    video.media.append(
        Medium(position=1, kind="frame", blob_sha256=frame, media_type="image/jpeg", width=64, height=48)
    )
    curious.prompt = "What does <image> mean?"
    session.flush()
    return actions.freeze(session, seat, "Early data", held_out_share=0.4)


def unpacked(dataset: Dataset, kind: str, place: Path, margins: Margins | None = None) -> Path:
    with zipfile.ZipFile(io.BytesIO(b"".join(export.stream(dataset, kind, margins)))) as archive:
        archive.extractall(place)
    return place


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def margins_of(dataset: Dataset) -> dict[tuple[str, str, str], float]:
    pairs = lines(storage.dataset_folder(dataset.id) / "pairs.jsonl")
    return {(each["sample"], each["chosen"], each["rejected"]): 0.5 for each in pairs}


def test_datasets_opens_the_hugging_face_folder_with_its_pictures(dataset: Dataset, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    folder = unpacked(dataset, "hugging-face", tmp_path / "hf", margins_of(dataset))
    found = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in found.items()} == {
        split: dataset.counts[split]["pairs"] for split in ("train", "held_out")
    }
    rows = [row for split in found.values() for row in split]
    assert {len(row["images"]) for row in rows if row["domain"] == "video"} == {2}
    assert all(picture.mode == "RGB" for row in rows for picture in row["images"])
    assert rows[0]["chosen_scores"].keys() == rows[0]["rejected_scores"].keys() > {"helpfulness"}
    assert rows[0]["chosen_rank"] < rows[0]["rejected_rank"]
    assert {row["margin"] for row in rows} == {0.5}
    card = pytest.importorskip("huggingface_hub").DatasetCard.load(folder / "README.md")
    assert card.data.to_dict()["pretty_name"] == "Early data" and "# Early data" in card.text


def test_pandas_opens_the_tables_and_finds_the_media(dataset: Dataset, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    folder = unpacked(dataset, "parquet", tmp_path)
    table = pandas.concat([pandas.read_parquet(folder / f"{split}.parquet") for split in ("train", "held_out")])
    assert len(table) == dataset.counts["pairs"] == table["id"].nunique()
    assert all((folder / name).is_file() for names in table["media"] for name in names)
    assert (table["votes_for"] > table["votes_against"]).all() and table["margin"].isna().all()


def test_trl_takes_the_lines_as_conversations_about_pictures(dataset: Dataset, tmp_path: Path) -> None:
    datasets, trl = pytest.importorskip("datasets"), pytest.importorskip("trl.data_utils")
    folder = unpacked(dataset, "trl", tmp_path / "trl", margins_of(dataset))
    files = {split: str(folder / f"{split}.jsonl") for split in ("train", "held_out")}
    found = datasets.load_dataset("json", data_files=files, cache_dir=str(tmp_path / "cache"))
    for row in [row for split in found.values() for row in split]:
        assert trl.is_conversational(row) and row["margin"] == 0.5
        images = [Image.open(folder / name) for name in row["images"]]
        (asked,) = trl.prepare_multimodal_messages(row["prompt"], images)
        assert [part["image"] for part in asked["content"] if part["type"] == "image"] == images


def test_llama_factory_finds_its_data_sets_and_a_placeholder_for_each_medium(dataset: Dataset, tmp_path: Path) -> None:
    folder = unpacked(dataset, "llama-factory", tmp_path)
    info = json.loads((folder / "dataset_info.json").read_text())
    assert set(info) == {"Early-data-v1-train", "Early-data-v1-held_out"}
    rows = []
    for each in info.values():
        assert (each["formatting"], each["ranking"]) == ("sharegpt", True)
        rows += lines(folder / each["file_name"])
        assert set(each["columns"].values()) == set(rows[-1])
    assert len(rows) == dataset.counts["pairs"]
    for row in rows:
        (asked,) = row["conversations"]
        assert (asked["from"], row["chosen"]["from"], row["rejected"]["from"]) == ("human", "gpt", "gpt")
        assert_marked(asked["value"], row, folder)


def test_ms_swift_finds_messages_a_rejected_response_and_margins(dataset: Dataset, tmp_path: Path) -> None:
    folder = unpacked(dataset, "ms-swift", tmp_path, margins_of(dataset))
    rows = lines(folder / "train.jsonl") + lines(folder / "held_out.jsonl")
    assert len(rows) == dataset.counts["pairs"]
    for row in rows:
        asked, said = row["messages"]
        assert (asked["role"], said["role"]) == ("user", "assistant")
        assert row["rejected_response"] != said["content"] and row["margin"] == 0.5
        assert_marked(asked["content"], row, folder)


def assert_marked(text: str, row: dict[str, Any], folder: Path) -> None:
    """As many placeholders as media, whatever the question says; every medium is there."""
    assert text.count("<image>") == len(row["images"])
    assert text.count("<video>") == len(row["videos"])
    frames = [name for video in row["videos"] for name in video]
    assert len(frames) in (0, 2) and all((folder / name).is_file() for name in [*row["images"], *frames])
    assert "What does < image> mean?" in text or "mean?" not in text


def test_every_format_has_the_same_bytes_again_and_leaves_out_a_split_without_pairs(session: Session) -> None:
    seat = judged_project(session, samples=2)
    session.query(Response).order_by(Response.id).all()[0].text = "so < and <video>"
    dataset = actions.freeze(session, seat, "data", held_out_share=0)
    for kind in export.FORMATS:
        first = b"".join(export.stream(dataset, kind))
        assert first == b"".join(export.stream(dataset, kind))
        names = zipfile.ZipFile(io.BytesIO(first)).namelist()
        assert not any("held_out" in name and not name.endswith(".txt") for name in names)


def test_a_picture_of_several_pairs_lies_in_a_table_once(dataset: Dataset) -> None:
    picture = bytes(range(256)) * 4000
    schema = columnar._schema(dataset, ("images", columnar.IMAGES))
    rows = [{"id": str(each), "images": [{"bytes": picture, "path": "p"}]} for each in range(6)]
    assert len(b"".join(columnar.written(schema, rows))) < 2 * len(picture)
