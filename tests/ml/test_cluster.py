"""Pictures that look alike come together; near-duplicates are listed; a stopped run goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel

from ml import grouping
from ml.__main__ import perform
from ml.errors import NoEncoder, NoPictures, Stopped
from ml.folder import RunFolder, read_lines
from ml.recipes import cluster
from tests.ml.cast import picture
from tests.ml.test_parallel import torchrun

COLOURS = ("red", "green", "blue", "yellow", "black", "purple")
CONFIG = {"recipe": "cluster", "clusters": 2, "layout": "pca", "batch": 4, "device": "cpu", "near_duplicate": 0.999}


def lay(place: Path, **more: Any) -> RunFolder:
    """Six circles and six squares; s12 is a copy of s0 in another format, s13 asks about s0's own picture."""
    inputs = place / "inputs"
    names = [picture(inputs, colour, shape) for shape in ("circle", "square") for colour in COLOURS]
    Image.open(inputs / names[0]).save(inputs / "media" / "copy.bmp")
    (inputs / "media" / "broken.png").write_bytes(b"no picture")
    names += ["media/copy.bmp", names[0], "media/broken.png"]
    rows = [{"id": f"s{n}", "media": [{"kind": "image", "path": name}]} for n, name in enumerate(names)]
    rows.append({"id": "s15", "media": [{"kind": "video", "path": "media/film.mp4"}]})
    (inputs / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place / "config.json").write_text(json.dumps(CONFIG | more))
    return RunFolder(place)


def placed(folder: RunFolder) -> dict[str, dict[str, Any]]:
    return {row["sample"]: row for row in read_lines(folder.output / "samples.jsonl")}


def test_every_readable_sample_gets_a_cluster_and_a_place_and_copies_are_listed(tmp_path: Path) -> None:
    folder = lay(tmp_path)
    perform("cluster", folder)
    found = placed(folder)
    assert set(found) == {f"s{n}" for n in range(14)}
    assert all(-1 <= row["x"] <= 1 and -1 <= row["y"] <= 1 and row["cluster"] in (1, 2) for row in found.values())
    assert found["s13"] == found["s0"] | {"sample": "s13"}
    (copy,) = read_lines(folder.output / "duplicates.jsonl")
    assert (copy["samples"], copy["of"]) == (["s12"], ["s0", "s13"]) and copy["cosine"] >= 0.999
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["samples"], result["pictures"], result["unreadable"], result["near_duplicates"]) == (14, 13, 1, 1)
    lines = list(read_lines(tmp_path / "metrics.jsonl"))
    assert {"inertia", "vectors_per_second"} <= {n for each in lines for n in each.get("values", {})}
    notes = [each["text"] for each in lines if each["kind"] == "note"]
    assert any("broken.png" in note for note in notes) and any("neither picture nor frame" in note for note in notes)


def test_a_stopped_run_encodes_only_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, read = lay(tmp_path), []
    load = cluster.picture

    def watched(path: str, max_pixels: int) -> Any:
        read.append(path)
        folder.stopping = len(read) >= 8
        return load(path, max_pixels)

    monkeypatch.setattr(cluster, "picture", watched)
    with pytest.raises(Stopped):
        perform("cluster", folder)
    before = len(read)
    again = RunFolder(tmp_path)
    monkeypatch.setattr(cluster, "picture", lambda path, most: (read.append(path), load(path, most))[1])
    perform("cluster", again)
    assert 0 < before < 14 and len(read) == len(set(read)) == 14
    assert len(placed(again)) == 14


def test_two_processes_share_the_pictures_out_and_find_the_same(tmp_path: Path) -> None:
    alone, shared = lay(tmp_path / "alone"), lay(tmp_path / "shared")
    perform("cluster", alone)
    torchrun("-m", "ml", "cluster", str(shared.path))
    assert placed(shared) == placed(alone)
    for name in ("duplicates.jsonl", "clusters.json"):
        assert (shared.output / name).read_text() == (alone.output / name).read_text()
    notes = [each["text"] for each in read_lines(shared.path / "metrics.jsonl") if each["kind"] == "note"]
    assert sum("broken.png" in note for note in notes) == 1, "whichever process read it"


def test_a_clip_of_ones_own_is_an_encoder_too(tmp_path: Path) -> None:
    text = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    seen = text | {"image_size": 32, "patch_size": 16}
    words = text | {"vocab_size": 8, "eos_token_id": 7}
    torch.manual_seed(0)
    clip = CLIPModel(CLIPConfig(text_config=words, vision_config=seen, projection_dim=12))
    clip.save_pretrained(tmp_path / "clip")
    (tmp_path / "clip" / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.5, 0.5]}')
    folder = lay(tmp_path / "run", base=str(tmp_path / "clip"))
    perform("cluster", folder)
    assert np.load(folder.path / "vectors" / "vectors.npy").shape == (14, 12)
    assert len(placed(folder)) == 14


def test_groups_that_stand_apart_are_found_whole_and_a_copy_across_a_border_is_seen() -> None:
    random = np.random.default_rng(3)
    middles = np.eye(4, 16, dtype=np.float32)
    truth = random.integers(0, 4, 400)
    vectors = middles[truth] + random.normal(0, 0.03, (400, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    border = (middles[0] + middles[1]) / np.sqrt(2)
    tilt = 1e-3 * (middles[0] - middles[1])
    vectors[10], vectors[20] = (each / np.linalg.norm(each) for each in (border + tilt, border - tilt))
    rows = np.arange(400)
    centres = grouping.learn(vectors, rows, 4, 20, 1024, 0)
    parted = grouping.part(vectors, rows, centres)
    clear = np.setdiff1d(rows, [10, 20])
    assert all(len(set(parted.first[clear][truth[clear] == group])) == 1 for group in range(4))
    assert centres.inertia[-1] <= centres.inertia[0]
    cosines = np.tril(vectors @ vectors.T, -1)
    found = grouping.near_duplicates(vectors, rows, parted, 0.9999)
    assert found[20][0] == 10 and set(found) == set(np.flatnonzero((cosines >= 0.9999).any(axis=1)))


def test_what_cannot_be_done_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NoEncoder, match="cannot be loaded"):
        perform("cluster", lay(tmp_path / "a", base=str(tmp_path / "nothing")))
    folder = lay(tmp_path / "b")
    (folder.path / "inputs" / "samples.jsonl").write_text('{"id": "s1", "media": []}\n')
    with pytest.raises(NoPictures):
        perform("cluster", folder)
