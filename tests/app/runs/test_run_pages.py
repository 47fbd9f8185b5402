"""Runs in the browser: who may open them, what the form says, what the live stream sends."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core import storage
from app.core.db import now
from app.core.errors import NotFound
from app.projects.guard import Seat
from app.runs import live, uses
from app.runs.tables import Critique, Metric, Run
from tests import cast
from tests.app.runs import stories


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


@pytest.fixture
def rita(story: stories.Story, client: TestClient) -> TestClient:
    return cast.sign_in(client, story.session, story.seat.user)


def member(story: stories.Story, name: str, role: str) -> Seat:
    return cast.seat(story.session, cast.user(story.session, name), story.project, role)


def form(story: stories.Story, **changes: str) -> dict[str, str]:
    return {
        "recipe": "reward",
        "name": "first",
        "critiques": "human",
        "input-dataset": str(story.dataset.id),
        "freeze_vision": "on",
        **changes,
    }


def reported(session: Session, run: Run, *steps: int) -> list[int]:
    """Metric rows of these steps; returns their ids."""
    rows = [
        Metric(
            run_id=run.id,
            line=step * 100,
            kind="metric",
            payload={"kind": "metric", "step": step, "split": "train", "values": {"loss": 0.5}},
        )
        for step in steps
    ]
    session.add_all(rows)
    session.commit()
    return [row.id for row in rows]


def test_a_project_without_runs_says_what_to_do(story: stories.Story, rita: TestClient) -> None:
    answer = rita.get(story.at)
    assert answer.status_code == 200
    assert "No runs yet" in answer.text
    assert f"{story.at}/new?recipe=reward" in answer.text


@pytest.mark.parametrize("recipe", ["expand", "reward", "score", "mm_dpo", "evaluate"])
def test_every_recipe_has_a_form_with_all_its_fields(story: stories.Story, rita: TestClient, recipe: str) -> None:
    from ml.config import PRESETS, fields_of

    for preset in ["", *PRESETS[recipe]]:
        answer = rita.get(f"{story.at}/new", params={"recipe": recipe, "preset": preset})
        assert answer.status_code == 200
        missing = [spec.name for spec in fields_of(recipe) if f'name="{spec.name}"' not in answer.text]
        assert not missing


def test_the_form_starts_a_run(story: stories.Story, rita: TestClient) -> None:
    answer = rita.post(story.at, data=form(story, epochs="3"))
    run = story.session.scalars(sa.select(Run)).one()
    assert (str(answer.url).endswith(f"/runs/{run.id}"), answer.status_code) == (True, 200)
    assert (run.name, run.config["epochs"], run.config["freeze_vision"]) == ("first", 3, True)
    assert "Waiting for a free trainer" in answer.text


def test_a_wrong_field_keeps_the_form_and_names_the_field(story: stories.Story, rita: TestClient) -> None:
    answer = rita.post(story.at, data=form(story, learning_rate="7", name="kept words"))
    assert answer.status_code == 422
    assert "BadConfig" in answer.text
    assert 'id="learning_rate-wrong"' in answer.text
    assert 'value="kept words"' in answer.text
    told = rita.post(story.at, data=form(story, learning_rate="7"), headers={"accept": "application/json"})
    assert (told.status_code, told.json()["where"]) == (422, "learning_rate")
    assert story.session.scalar(sa.select(sa.func.count()).select_from(Run)) == 0


def test_an_input_is_chosen_by_what_it_left(story: stories.Story, rita: TestClient) -> None:
    reward = story.start()
    reward.result = {"accuracy": 0.625, "steps": 4}
    stories.end(story.session, reward)
    assert "a reward · done · Accuracy 62.5%" in rita.get(f"{story.at}/new?recipe=score").text


def test_every_wrong_field_is_named_and_linked_at_once(story: stories.Story, rita: TestClient) -> None:
    sent = form(story, learning_rate="7", epochs="two", critiques="expanded", **{"input-dataset": "x"})
    answer = rita.post(story.at, data=sent)
    assert (answer.status_code, "SeveralFaults" in answer.text) == (422, True)
    for place in ("learning_rate", "epochs", "input-dataset", "input-critiques"):
        assert f'href="#{place}"' in answer.text
        assert f'id="{place}"' in answer.text
    assert story.session.scalar(sa.select(sa.func.count()).select_from(Run)) == 0


def test_a_dataset_of_another_project_is_404(story: stories.Story, rita: TestClient) -> None:
    other = stories.begin(story.session, "Otto", "Fields")
    assert rita.post(story.at, data=form(story, **{"input-dataset": str(other.dataset.id)})).status_code == 404


def test_another_projects_run_is_404_everywhere(story: stories.Story, rita: TestClient) -> None:
    run = stories.begin(story.session, "Otto", "Fields").start()
    for path in ("", "/events", "/log"):
        assert rita.get(f"{story.at}/{run.id}{path}").status_code == 404
    for path in ("/cancellation", "/resumption", "/clones"):
        assert rita.post(f"{story.at}/{run.id}{path}").status_code == 404
    assert rita.post(f"{story.at}/{run.id}/approvals", data={"answer": "approve"}).status_code == 404
    assert rita.get(f"/projects/fields/runs/{run.id}").status_code == 404, "a stranger to the project"


def test_an_annotator_may_neither_look_at_runs_nor_start_one(story: stories.Story, client: TestClient) -> None:
    anna = member(story, "Anna", "annotator")
    cast.sign_in(client, story.session, anna.user)
    for path in ("", "/new", "/estimate"):
        assert client.get(f"{story.at}{path}").status_code == 403
    assert client.post(story.at, data=form(story)).status_code == 403


def test_a_reviewer_may_look_but_not_cancel(story: stories.Story, client: TestClient) -> None:
    run = story.start()
    cast.sign_in(client, story.session, member(story, "Rob", "reviewer").user)
    assert client.get(f"{story.at}/{run.id}").status_code == 200
    assert client.post(f"{story.at}/{run.id}/cancellation").status_code == 403


def test_cancelling_says_by_whom(story: stories.Story, rita: TestClient) -> None:
    run = story.start()
    answer = rita.post(f"{story.at}/{run.id}/cancellation", data={"reason": "a wrong dataset"})
    assert "Cancelled by Rita: a wrong dataset." in answer.text
    assert "Go on from the last checkpoint" in answer.text
    assert "Waiting for a free trainer" in rita.post(f"{story.at}/{run.id}/resumption").text


def test_a_failed_run_shows_its_error_and_the_end_of_its_log(story: stories.Story, rita: TestClient) -> None:
    run = story.start()
    run.log_tail = "loading <the> model\nDiverged: step 3"
    stories.end(story.session, run, "Diverged: step 3")
    answer = rita.get(f"{story.at}/{run.id}")
    assert "This run failed." in answer.text
    assert "loading &lt;the&gt; model" in answer.text


def test_a_clone_opens_the_form_with_the_same_values(story: stories.Story, rita: TestClient) -> None:
    run = story.start(config={"base": str(story.base), "critiques": "none", "learning_rate": 0.002})
    answer = rita.get(f"{story.at}/new?like={run.id}")
    assert 'value="0.002"' in answer.text
    assert 'value="a reward again"' in answer.text


def test_the_estimate_counts_steps(story: stories.Story, rita: TestClient) -> None:
    query = form(story, samples_per_batch="2", accumulate="1", epochs="4")
    assert "6 training samples" in rita.get(f"{story.at}/estimate", params=query).text
    assert "12 optimiser steps" in rita.get(f"{story.at}/estimate", params=query).text
    assert (
        "Learning rate: must be a number"
        in rita.get(f"{story.at}/estimate", params={**query, "learning_rate": "x"}).text
    )


def test_pairs_that_contradict_the_people_link_to_their_samples(story: stories.Story, rita: TestClient) -> None:
    reward = story.start()
    run = story.start("score", config={}, inputs={"dataset": story.dataset.id, "reward": reward.id})
    output = storage.run_folder(run.id) / "output"
    output.mkdir(parents=True)
    margins = [
        {"sample": "s0", "chosen": "r0-0", "rejected": "r0-2", "split": "train", "margin": -1.25},
        {"sample": "s1", "chosen": "r1-0", "rejected": "r1-2", "split": "train", "margin": 2.0},
    ]
    (output / "margins.jsonl").write_text("".join(json.dumps(row) + "\n" for row in margins))
    row = {"acc": 0.5, "acc_plus": None, "pairs": 2, "samples": 2, "mean_margin": 0.375}
    by_split = {"train": {"overall": row, "by_question_type": {"mcq": row}, "by_domain": {"image": row}}}
    (output / "evaluation.json").write_text(json.dumps(by_split))
    run.result = {"accuracy": 0.5, "pairs": 2, "contradicted": 1}
    stories.end(story.session, run)
    answer = rita.get(f"{story.at}/{run.id}").text
    assert f'href="/projects/{story.project.slug}/samples/0"' in answer
    assert f'href="/projects/{story.project.slug}/samples/1"' not in answer
    assert "-1.250" in answer
    assert "mcq" in answer
    assert uses.margins_by(story.session, story.dataset, run.id)["s0", "r0-0", "r0-2"] == -1.25
    with pytest.raises(NotFound):
        uses.margins_by(story.session, story.dataset, reward.id)
    assert f'href="{story.at}/{reward.id}"' in answer, "lineage: what it reads"
    assert f'href="{story.at}/{run.id}"' in rita.get(f"{story.at}/{reward.id}").text, "lineage: who reads it"


def test_critiques_are_approved_one_by_one_or_all(story: stories.Story, rita: TestClient) -> None:
    run = story.start("expand")
    for reply in ("r0-0", "r0-1"):
        story.session.add(
            Critique(
                run_id=run.id, dataset_id=story.dataset.id, sample_key="s0", response_key=reply,
                human="the short reason", text=f"the long words about {reply}", prompt="?", parameters={},
            )
        )  # fmt: skip
    run.result = {"expanded": 2}
    stories.end(story.session, run)
    first = story.session.scalars(sa.select(Critique.id).order_by(Critique.id)).first()
    page = rita.get(f"{story.at}/{run.id}").text
    assert "the short reason" in page
    assert "the long words about r0-1" in page
    said = rita.post(f"{story.at}/{run.id}/approvals", data={"answer": "decline", "critique": str(first)}).text
    assert "0 approved, 1 declined, 1 unanswered" in said
    said = rita.post(f"{story.at}/{run.id}/approvals", data={"answer": "approve"}).text
    assert "1 approved, 1 declined, 0 unanswered" in said
    assert rita.post(f"{story.at}/{run.id}/approvals", data={"answer": "perhaps"}).status_code == 422


def events(text: str) -> Iterator[tuple[str, str, dict[str, object]]]:
    """(event, id, data) of each message of a stream."""
    for block in text.split("\n\n"):
        parts = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in parts:
            yield parts["event"], parts.get("id", ""), json.loads(parts["data"])


def test_the_stream_tells_all_and_ends_with_the_run(story: stories.Story, rita: TestClient) -> None:
    run = story.start()
    reported(story.session, run, 1, 2, 3)
    stories.end(story.session, run)
    answer = rita.get(f"{story.at}/{run.id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = list(events(answer.text))
    assert [data["step"] for name, _, data in told if name == "metric"] == [1, 2, 3]
    assert [name for name, _, _ in told][-2:] == ["state", "end"]
    assert told[-2][2]["state"] == "done"


def test_the_stream_goes_on_after_the_last_event_id(story: stories.Story, rita: TestClient) -> None:
    run = story.start()
    ids = reported(story.session, run, 1, 2, 3)
    stories.end(story.session, run)
    answer = rita.get(f"{story.at}/{run.id}/events", headers={"last-event-id": str(ids[1])})
    assert [(number, data["step"]) for name, number, data in events(answer.text) if name == "metric"] == [
        (str(ids[2]), 3)
    ]


def test_the_stream_sends_what_comes_while_it_is_open(
    story: stories.Story, rita: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL", 0.01)
    run = story.start()
    ids = reported(story.session, run, 1)
    looks = iter([lambda: reported(story.session, run, 2), lambda: stories.end(story.session, run)])
    glance = live.glance

    def look(run_id: int, after: int) -> live.Glance:
        seen = glance(run_id, after)
        next(looks, lambda: None)()
        return seen

    monkeypatch.setattr(live, "glance", look)
    told = list(events(rita.get(f"{story.at}/{run.id}/events").text))
    assert [data["step"] for name, _, data in told if name == "metric"] == [1, 2]
    assert int(told[0][1]) == ids[0]
    assert [data["state"] for name, _, data in told if name == "state"] == ["waiting", "done"]


def test_a_run_that_runs_can_be_asked_to_stop_and_says_so(story: stories.Story, rita: TestClient) -> None:
    run = story.start()
    run.claimed_by, run.claimed_at, run.heartbeat_at, run.started_at = "w", now(), now(), now()
    story.session.commit()
    assert "Being cancelled by Rita" in rita.post(f"{story.at}/{run.id}/cancellation").text


@pytest.mark.parametrize(
    ("recipe", "evaluation", "words"),
    [
        ("mm_dpo", {"implicit_reward": {}, "dpo_loss": 0.2}, "implicit reward"),
        (
            "evaluate",
            {"likelihood": {"policy": {}, "base": {}}, "wins": {"win": 3, "loss": 1, "tie": 0, "win_rate": 0.75}},
            "75.0 %",
        ),
    ],
)
def test_what_aligning_and_evaluating_leave_is_shown(
    story: stories.Story, rita: TestClient, recipe: str, evaluation: dict[str, dict[str, object]], words: str
) -> None:
    row = {"acc": 0.5, "acc_plus": 0.25, "pairs": 4, "samples": 2, "mean_margin": 0.5}
    table = {"overall": row, "by_question_type": {"mcq": row}, "by_domain": {"image": row}}
    filled = {
        name: table if value == {} else dict.fromkeys(value, table) if name == "likelihood" else value
        for name, value in evaluation.items()
    }
    run = Run(
        project_id=story.project.id, recipe=recipe, name="by hand", config={}, created_by=story.seat.user.id,
        result={"accuracy": 0.5},
    )  # fmt: skip
    story.session.add(run)
    story.session.flush()
    output = storage.run_folder(run.id) / "output"
    output.mkdir(parents=True)
    (output / "evaluation.json").write_text(json.dumps(filled))
    side = {"text": "An <answer>.", "reward": None, "critique": ""}
    (output / "outputs.jsonl").write_text(
        json.dumps({"sample": "s0", "prompt": "What?", "policy": side, "base": side}) + "\n"
    )
    stories.end(story.session, run)
    answer = rita.get(f"{story.at}/{run.id}")
    assert answer.status_code == 200
    assert words in answer.text
    assert "25.0 %" in answer.text
    assert ("An &lt;answer&gt;." in answer.text) == (recipe == "evaluate")
