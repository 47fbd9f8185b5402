"""Critiques written by a server of the reward model's weights, and scored here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml import heads
from ml.checkpoints import save
from ml.config import Score
from ml.critic_server import CriticServer
from ml.encoding import JUDGE
from ml.endpoint import Endpoint
from ml.errors import BadEndpoint, NoCritic
from ml.folder import RunFolder
from ml.models import VisionLanguage
from ml.recipes import score
from tests.ml import cast
from tests.ml.test_expand import Expander, said


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Expander]:
    found = Expander()
    threading.Thread(target=found.server.serve_forever, daemon=True).start()
    monkeypatch.setenv("CRITIC_BASE_URL", found.url)
    monkeypatch.setenv("CRITIC_MODEL", "our-critic")
    monkeypatch.setattr(Endpoint, "_pause", lambda self, trial, asked: 0.0)
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def judge(model: VisionLanguage, tmp_path: Path) -> Path:
    """A reward checkpoint of random weights."""
    folder = tmp_path / "judge"
    folder.mkdir()
    meta = {"kind": "reward", "recipe": "reward", "critiques": "human", "step": 0}
    save(folder, model, meta, heads.score_head(model, 0.0))
    return folder


def go(folder: Path, data: Path, judge: Path, **config: Any) -> Path:
    cast.run_folder(folder, "score", {"dataset": data, "reward": judge}, writer="server", split="held_out", **config)
    return again(folder)


def again(folder: Path) -> Path:
    score.run(RunFolder(folder), RunFolder(folder).config("score"))  # type: ignore[arg-type]
    return folder


def test_a_server_writes_every_critique_and_the_model_scores_with_it(
    tmp_path: Path, data: Path, judge: Path, server: Expander
) -> None:
    folder = go(tmp_path / "run", data, judge, batch_tokens=2000, max_critique_tokens=30)
    rows = cast.lines(folder / "output" / "rewards.jsonl")
    assert len(rows) == len(server.requests) == 8
    assert {row["critique"] for row in rows} == {"A fuller critique."}
    assert server.requests[0]["max_tokens"] == 30 and server.requests[0]["temperature"] == 0.0


def test_the_server_is_told_the_conversation_that_the_model_learnt(
    tmp_path: Path, data: Path, judge: Path, server: Expander
) -> None:
    go(tmp_path / "run", data, judge, concurrency=1)
    question, response, asked = server.requests[0]["messages"]
    assert [part["type"] for part in question["content"]] == ["image_url", "text"]
    assert question["content"][1]["text"] == "What colour is the square?"
    assert response == {"role": "assistant", "content": "The square in the picture is blue."}
    assert asked == {"role": "user", "content": JUDGE}


def test_critiques_that_came_before_a_fault_are_not_asked_again(
    tmp_path: Path, data: Path, judge: Path, server: Expander
) -> None:
    server.answer = lambda number, body: (200, said("ok")) if number < 5 else (400, b"enough")
    with pytest.raises(BadEndpoint):
        go(tmp_path / "run", data, judge, concurrency=1)
    server.answer = lambda number, body: (200, said("ok"))
    again(tmp_path / "run")
    assert len(server.requests) == 6 + 3
    assert len(cast.lines(tmp_path / "run" / "output" / "rewards.jsonl")) == 8


def test_without_an_address_the_run_says_what_to_set(model: VisionLanguage) -> None:
    with pytest.raises(NoCritic, match="set CRITIC_BASE_URL and CRITIC_MODEL"):
        CriticServer.from_environment(Score(), model.encoder, {"CRITIC_BASE_URL": "http://here/v1"})
