"""Policies answer and a reward model judges, token by token, for questions that come over a pipe."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ml import checkpoints, heads
from ml.config import Evaluate, Reward
from ml.data import read_dataset
from ml.models import load
from ml.policy import Policy
from ml.serve import Server, Shelf
from ml.spelling import Spelling

QUESTION = "What colour is the circle?"


@pytest.fixture(scope="module")
def kept(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy and a reward checkpoint of random weights."""
    folder = tmp_path_factory.mktemp("served")
    model = load(str(base), Reward(device="cpu"))
    (folder / "policy").mkdir()
    checkpoints.save(folder / "policy", model, {"kind": "policy", "recipe": "mm_dpo", "step": 0})
    (folder / "reward").mkdir()
    meta = {"kind": "reward", "recipe": "reward", "critiques": "human", "step": 0}
    checkpoints.save(folder / "reward", model, meta, heads.score_head(model, 0.0))
    return folder


def asked(kept: Path, data: Path, **more: Any) -> dict[str, Any]:
    picture = read_dataset(data).samples["s0"].media[0].path
    policy = str(kept / "policy")
    return {
        "id": 7,
        "question": QUESTION,
        "images": [str(picture)],
        "longest": 6,
        "policies": {"left": {"checkpoint": policy}, "right": {"checkpoint": policy, "base": True}},
        "reward": str(kept / "reward"),
        **more,
    }


def server(most: int = 3) -> Server:
    return Server(Shelf(Evaluate(device="cpu", max_critique_tokens=5), most))


def text(lines: list[dict[str, Any]], kind: str, side: str) -> str:
    return "".join(line["text"] for line in lines if line["kind"] == kind and line["side"] == side)


def test_a_question_over_the_pipe_is_answered_by_both_sides_in_turn_and_judged(kept: Path, data: Path) -> None:
    command = [sys.executable, "-m", "ml", "serve", "--device", "cpu", "--critique", "5"]
    lines = "not json\n" + json.dumps(asked(kept, data)) + "\n"
    answer = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stderr
    refused, *told = [json.loads(line) for line in answer.stdout.splitlines()]
    assert (refused["kind"], refused["error"]) == ("failed", "BadRequest")
    assert {line["id"] for line in told} == {7}
    assert [line["side"] for line in told if line["kind"] == "loading"] == ["left", "right", "reward"]
    sides = [line["side"] for line in told if line["kind"] == "answer"]
    assert sides[:4] == ["left", "right", "left", "right"], "one did not wait for the other"
    assert text(told, "critique", "left") and text(told, "critique", "right")
    scores = [line["score"] for line in told if line["kind"] == "judged"]
    assert len(scores) == 2 and scores[0] == scores[1], "the same weights say the same, and are scored alike"
    assert told[-1]["kind"] == "done"


def test_what_is_streamed_is_what_the_policy_responds(kept: Path, data: Path) -> None:
    lines = list(server().answer(asked(kept, data, reward=None)))
    sample = read_dataset(data).samples["s0"]
    model = checkpoints.open_model(kept / "policy", checkpoints.read_meta(kept / "policy", "policy"), Evaluate())
    (whole,) = Policy(model, Evaluate()).respond([sample.asking(QUESTION)], 6)
    assert text(lines, "answer", "left").strip() == whole
    ended = next(line for line in lines if line["kind"] == "answered")
    assert (ended["tokens"], ended["cut"]) == (6, True)


def test_models_stay_loaded_and_the_one_unused_for_longest_goes_first(kept: Path, data: Path) -> None:
    roomy, narrow = server(), server(most=1)

    def loaded(one: Server) -> list[str]:
        lines = one.answer(asked(kept, data, longest=1, reward=None))
        return [line["side"] for line in lines if line["kind"] == "loading"]

    assert (loaded(roomy), loaded(roomy)) == (["left", "right"], [])
    assert (loaded(narrow), loaded(narrow)) == (["left", "right"], ["left", "right"])


def test_a_stop_is_heard_between_two_tokens(kept: Path, data: Path) -> None:
    one = server()
    told = []
    for line in one.answer(asked(kept, data, longest=500)):
        told.append(line)
        if line["kind"] == "answer":
            one.stopped.add(7)
    assert told[-1]["kind"] == "stopped"
    assert not any(line["kind"] == "judged" for line in told)


def test_a_checkpoint_that_is_gone_is_named_and_the_next_question_is_answered(kept: Path, data: Path) -> None:
    one = server()
    gone = {"left": {"checkpoint": str(kept / "gone")}}
    *_, last = one.answer(asked(kept, data, policies=gone))
    assert (last["kind"], last["error"]) == ("failed", "BadCheckpoint")
    *_, last = one.answer(asked(kept, data, longest=1, reward=None))
    assert last["kind"] == "done"


def test_a_letter_of_several_tokens_is_given_out_whole(base: Path) -> None:
    encoder = load(str(base), Reward(device="cpu")).encoder
    spelling = Spelling(encoder)
    pieces = [spelling.add(token) for token in encoder.ids("红 circle")]
    assert "".join(pieces) == spelling.said == "红 circle"
    assert pieces[0] == "" and not any("\ufffd" in piece for piece in pieces)
