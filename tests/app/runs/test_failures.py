"""Why a run failed is said in its reader's language, with a place and what to do."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core import language
from app.core.db import transaction
from app.runs import actions, claims, failures
from app.runs.tables import Metric, Run
from tests import cast
from tests.app.runs import stories
from worker import process


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


@pytest.fixture
def rita(story: stories.Story, client: TestClient) -> TestClient:
    return cast.sign_in(client, story.session, story.seat.user)


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "language", lambda: "zh-CN")


CHINESE = {"accept-language": "zh-CN"}


def failed(story: stories.Story, why: str | None) -> Run:
    run = story.start()
    story.session.add(Metric(run_id=run.id, line=0, kind="progress", payload={"phase": "train", "done": 3, "total": 9}))
    stories.end(story.session, run, why)
    story.session.commit()
    return run


def test_a_killed_run_says_how_far_it_came_and_what_to_do(story: stories.Story, rita: TestClient) -> None:
    run = failed(story, process.failure_of(-9, ""))
    english = rita.get(f"{story.at}/{run.id}").text
    assert "ended by SIGKILL. The machine may have run out of memory." in english
    assert "Go on with fewer samples at once" in english and "Killed · Where: train, 3 of 9</small>" in english
    chinese = rita.get(f"{story.at}/{run.id}", headers=CHINESE).text
    assert "进程被 SIGKILL 结束。机器可能耗尽了内存。" in chinese
    assert "请减少同时处理的样本" in chinese
    assert "may have run out of memory" not in chinese
    assert "may have run out of memory" not in rita.get(story.at, headers=CHINESE).text


def test_the_last_line_of_a_recipe_is_told_in_the_reader_s_language(story: stories.Story, rita: TestClient) -> None:
    run = failed(story, process.failure_of(2, "BadSample: samples.jsonl line 3: prompt must be text"))
    assert "samples.jsonl line 3：prompt 必须是文本" in rita.get(f"{story.at}/{run.id}", headers=CHINESE).text


def test_a_lost_input_is_named_with_its_run(story: stories.Story, rita: TestClient) -> None:
    reward = story.start()
    score = story.start("score", config={}, inputs={"dataset": story.dataset.id, "reward": reward.id})
    actions.cancel(story.session, story.seat, reward.id)
    story.session.commit()
    with transaction() as session:
        claims.offers(session)
    text = rita.get(f"{story.at}/{score.id}", headers=CHINESE).text
    assert f"它的输入“奖励模型”（运行 {reward.id}“a reward”）已被取消。" in text
    assert "inputs/reward</small>" in text


@pytest.mark.usefixtures("chinese")
def test_an_old_line_without_name_or_place_is_shown_as_it_is() -> None:
    assert failures.shown("something odd (here)").what == "something odd (here)"


@pytest.mark.usefixtures("chinese")
def test_a_wrong_field_of_a_config_is_the_place() -> None:
    found = failures.shown("ConfigError: epochs: must be a whole number, not 'x'")
    assert (found.what, found.where) == ("必须是整数，而不是 'x'", "epochs")


@pytest.mark.usefixtures("chinese")
def test_whatever_a_recipe_says_when_it_refuses_is_found_in_the_catalogue() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "scripts"))
    from ml_words import said_by_ml

    sentences = {sentence for _file, sentence in said_by_ml()}
    assert len(sentences) > 80
    filled = [re.sub(r"%\(\w+\)s", "x7", sentence).replace("%%", "%") for sentence in sentences]
    assert [text for text in filled if language.told(text) == text] == []


def test_a_form_names_states_recipes_and_inputs_in_the_reader_s_language(
    story: stories.Story, rita: TestClient
) -> None:
    def what(**fields: str) -> str:
        headers = {**CHINESE, "accept": "application/json"}
        return str(rita.post(story.at, data=fields, headers=headers).json()["message"])

    lost = failed(story, "Diverged: the loss is not finite")
    given = {"recipe": "score", "input-dataset": str(story.dataset.id)}
    assert what(**given) == "“为偏好对评分”需要“奖励模型”：请选择一个“奖励模型”运行。"
    assert "失败" in what(**given, **{"input-reward": str(lost.id)})
    assert "不在 1 与 256 之间" in what(
        recipe="score",
        samples_per_batch="-1",
        **{"input-dataset": str(story.dataset.id), "input-reward": str(story.start().id)},
    )


def test_what_a_recipe_says_is_shown_as_a_sentence_and_a_path_as_it_is(story: stories.Story, rita: TestClient) -> None:
    run = failed(story, "Diverged: the loss of step 1 is not finite (samples s9); try a lower learning rate")
    run.log_tail = "".join(f"line {number}\n" for number in range(1, 40))
    story.session.commit()
    text = rita.get(f"{story.at}/{run.id}").text
    assert "The loss of step 1 is not finite (samples s9); try a lower learning rate. Clone the run" in text
    assert '<pre class="run-log" tabindex="0">line 32\nline 33' in text, "the last lines above, all that is kept below"
    assert failures.shown("NoScores: inputs/scores/margins.jsonl is not there").what.startswith("inputs/scores")
