"""Runs beside each other: which may be, what sets them apart, and what each said of the same sample."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core import storage
from app.runs import comparing, curves, outcomes, sayings
from app.runs.intervals import Gain, Share
from app.runs.refusals import NotANumber, TooManyRuns
from app.runs.tables import Metric, Run
from tests import cast
from tests.app.runs import stories


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


@pytest.fixture
def rita(story: stories.Story, client: TestClient) -> TestClient:
    return cast.sign_in(client, story.session, story.seat.user)


def reward(story: stories.Story, **config: Any) -> Run:
    return story.start(config={"base": str(story.base), "critiques": "human", **config})


def report(session: Session, run: Run, values: dict[int, dict[str, Any]], split: str = "train") -> None:
    for place, (step, told) in enumerate(values.items()):
        line = {"kind": "metric", "step": step, "split": split, "values": told}
        session.add(Metric(run_id=run.id, line=len(split) * 10_000 + place, kind="metric", payload=line))
    session.commit()


def leave(run: Run, name: str, *rows: Any) -> None:
    output = storage.run_folder(run.id) / "output"
    output.mkdir(parents=True, exist_ok=True)
    (output / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def accuracy(acc: float, samples: int = 10) -> dict[str, Any]:
    row = {"acc": acc, "acc_plus": acc / 2, "pairs": 6 * samples, "samples": samples, "mean_margin": 0.1}
    return {"overall": row, "by_category": {"mcq": row}, "by_question_type": {"mcq": row}, "by_domain": {"image": row}}


def test_runs_are_named_one_by_one_or_between_commas_and_each_counts_once() -> None:
    assert comparing.ids_of(["7, 3", "7", "", "12"]) == [7, 3, 12]


@pytest.mark.parametrize("word", ["x", "-1", "1.5", "²", "9" * 30])
def test_what_is_no_number_of_a_run_is_refused_by_name(word: str) -> None:
    with pytest.raises(NotANumber) as told:
        comparing.ids_of([f"1,{word}"])
    assert word[:20] in told.value.what


def test_nine_runs_are_too_many() -> None:
    with pytest.raises(TooManyRuns):
        comparing.ids_of([",".join(map(str, range(1, 10)))])


def test_only_settings_that_differ_are_shown(story: stories.Story) -> None:
    one, two = reward(story, learning_rate=0.002, epochs=3), reward(story, learning_rate=0.01, epochs=3)
    rows = comparing.differences([one, two])
    assert [(row.name, row.values) for row in rows] == [("learning_rate", ["0.002", "0.01"])]
    assert comparing.differences([one, one]) == []


def test_another_dataset_is_a_difference_and_a_warning(story: stories.Story) -> None:
    other = stories.freeze(story.session, story.seat)
    one, two = reward(story), story.start(inputs={"dataset": other.id})
    assert "dataset" in [row.name for row in comparing.differences([one, two])]
    assert any("2 different datasets" in sentence for sentence in comparing.warnings([one, two]))


def test_unlike_recipes_are_said_to_be_unlike_and_their_own_settings_stand_apart(story: stories.Story) -> None:
    one = reward(story)
    two = story.start("score", config={}, inputs={"dataset": story.dataset.id, "reward": one.id})
    assert any("unlike recipes (Reward model, Score pairs)" in each for each in comparing.warnings([one, two]))
    names = {each.recipe: each.names for each in comparing.apart([one, two])}
    assert "learning_rate" in names["Reward model"]
    assert not {"learning_rate"} & {row.name for row in comparing.differences([one, two])}


def test_shares_stand_beside_each_other_with_intervals_and_are_apart_where_these_do_not_meet(
    story: stories.Story,
) -> None:
    runs = [reward(story), reward(story), reward(story)]
    for run, acc in zip(runs[:2], (0.9, 0.2), strict=True):
        leave(run, "evaluation.json", {"given": accuracy(acc, 40)})
        run.result = {"accuracy": acc, "steps": 5}
        stories.end(story.session, run)
    found = {block.title: block.rows for block in outcomes.blocks(runs)}
    first = found["Accuracy, with the critiques given"][0]
    high, low, none = first.cells
    assert isinstance(high, Share) and isinstance(low, Share) and none is None
    assert (high.value, high.of) == (0.9, 240)
    assert high.low < 0.9 < high.high
    assert first.unlike
    assert [(row.label, row.cells) for row in found["Other figures"]] == [("Steps", ["5", "5", None])]


def test_runs_that_counted_the_same_pairs_are_compared_pair_by_pair(story: stories.Story) -> None:
    runs = [reward(story), reward(story)]
    for run, right in zip(runs, (2, 3), strict=True):
        table = accuracy(right / 6) | {"by_sample": {f"s{n}": [right, 6] for n in range(10)}}
        leave(run, "evaluation.json", {"given": table})
        run.result = {"accuracy": right / 6}
        stories.end(story.session, run)
    rows = outcomes.blocks(runs)[0].rows
    assert [row.label for row in rows[:2]] == ["ACC", f"ACC, gain over #{runs[0].id}"]
    none, found = rows[1].cells
    assert none is None and isinstance(found, Gain)
    assert found.value == pytest.approx(1 / 6)
    assert rows[1].unlike and not rows[0].unlike, "what two intervals leave open, the same samples decide"


def test_a_curve_keeps_what_a_resumed_run_said_last_and_a_gap_where_it_was_not_finite(story: stories.Story) -> None:
    run, silent = reward(story), reward(story)
    report(story.session, run, {1: {"loss": 3.0}, 2: {"loss": None}, 3: {"loss": 1.0, "lr": 0.1}})
    report(story.session, run, {3: {"accuracy": 0.5}}, "held_out")
    story.session.add(
        Metric(
            run_id=run.id, line=99, kind="metric",
            payload={"kind": "metric", "step": 1, "split": "train", "values": {"loss": 2.0}},
        )
    )  # fmt: skip
    story.session.commit()
    choices = curves.choices(story.session, [run, silent])
    assert [choice.name.key for choice in choices] == ["train:loss", "held_out:accuracy", "train:lr"]
    drawn = curves.laid_over(story.session, [run, silent], choices[0])["curves"]
    assert (drawn[0]["steps"], drawn[0]["values"]) == ([1, 2, 3], [2.0, None, 1.0])
    assert drawn[1]["steps"] == []


def test_a_long_curve_is_thinned_and_keeps_its_end(story: stories.Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "MOST_POINTS", 4)
    run = reward(story)
    report(story.session, run, {step: {"loss": float(step)} for step in range(1, 11)})
    assert list(curves.points(story.session, run.id, curves.Name("train", "loss"))) == [1, 4, 7, 10]


def test_what_runs_of_any_recipe_said_of_the_same_sample_stands_side_by_side(story: stories.Story) -> None:
    trained = reward(story)
    line = {"kind": "sample", "step": 4, "title": "?", "text": "the model's own words", "sample_id": "s1"}
    story.session.add(Metric(run_id=trained.id, line=1, kind="sample", payload=line))
    scored = story.start("score", config={}, inputs={"dataset": story.dataset.id, "reward": trained.id})
    leave(
        scored, "rewards.jsonl",
        {"sample": "s1", "response": "r1-0", "critique": "right about the ground", "reward": 1.25},
        {"sample": "s2", "response": "r2-0", "critique": "seen by one alone", "reward": 0.5},
    )  # fmt: skip
    rows, many = sayings.beside(story.session, [trained, scored])
    assert many == 1
    assert rows[0].sample == "s1"
    assert rows[0].columns[0][0].text == "the model's own words"
    assert (rows[0].columns[1][0].critique, rows[0].columns[1][0].reward) == ("right about the ground", 1.25)


def test_the_page_says_how_to_choose_compares_and_hides_other_projects(story: stories.Story, rita: TestClient) -> None:
    one, two = reward(story, learning_rate=0.002), reward(story, learning_rate=0.01)
    at = f"{story.at}/comparison"
    assert "Nothing to compare yet" in rita.get(at).text
    assert "One run alone" in rita.get(at, params={"ids": one.id}).text
    page = rita.get(at, params={"ids": [one.id, two.id]}).text
    assert "0.002" in page and "0.01" in page
    assert "has no result" in page
    assert rita.get(at, params={"ids": f"{one.id},x"}).status_code == 422
    other = stories.begin(story.session, "Otto", "Fields").start()
    assert rita.get(at, params={"ids": f"{one.id},{other.id}"}).status_code == 404
    assert rita.get(f"{at}/curves", params={"ids": f"{one.id},{other.id}"}).status_code == 404
    listed = rita.get(story.at).text
    assert f'name="ids" value="{one.id}"' in listed and "Compare the ticked runs" in listed
