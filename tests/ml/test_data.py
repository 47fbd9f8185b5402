"""Datasets made by hand or by machine: each fault is named with file and line."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ml import pictures
from ml.data import Medium, need_pairs, read_critiques, read_dataset, read_margins
from ml.errors import BadImage, BadPair, BadSample, MissingInput, NoPairs
from tests.ml import cast


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return cast.dataset(tmp_path / "data")


def rewrite(path: Path, line: int, **changes: Any) -> None:
    rows = [json.loads(each) for each in path.read_text().splitlines()]
    rows[line - 1] |= changes
    cast.write(path, rows)


def test_a_dataset_is_read_with_its_pairs_and_splits(folder: Path) -> None:
    dataset = read_dataset(folder)
    assert [len(dataset.of(split)) for split in ("train", "held_out", "all")] == [6, 2, 8]
    assert len(dataset.pairs["s0"]) == 5
    sample = dataset.samples["s0"]
    assert dataset.ties(sample) == [("r0-2", "r0-3")]
    assert [dataset.rank_distance(pair) for pair in dataset.pairs["s0"]] == [1, 2, 2, 1, 1]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"split": "test"}, "split 'test'"),
        ({"prompt": None}, "prompt must be text"),
        ({"prompt": "\ud800"}, "surrogate"),
        ({"responses": "none"}, "responses must be a list"),
        ({"media": [{"kind": "image", "path": "../secret.png"}]}, "leaves the dataset folder"),
        ({"media": [{"kind": "image", "path": "/etc/passwd"}]}, "leaves the dataset folder"),
        ({"media": [{"kind": "image", "path": "media/absent.png"}]}, "is not in the dataset folder"),
        ({"responses": [{"id": "a", "text": "x", "rank": 0}]}, "rank"),
        ({"responses": [{"id": "a", "text": "x", "rank": True}]}, "rank"),
        ({"responses": [{"id": "a", "text": "x"}, {"id": "a", "text": "y"}]}, "two responses have one id"),
        ({"id": "s0"}, "earlier line"),
    ],
)
def test_a_bad_sample_is_named_by_its_line(folder: Path, changes: dict[str, Any], word: str) -> None:
    rewrite(folder / "samples.jsonl", 4, **changes)
    with pytest.raises(BadSample, match=r"samples.jsonl line 4") as refused:
        read_dataset(folder)
    assert word in str(refused.value)


@pytest.mark.parametrize("line", [b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"id": 1}'])
def test_a_line_that_is_no_sample_is_named(folder: Path, line: bytes) -> None:
    with (folder / "samples.jsonl").open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(BadSample, match=r"samples.jsonl line 9"):
        read_dataset(folder)


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"sample": "s99"}, "no sample"), ({"chosen": "r1-0"}, "no response"), ({"rejected": "r0-0"}, "itself")],
)
def test_a_bad_pair_is_named_by_its_line(folder: Path, changes: dict[str, Any], word: str) -> None:
    rewrite(folder / "pairs.jsonl", 1, **changes)
    with pytest.raises(BadPair, match=r"pairs.jsonl line 1: .*" + word):
        read_dataset(folder)


def test_a_dataset_without_pairs_is_refused(folder: Path) -> None:
    (folder / "pairs.jsonl").write_text("")
    with pytest.raises(NoPairs, match="train"):
        need_pairs(read_dataset(folder), "train")


def test_a_folder_without_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"samples.jsonl"):
        read_dataset(tmp_path)


def test_a_margin_that_is_no_number_is_refused(tmp_path: Path) -> None:
    row = {"sample": "s0", "chosen": "r0-0", "rejected": "r0-1", "margin": float("nan")}
    (tmp_path / "margins.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(BadPair, match=r"margins.jsonl line 1"):
        read_margins(tmp_path / "margins.jsonl")


def test_critiques_of_other_datasets_are_left_out_and_of_other_responses_refused(folder: Path, tmp_path: Path) -> None:
    dataset, path = read_dataset(folder), tmp_path / "critiques.jsonl"
    cast.write(
        path, [{"sample": "elsewhere", "response": "r", "text": "x"}, {"sample": "s0", "response": "r0-0", "text": "y"}]
    )
    assert read_critiques(path, dataset) == {("s0", "r0-0"): "y"}
    cast.write(path, [{"sample": "s0", "response": "r9-0", "text": "y"}])
    with pytest.raises(BadSample, match=r"critiques.jsonl line 1"):
        read_critiques(path, dataset)


def test_a_truncated_picture_is_refused_by_name(tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(whole, "JPEG")
    (tmp_path / "x.jpg").write_bytes(whole.getvalue()[:600])
    with pytest.raises(BadImage, match=r"x\.jpg"):
        pictures.load(tmp_path / "x.jpg", 10_000)


def test_an_absurdly_large_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + b"\x00" * 64)
    with pytest.raises(BadImage, match=r"bomb\.png"):
        pictures.load(tmp_path / "bomb.png", 10_000)


def test_a_picture_that_is_a_line_is_refused_by_name_before_a_model_is_loaded(tmp_path: Path) -> None:
    Image.new("L", (5000, 25)).save(tmp_path / "line.png")
    with pytest.raises(BadImage, match=r"line\.png is 5000 × 25 pixels"):
        pictures.load(tmp_path / "line.png", 10_000)
    Image.new("L", (4999, 25)).save(tmp_path / "strip.png")
    pictures.load(tmp_path / "strip.png", 10_000)


@pytest.mark.parametrize("content", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(BadImage, match=r"x\.png"):
        pictures.load(tmp_path / "x.png", 10_000)


def test_a_large_picture_is_shrunk_to_the_pixels_allowed_and_keeps_its_shape(tmp_path: Path) -> None:
    Image.new("RGB", (400, 100)).save(tmp_path / "x.png")
    found = pictures.load(tmp_path / "x.png", 10_000)
    assert found.size == (200, 50)


def test_a_video_is_seen_evenly_from_its_first_frame_to_its_last() -> None:
    frames = [Medium("frame", Path(str(number))) for number in range(10)]
    assert [each.path.name for each in pictures.evenly(frames, 4)] == ["0", "3", "6", "9"]
    assert pictures.evenly(frames, 1) == frames[:1]
    assert pictures.evenly(frames[:3], 8) == frames[:3]
