"""Data sets in the published format are read as dataset folders are, each fault named by its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ml import rewardbench
from ml.accuracy import category_of
from ml.data import read_dataset
from ml.errors import BadPair, BadSample
from tests.ml import cast
from tests.ml.test_recipes import QUICK, go


def line(id: str, chosen: str, rejected: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "prompt": "What is it?", "chosen": chosen, "rejected": rejected, **more}


def published(folder: Path, rows: list[dict[str, Any]], held_out: str = "") -> Path:
    picture = cast.picture(folder, "red", "circle")
    for name in ("mcq", "safety", "video/clip", "elsewhere"):
        (folder / name).mkdir(parents=True)
    for name in ("mcq/1.png", "safety/1.png", "video/clip/00002.png", "video/clip/00001.png", "elsewhere/1.png"):
        (folder / name).write_bytes((folder / picture).read_bytes())
    cast.write(folder / "dpo_pairs.jsonl", rows)
    (folder / "held_out.txt").write_text(held_out)
    return folder


def test_pairs_of_one_question_are_one_sample_and_equal_texts_one_response(tmp_path: Path) -> None:
    rows = [
        line("1", "A dog.", "A cat.", image="mcq/1.png", chosen_reason="it barks"),
        line("2", "A cat.", "A tree.", image="mcq/1.png", chosen_reason="", rejected_reason="no bark at all"),
        line("3", "A dog.", "A tree.", image="mcq/1.png"),
        line("3", "A dog.", "A tree.", image="safety/1.png", ls_factor=0.5),
        line("4", "A dog.", "A tree.", video="video/clip"),
        line("5", "A dog.", "A tree."),
        line("5", "A dog.", "x" * 200, prompt="Which?", image=["elsewhere/1.png"]),
        line("6", "A", "B", prompt="Which?\nA. dog\nB. tree", image="elsewhere/1.png"),
    ]
    dataset = read_dataset(published(tmp_path / "data", rows, "2\n"))
    samples = list(dataset.samples.values())
    assert [sample.id for sample in samples] == ["1", "3", "4", "5", "5#2", "6"]
    assert [category_of(sample) for sample in samples] == ["mcq", "safety", "video", "short", "long", "mcq"]
    first = samples[0]
    assert [(each.text, each.critique) for each in first.responses] == [
        ("A dog.", "it barks"),
        ("A cat.", ""),
        ("A tree.", "no bark at all"),
    ]
    one, two, three = (each.id for each in first.responses)
    assert [(p.chosen, p.rejected) for p in dataset.pairs["1"]] == [(one, two), (two, three), (one, three)]
    assert [sample.split for sample in samples] == ["held_out", *["train"] * 5]
    assert [medium.path.name for medium in samples[2].media] == ["00001.png", "00002.png"]


@pytest.mark.parametrize(
    ("row", "error", "words"),
    [
        (line("1", "same", "same"), BadPair, "line 1: chosen and rejected are the same text"),
        ({"id": "1", "prompt": "?", "chosen": "a"}, BadSample, "line 1: rejected must be text"),
        (line("1", "a", "b", image="mcq/2.png"), BadSample, "line 1: mcq/2.png is not in the dataset folder"),
        (line("1", "a", "b", image="../secret.png"), BadSample, "leaves the dataset folder"),
        (line("1", "a", "b", video="../.."), BadSample, "line 1: "),
        (line("1", "a", "b", video="nowhere"), BadSample, "line 1: nowhere is no folder of frames"),
        (line("1", "a", "b", image={"path": 3}), BadSample, "line 1: path must be text"),
    ],
)
def test_a_line_that_is_no_pair_is_named(
    tmp_path: Path, row: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        read_dataset(published(tmp_path / "data", [row]))


def judged(folder: Path, rows: list[dict[str, Any]], held_out: str = "") -> Path:
    published(folder, [], held_out)
    (folder / "dpo_pairs.jsonl").unlink()
    cast.write(folder / "data.jsonl", rows)
    return folder


REPLIES = [
    {"model": "m1", "text": "A cat.", "scores": {"Helpfulness": 1, "ethics": None}, "rank": 4, "reason": "it barks"},
    {"model": "m2", "text": "A dog.", "scores": {"helpfulness": 5}, "rank": 1},
    {"name": "m3", "response": "A cow.", "ranking": 4},
]


def test_published_samples_bring_every_pair_of_unlike_rank_their_scores_and_reasons(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": 7, "image": "mcq/1.png", "question": "What?", "responses": REPLIES},
        {"video": "video/clip", "prompt": "So?", "responses": {"a": "X", "b": "Y"}, "ranks": {"a": 2, "b": 1}},
        {"id": "unranked", "image": "safety/1.png", "prompt": "Who?", "responses": [*REPLIES[:2], {"text": "?"}]},
    ]
    dataset = read_dataset(judged(tmp_path / "data", rows, "7\n"))
    first, second, third = dataset.samples.values()
    assert [(each.text, each.rank, each.critique) for each in first.responses] == [
        ("A cat.", 2, "it barks"),
        ("A dog.", 1, ""),
        ("A cow.", 2, ""),
    ]
    assert [(pair.chosen, pair.rejected) for pair in dataset.pairs["7"]] == [("7-2", "7-1"), ("7-2", "7-3")]
    assert dataset.score_difference(dataset.pairs["7"][0]) == 4.0
    assert [(pair.chosen, pair.rejected) for pair in dataset.pairs[second.id]] == [("2-2", "2-1")]
    assert "unranked" not in dataset.pairs
    assert [category_of(each) for each in (first, second, third)] == ["mcq", "video", "safety"]
    assert [each.split for each in (first, second, third)] == ["held_out", "train", "train"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"responses": "A cat."}, "line 1: responses must be a list of objects, or texts by model"),
        ({"responses": [{"model": "m", "text": 3}]}, "line 1, response 1: text must be text"),
        ({"responses": [{"text": "a", "rank": "best"}]}, "line 1, response 1: rank must be a finite number"),
        ({"responses": [{"text": "a", "scores": {"x": float("nan")}}]}, "response 1: scores must be an object"),
        ({"image": "../secret.png"}, "leaves the dataset folder"),
        ({"question_type": "riddle"}, "line 1: question_type 'riddle' is none of long, mcq, short"),
        ({"prompt": None}, "line 1: question must be text"),
    ],
)
def test_a_line_that_is_no_judged_sample_is_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    row = {"id": 1, "image": "mcq/1.png", "prompt": "What?", "responses": REPLIES} | changes
    with pytest.raises(BadSample, match=words):
        read_dataset(judged(tmp_path / "data", [row]))


def test_a_policy_is_counted_by_likelihood_and_by_its_gain(
    tmp_path: Path, data: Path, base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *ignored: None)  # the command listens to SIGTERM, a test does not
    config = QUICK | {"objective": "dpo", "max_steps": 1, "sample_tokens": 2}
    policy = go("mm_dpo", tmp_path / "policy", {"dataset": data}, base=str(base), **config)
    inputs = [str(policy / "output" / "checkpoint"), str(data), str(tmp_path / "run")]
    assert rewardbench.main([*inputs, "max_new_tokens=1", "device=cpu"]) == 0
    rows = [row.split(" | ") for row in capsys.readouterr().out.splitlines()[2:]]
    ways = ["log-probability", "log-probability a token", "gain over the base"]
    assert [row[0].removeprefix("| ") for row in rows if row[1] == "overall"] == ways
    assert [row[1] for row in rows[:4]] == ["mcq", "long", "short", "video"]
