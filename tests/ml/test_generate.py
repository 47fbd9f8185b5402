"""Models respond to samples: real requests to a server of the protocol, its failures, and a local model."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ml import chat
from ml.__main__ import perform
from ml.config import ConfigError
from ml.errors import NoModels, Stopped
from ml.folder import RunFolder
from ml.rates import Pace
from ml.recipes import generate
from tests.ml import cast
from tests.ml.talker import Answer, Talker, said, streamed, talking, words_of


@pytest.fixture
def talker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Talker]:
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    with talking() as found:
        yield found


def lay(folder: Path, known: list[dict[str, Any]], samples: int = 3, **config: Any) -> RunFolder:
    cast.run_folder(folder, "generate", {}, **config)
    rows = [
        {"id": f"s{n}", "prompt": f"What is number {n}?", "domain": "image", "media": [medium(folder, n)]}
        for n in range(samples)
    ]
    cast.write(folder / "inputs" / "samples.jsonl", rows)
    (folder / "inputs" / "models.json").write_text(json.dumps(known))
    return RunFolder(folder)


def medium(folder: Path, number: int) -> dict[str, str]:
    return {"kind": "image", "path": cast.picture(folder / "inputs", cast.COLOURS[number % 4], "circle", 64)}


def responses(folder: RunFolder) -> list[dict[str, Any]]:
    return cast.lines(folder.path / "responses.jsonl")


def result(folder: RunFolder) -> dict[str, Any]:
    return dict(json.loads((folder.path / "result.json").read_text()))


def one(talker: Talker, name: str = "a", **more: Any) -> dict[str, Any]:
    return {"name": name, "url": talker.url, "model": f"{name}-1", **more}


def test_every_model_answers_every_sample_with_its_picture_and_each_answer_keeps_prompt_settings_tokens_and_cost(
    tmp_path: Path, talker: Talker
) -> None:
    models = [one(talker, price_in=2.0, price_out=10.0), one(talker, "b")]
    settings: dict[str, Any] = {"temperature": 0.3, "seed": 7, "system_prompt": "Be kind.", "instruction": "Look:"}
    folder = lay(tmp_path / "run", models, **settings)
    perform("generate", folder)
    rows = responses(folder)
    assert Counter(row["model"] for row in rows) == {"a": 3, "b": 3}
    body = next(each for each in talker.bodies if each["model"] == "a-1")
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0.3, 7, 1024)
    assert body["messages"][0] == {"role": "system", "content": "Be kind."}
    picture = body["messages"][1]["content"][0]["image_url"]["url"].removeprefix("data:image/jpeg;base64,")
    assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (64, 64)
    row = next(each for each in rows if (each["model"], each["sample"]) == ("a", "s1"))
    assert (row["state"], row["text"], row["prompt"]) == ("ok", "a-1 says so.", "Look:\n\nWhat is number 1?")
    assert (row["tokens_in"], row["tokens_out"], row["cost"]) == (100, 10, pytest.approx(0.0003))
    kept = {"model": "a-1", "temperature": 0.3, "seed": 7, "system": "Be kind.", "max_tokens": 1024}
    assert kept.items() <= row["settings"].items()
    told = result(folder)
    assert (told["responses"], told["tokens_in"], told["cost"]) == (6, 600, pytest.approx(0.0009))
    assert next(each for each in rows if each["model"] == "b")["cost"] is None


def test_a_video_goes_as_evenly_spaced_frames_and_no_price_is_no_cost(tmp_path: Path, talker: Talker) -> None:
    folder = lay(tmp_path / "run", [one(talker)], 1, max_frames=3)
    frames = [cast.picture(folder.path / "inputs", "red", "circle", 64 + 8 * each) for each in range(5)]
    media = [{"kind": "video", "path": "film.mp4"}, *({"kind": "frame", "path": path} for path in frames)]
    cast.write(folder.path / "inputs" / "samples.jsonl", [{"id": "s0", "prompt": "What moves?", "media": media}])
    perform("generate", folder)
    sent = [part["image_url"]["url"] for part in talker.bodies[0]["messages"][0]["content"][:-1]]
    sizes = [Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))).width for url in sent]
    assert sizes == [64, 80, 96]
    assert result(folder)["cost"] is None


def test_a_busy_endpoint_a_fault_wrong_json_and_a_cut_answer_are_tried_again(tmp_path: Path, talker: Talker) -> None:
    faults = [
        Answer(429, b"slow down", {"Retry-After": "0"}),
        Answer(500, b"oops"),
        Answer(content=b"<html>not the protocol"),
        Answer(content=b'{"choices": []}'),
        Answer(content=said("cut").content, cut=True),
        said(""),
    ]
    talker.answer = lambda body, number: faults[number] if number < len(faults) else said("At last.")
    folder = lay(tmp_path / "run", [one(talker, concurrency=1)], 1, retries=6)
    perform("generate", folder)
    assert [(row["text"], row["state"], row["tries"]) for row in responses(folder)] == [("At last.", "ok", 7)]


def test_a_streamed_answer_is_put_together_and_a_cut_stream_is_tried_again(tmp_path: Path, talker: Talker) -> None:
    words = ["The ", "circle ", "is red."]
    talker.answer = lambda body, number: streamed(words, whole=number > 0)
    folder = lay(tmp_path / "run", [one(talker)], 1, stream=True)
    perform("generate", folder)
    (row,) = responses(folder)
    assert (row["text"], row["tries"], row["tokens_in"], row["tokens_out"]) == ("The circle is red.", 2, 7, 3)
    assert talker.bodies[0]["stream"] is True


def test_a_question_that_fails_to_the_last_is_marked_and_asked_again_when_the_run_goes_on(
    tmp_path: Path, talker: Talker
) -> None:
    talker.answer = lambda body, number: Answer(503, b"down") if "number 1" in words_of(body) else said("Yes.")
    folder = lay(tmp_path / "run", [one(talker)], retries=1)
    perform("generate", folder)
    states = {row["sample"]: row["state"] for row in responses(folder)}
    assert states == {"s0": "ok", "s1": "failed", "s2": "ok"}
    assert "503" in next(row["fault"] for row in responses(folder) if row["sample"] == "s1")
    assert result(folder)["failed"] == 1
    asked = len(talker.bodies)
    talker.answer = lambda body, number: said("Now.")
    perform("generate", folder)
    assert len(talker.bodies) == asked + 1 and "number 1" in talker.question(asked)
    assert (result(folder)["responses"], result(folder)["failed"]) == (3, 0)


def test_a_stopped_run_goes_on_without_asking_twice_and_half_a_line_is_no_answer(
    tmp_path: Path, talker: Talker
) -> None:
    folder = lay(tmp_path / "run", [one(talker, concurrency=1)], 4)

    def answer(body: dict[str, Any], number: int) -> Answer:
        folder.stopping = folder.stopping or number == 1
        return said("Yes.")

    talker.answer = answer
    with pytest.raises(Stopped):
        generate.run(folder, folder.config("generate"))  # type: ignore[arg-type]
    kept = {row["sample"] for row in responses(folder)}
    assert kept == {"s0", "s1"}
    with (folder.path / "responses.jsonl").open("a") as file:
        file.write('{"sample": "s3", "mod')
    talker.answer, before = (lambda body, number: said("Yes.")), len(talker.bodies)
    perform("generate", RunFolder(folder.path))
    assert len(talker.bodies) - before == 4 - len(kept)
    lines = (folder.path / "responses.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["sample"] for line in lines if line.endswith("}")) == ["s0", "s1", "s2", "s3"]


@pytest.mark.parametrize(
    "answer",
    [
        said("I'm sorry, but I can't help with that."),
        said("很抱歉，我无法回答这个问题。"),
        said(None, refusal="I will not."),
        said("", "content_filter"),
        Answer(400, b'{"error": {"code": "content_filter"}}'),
    ],
)
def test_refusals_are_marked_and_not_asked_again(tmp_path: Path, talker: Talker, answer: Answer) -> None:
    talker.answer = lambda body, number: answer if "number 0" in words_of(body) else said("A red circle.")
    folder = lay(tmp_path / "run", [one(talker)], 2)
    for _ in range(2):
        perform("generate", folder)
    assert {row["sample"]: row["state"] for row in responses(folder)} == {"s0": "refused", "s1": "ok"}
    assert len(talker.bodies) == 2


def test_samples_that_have_responses_enough_and_models_that_answered_are_left_alone(
    tmp_path: Path, talker: Talker
) -> None:
    folder = lay(tmp_path / "run", [one(talker), one(talker, "b"), one(talker, "c")], wanted=2)
    rows = cast.lines(folder.input("samples.jsonl"))
    rows[0]["have"], rows[1]["have"] = ["x", "y"], ["a"]
    cast.write(folder.path / "inputs" / "samples.jsonl", rows)
    perform("generate", folder)
    found = {(row["sample"], row["model"]) for row in responses(folder)}
    assert found == {("s1", "b"), ("s2", "a"), ("s2", "b")}
    full = lay(tmp_path / "full", [one(talker)], wanted=2)
    cast.write(full.path / "inputs" / "samples.jsonl", rows[:1])
    perform("generate", full)
    assert responses(full) == [] and result(full)["responses"] == 0


def test_a_model_whose_key_is_refused_is_given_up_while_the_others_go_on(tmp_path: Path, talker: Talker) -> None:
    talker.answer = lambda body, number: Answer(401, b"no such key") if body["model"] == "b-1" else said("Yes.")
    folder = lay(tmp_path / "run", [one(talker), one(talker, "b", concurrency=1)])
    perform("generate", folder)
    assert Counter(row["model"] for row in responses(folder)) == {"a": 3, "b": 1}
    tallies = {each["name"]: each for each in json.loads((folder.path / "models.json").read_text())}
    assert tallies["b"]["given_up"] == "status 401: no such key" and tallies["a"]["ok"] == 3
    alone = lay(tmp_path / "alone", [one(talker, "b", concurrency=1)])
    with pytest.raises(NoModels, match="no such key"):
        perform("generate", alone)


def test_an_errors_body_is_told_by_its_message() -> None:
    assert chat.said_of('{"error": {"message": "bad\\n key", "code": 7}}') == "bad key"
    assert chat.said_of('{"error": "no such model"}') == "no such model"
    assert (
        chat.said_of("<h1>Bad gateway</h1>") == "<h1>Bad gateway</h1>"
        and chat.said_of("[1]") == "[1]"
        and chat.said_of("") == ""
    )


def test_no_more_questions_are_under_way_at_once_than_a_model_allows(tmp_path: Path, talker: Talker) -> None:
    both = threading.Barrier(2, timeout=20)

    def answer(body: dict[str, Any], number: int) -> Answer:
        both.wait()
        return said("Yes.")

    talker.answer = answer
    perform("generate", lay(tmp_path / "run", [one(talker, concurrency=2)], 4))
    assert talker.most_at_once == 2


def test_requests_and_tokens_are_spaced_as_the_limits_say_and_all_wait_when_the_endpoint_asks_for_it() -> None:
    now = [0.0]
    pace = Pace(60, 0, lambda: now[0])
    assert [pace.turn(10) for _ in range(3)] == [0, 1, 2]
    pace.hold(30)
    assert pace.turn(10) == 30
    tokens = Pace(0, 600, lambda: now[0])
    assert [tokens.turn(100), tokens.turn(100)] == [0, 10]
    tokens.settle(100, 40)
    assert tokens.turn(100) == pytest.approx(14)
    assert chat.seconds_of("2.5") == 2.5 and chat.seconds_of("soon") is None
    assert chat.seconds_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


def test_a_key_is_sent_only_to_the_host_that_it_is_for_and_is_written_nowhere(
    tmp_path: Path, talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENERATOR_KEY_HOUSE", f"{talker.url} k-123")
    folder = lay(tmp_path / "run", [one(talker, key_name="GENERATOR_KEY_HOUSE")], 1)
    perform("generate", folder)
    assert talker.keys == ["Bearer k-123"]
    assert not [path for path in folder.path.rglob("*.json*") if "k-123" in path.read_text()]
    for name, value, words in [
        ("GENERATOR_KEY_HOUSE", "https://api.example.org k-123", "is for https://api.example.org"),
        ("GENERATOR_KEY_HOUSE", "", "set GENERATOR_KEY_HOUSE"),
        ("SECRET_KEY", f"{talker.url} k", "does not begin with GENERATOR_KEY_"),
    ]:
        monkeypatch.setenv(name, value)
        again = lay(tmp_path / f"{words[:6]}", [one(talker, key_name=name)], 1)
        with pytest.raises(NoModels, match=words):
            perform("generate", again)
    assert len(talker.bodies) == 1


@pytest.mark.parametrize(
    ("models", "config", "words"),
    [
        ([], {}, "name a model"),
        ([{"url": "https://x/v1"}], {}, "model 1 has no name"),
        ([{"name": "a", "url": "ftp://x", "model": "m"}], {}, "begin with https"),
        ([{"name": "a", "url": "https://x/v1", "model": "m", "price_in": -1}], {}, "price_in must be a number"),
        ([{"name": "a", "url": "https://x/v1", "model": "m", "key": "k"}], {}, "key is no field"),
        ([{"name": "a", "url": "https://x/v1", "model": "m"}], {"models": "b"}, "no model named b; it has a"),
    ],
)
def test_what_is_wrong_with_the_models_is_named(
    tmp_path: Path, models: list[dict[str, Any]], config: dict[str, Any], words: str
) -> None:
    with pytest.raises((NoModels, ConfigError), match=words):
        perform("generate", lay(tmp_path / "run", models, **config))


def test_a_picture_that_cannot_be_read_fails_its_sample_alone(tmp_path: Path, talker: Talker, base: Path) -> None:
    folder = lay(tmp_path / "run", [one(talker)], 3, base=str(base), max_new_tokens=4, batch=2)
    rows = cast.lines(folder.input("samples.jsonl"))
    (folder.path / "inputs" / rows[1]["media"][0]["path"]).write_bytes(b"no picture")
    perform("generate", folder)
    found = responses(folder)
    assert {row["model"] for row in found} == {"a", "local"}
    assert {row["sample"] for row in found if row["state"] == "failed" and "picture" in row["fault"]} == {"s1"}
    local = [row for row in found if row["model"] == "local" and row["sample"] != "s1"]
    assert len(local) == 2 and all(row["tokens_in"] > 0 and row["settings"]["by"] == "local" for row in local)
