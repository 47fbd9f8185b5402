"""Chains and sweeps: several runs out of one form; what stops them, and how they go on."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.core import storage
from app.runs import actions, chaining, choosing, claims, groups, kinds, queries, refusals, sweeping
from app.runs.kinds import KINDS
from app.runs.tables import Approval, Critique, Run
from ml.config import PRESETS
from tests import cast
from tests.app.runs import stories


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


@pytest.fixture
def rita(story: stories.Story, client: TestClient) -> TestClient:
    return cast.sign_in(client, story.session, story.seat.user)


def chain_form(story: stories.Story, *steps: str, **changes: str) -> dict[str, str]:
    """What the browser sends of the form of a chain with these steps on, all of them where none is named."""
    form = {"name": "first", "base": str(story.base), "input-dataset": str(story.dataset.id)}
    form |= {f"step-{recipe}": "on" for recipe in steps or chaining.STEPS}
    return form | {"reward-critiques": "expanded", "reward-evaluate_with": "both"} | changes


def started(story: stories.Story, *steps: str, **changes: str) -> groups.Group:
    row = chaining.start(story.session, story.seat, chain_form(story, *steps, **changes))
    story.session.commit()
    return groups.one(story.session, story.seat, row.id)


def by_recipe(group: groups.Group) -> dict[str, Run]:
    return {run.recipe: run for run in group.runs}


def test_each_step_reads_what_the_steps_before_it_leave(story: stories.Story) -> None:
    runs = by_recipe(started(story))
    assert list(runs) == list(chaining.STEPS)
    read = {
        recipe: {each.role: each.from_run_id for each in run.inputs if each.from_run_id} for recipe, run in runs.items()
    }
    assert read == {
        "expand": {},
        "reward": {"critiques": runs["expand"].id},
        "score": {"reward": runs["reward"].id},
        "mm_dpo": {"scores": runs["score"].id},
        "evaluate": {"policy": runs["mm_dpo"].id, "reward": runs["reward"].id},
    }
    assert choosing.best(story.session) == runs["expand"].id


def test_a_step_that_is_left_out_is_read_from_an_earlier_run(story: stories.Story) -> None:
    reward = story.start()
    stories.end(story.session, reward)
    steps = ("score", "mm_dpo", "evaluate")
    runs = by_recipe(started(story, *steps, **{"score-input-reward": str(reward.id)}))
    assert [each.from_run_id for each in runs["score"].inputs if each.role == "reward"] == [reward.id]


def test_nothing_is_queued_where_one_step_is_refused_and_every_fault_names_its_step(story: stories.Story) -> None:
    changes = {"reward-epochs": "none", "mm_dpo-beta": "-1"}
    with pytest.raises(refusals.SeveralFaults) as told:
        started(story, "score", "mm_dpo", "evaluate", "reward", **changes)
    assert {each.where for each in told.value.faults} == {"reward-epochs", "reward-critiques", "mm_dpo-beta"}
    assert story.session.scalar(sa.select(sa.func.count()).select_from(Run)) == 0


def test_a_chain_has_two_steps_and_a_dataset(story: stories.Story) -> None:
    with pytest.raises(refusals.TooFewSteps):
        started(story, "reward", **{"reward-critiques": "human"})
    with pytest.raises(refusals.InputMissing):
        started(story, **{"input-dataset": ""})


def test_a_chain_stops_at_its_first_failure_and_goes_on_there(story: stories.Story) -> None:
    group = started(story, "reward", "score", "mm_dpo", **{"reward-critiques": "human"})
    runs = by_recipe(group)
    stories.end(story.session, runs["reward"], "OutOfMemory")
    assert claims.offers(story.session) == []
    assert choosing.best(story.session) is None
    assert [queries.state_of(run) for run in group.runs] == ["failed", "waiting", "waiting"]
    assert group.state() == "failed"
    assert "stopped at run" in queries.waits_for(story.session, runs["score"])[0]
    groups.resume(story.session, story.seat, group.row.id)
    assert choosing.best(story.session) == runs["reward"].id
    stories.end(story.session, runs["reward"])
    assert choosing.best(story.session) == runs["score"].id


def test_another_run_takes_the_place_of_a_failed_step(story: stories.Story, rita: TestClient) -> None:
    runs = by_recipe(started(story, "reward", "score", **{"reward-critiques": "human"}))
    stories.end(story.session, runs["reward"], "OutOfMemory")
    shown = rita.get(f"{story.at}/new?instead={runs['reward'].id}")
    assert f'name="instead" value="{runs["reward"].id}"' in shown.text
    sent = {"recipe": "reward", "critiques": "human", "epochs": "2", "base": str(story.base)}
    rita.post(story.at, data={**sent, "instead": str(runs["reward"].id), "input-dataset": str(story.dataset.id)})
    story.session.expire_all()
    group = groups.one(story.session, story.seat, runs["reward"].group_id or 0)
    new = group.counting()[0]
    assert (new.id != runs["reward"].id, new.config["epochs"]) == (True, 2)
    assert {each.from_run_id for each in runs["score"].inputs if each.role == "reward"} == {new.id}
    assert (choosing.best(story.session), group.state()) == (new.id, "waiting")


def test_a_run_outside_of_a_chain_takes_no_place(story: stories.Story, rita: TestClient) -> None:
    alone = story.start()
    stories.end(story.session, alone, "OutOfMemory")
    sent = {"recipe": "reward", "critiques": "human", "base": str(story.base), "instead": str(alone.id)}
    answer = rita.post(story.at, data={**sent, "input-dataset": str(story.dataset.id)})
    assert (answer.status_code, "WrongInput" in answer.text) == (422, True)


def test_cancelling_a_chain_ends_all_of_it_and_it_goes_on_whole(story: stories.Story) -> None:
    group = started(story, "reward", "score", **{"reward-critiques": "human"})
    groups.cancel(story.session, story.seat, group.row.id, "Not now")
    assert {queries.state_of(run) for run in group.runs} == {"cancelled"}
    with pytest.raises(refusals.GroupEnded):
        groups.cancel(story.session, story.seat, group.row.id)
    groups.resume(story.session, story.seat, group.row.id)
    assert {queries.state_of(run) for run in group.runs} == {"waiting"}
    with pytest.raises(refusals.GroupEnded):
        groups.resume(story.session, story.seat, group.row.id)


@pytest.mark.parametrize(("changes", "waits"), [({"approve": "on"}, False), ({}, True)])
def test_critiques_hold_a_chain_unless_its_author_takes_them_unread(
    story: stories.Story, changes: dict[str, str], waits: bool
) -> None:
    runs = by_recipe(started(story, "expand", "reward", **changes))
    folder = storage.run_folder(runs["expand"].id)
    (folder / "output").mkdir(parents=True)
    line = '{"sample":"s1","response":"r1","human":"Short.","text":"Longer.","prompt":"?","parameters":{}}\n'
    (folder / "output" / "critiques.jsonl").write_text(line)
    kinds.keep_critiques(story.session, runs["expand"], folder)
    stories.end(story.session, runs["expand"])
    assert bool(queries.waits_for(story.session, runs["reward"])) is waits
    answers = story.session.scalar(sa.select(sa.func.count()).select_from(Approval).join(Critique))
    assert answers == (0 if waits else 1)


def test_a_sweep_is_a_run_for_each_point_of_its_grid(story: stories.Story) -> None:
    row = sweeping.start(story.session, story.seat, sweep_form(story, learning_rate="1e-6, 1e-5", epochs="1,2,2"))
    group = groups.one(story.session, story.seat, row.id)
    points = [(run.config["learning_rate"], run.config["epochs"]) for run in group.runs]
    assert points == [(1e-6, 1), (1e-6, 2), (1e-5, 1), (1e-5, 2)]
    assert group.runs[0].name == "try · learning_rate 1e-6, epochs 1"


def test_a_value_that_is_written_twice_is_one_point_and_the_form_tells_how_many_there_are(
    story: stories.Story, rita: TestClient
) -> None:
    form = sweep_form(story, learning_rate="1e-5, 0.00001, 2e-5", freeze_vision="on, yes, off")
    row = sweeping.start(story.session, story.seat, form)
    runs = groups.one(story.session, story.seat, row.id).runs
    points = [(run.config["learning_rate"], run.config["freeze_vision"]) for run in runs]
    assert points == [(1e-5, True), (1e-5, False), (2e-5, True), (2e-5, False)]
    told = rita.get(f"{story.at}/estimate", params=form).text
    assert told.endswith("As a sweep: 9 runs like it."), "as written, before they are read"
    assert "sweep" not in rita.get(f"{story.at}/estimate", params=sweep_form(story, epochs="1")).text


def test_what_is_wrong_with_a_sweep_is_said_with_what_is_wrong_with_its_form(story: stories.Story) -> None:
    form = sweep_form(story, learning_rate="1e-5, nine") | {"learning_rate": "", "epochs": "0", "max_hours": "-1"}
    with pytest.raises(refusals.SeveralFaults) as told:
        sweeping.start(story.session, story.seat, form | {"name": "x" * 200})
    assert {each.where for each in told.value.faults} == {"name", "values-1", "epochs", "max_hours"}
    assert "Learning rate: must be a number" in str(told.value.faults[0].what)


def sweep_form(story: stories.Story, **fields: str) -> dict[str, str]:
    form = {"recipe": "reward", "name": "try", "critiques": "human", "base": str(story.base)}
    form["input-dataset"] = str(story.dataset.id)
    for row, (name, values) in enumerate(fields.items(), start=1):
        form |= {f"vary-{row}": name, f"values-{row}": values}
    return form


@pytest.mark.parametrize(
    ("fields", "error", "where"),
    [
        ({}, refusals.NothingVaried, "values-1"),
        ({"epochs": "1"}, refusals.NothingVaried, "values-1"),
        ({"epochs": "1, two"}, refusals.BadConfig, "values-1"),
        ({"epochs": "1,2", "learning_rate": "7,8"}, refusals.BadConfig, "values-2"),
        ({"nothing": "1,2"}, refusals.BadConfig, "vary-1"),
        ({"seed": ",".join(map(str, range(65)))}, refusals.TooManyPoints, "values-1"),
    ],
)
def test_a_grid_that_cannot_be_meant_is_refused_at_its_row(
    story: stories.Story, fields: dict[str, str], error: type[Exception], where: str
) -> None:
    with pytest.raises(error) as told:
        sweeping.start(story.session, story.seat, sweep_form(story, **fields))
    assert getattr(told.value, "where", "") == where
    assert story.session.scalar(sa.select(sa.func.count()).select_from(Run)) == 0


def test_a_sweeps_page_tells_the_best_point(story: stories.Story, rita: TestClient) -> None:
    row = sweeping.start(story.session, story.seat, sweep_form(story, epochs="1,2"))
    for run, share in zip(groups.one(story.session, story.seat, row.id).runs, (0.4, 0.9), strict=True):
        run.result = {"accuracy": share, "steps": 3}
        stories.end(story.session, run)
    text = rita.get(f"{story.at}/groups/{row.id}").text
    assert text.index('class="best"') < text.index("90.0%")
    assert "40.0%" in text
    assert "data-follow" not in text, "all have ended"
    assert (
        f"/comparison?ids={','.join(str(run.id) for run in groups.one(story.session, story.seat, row.id).runs)}" in text
    )


def test_the_forms_start_a_chain_and_a_sweep_and_keep_what_was_wrong(story: stories.Story, rita: TestClient) -> None:
    assert "New chain" in rita.get(f"{story.at}/chains/new?preset=tiny").text
    answer = rita.post(f"{story.at}/chains", data=chain_form(story, "reward", "score", **{"reward-critiques": "human"}))
    assert "/groups/" in str(answer.url)
    assert "data-follow" in answer.text
    wrong = rita.post(f"{story.at}/chains", data=chain_form(story, **{"reward-epochs": "none"}))
    assert (wrong.status_code, 'id="reward-epochs-wrong"' in wrong.text) == (422, True)
    assert 'href="#reward-epochs"' in wrong.text
    assert "/groups/" in str(rita.post(f"{story.at}/sweeps", data=sweep_form(story, epochs="1,2")).url)
    wrong = rita.post(f"{story.at}/sweeps", data=sweep_form(story, epochs="1"))
    assert (wrong.status_code, 'id="values-1-wrong"' in wrong.text) == (422, True)
    listed = rita.get(f"{story.at}/groups").text
    assert "Chain" in listed
    assert "Sweep" in listed
    estimate = rita.get(f"{story.at}/chains/estimate", params=chain_form(story)).text
    assert estimate.count("\n\n") == len(chaining.STEPS) - 1


def test_a_single_run_is_refused_where_the_form_describes_a_sweep(story: stories.Story, rita: TestClient) -> None:
    answer = rita.post(story.at, data=sweep_form(story, epochs="1,2"))
    assert (answer.status_code, 'id="values-1-wrong"' in answer.text) == (422, True)
    assert "Start the sweep" in answer.text
    assert story.session.scalar(sa.select(sa.func.count()).select_from(Run)) == 0
    assert "/runs/" in str(rita.post(story.at, data=sweep_form(story, epochs="")).url), "a row without values is none"


def test_the_form_says_which_step_is_wrong_and_which_preset_it_shows(story: stories.Story, rita: TestClient) -> None:
    wrong = {"reward-epochs": "none", "mm_dpo-epochs": "0"}
    text = rita.post(f"{story.at}/chains", data=chain_form(story, **wrong)).text
    assert '<strong>Reward model</strong> · <a href="#reward-epochs">' in text
    assert '<strong>MM-DPO</strong> · <a href="#mm_dpo-epochs">' in text
    for at in (f"{story.at}/chains/new?", f"{story.at}/new?recipe=score&"):
        assert 'preset=tiny" aria-current="true"' in rita.get(f"{at}preset=tiny").text
        assert 'preset=tiny" aria-current' not in rita.get(at).text


def test_another_preset_keeps_what_it_does_not_set(story: stories.Story, rita: TestClient) -> None:
    kept = f"preset=tiny&name=Tuesday&max_hours=3&input-dataset={story.dataset.id}"
    for at in (f"{story.at}/chains/new", f"{story.at}/new?recipe=reward"):
        text = rita.get(f"{at}{'&' if '?' in at else '?'}{kept}").text
        assert 'value="Tuesday"' in text and f'<option value="{story.dataset.id}" selected>' in text
    assert re.search('name="max_hours"[^>]* value="3"', text)


def test_every_preset_of_a_chain_is_one_of_every_step() -> None:
    assert all(preset in PRESETS[recipe] for preset in chaining.presets() for recipe in chaining.STEPS)
    assert set(chaining.STEPS) <= set(KINDS)


def test_a_step_is_still_cancelled_and_resumed_alone(story: stories.Story) -> None:
    runs: dict[str, Any] = by_recipe(started(story, "reward", "score", **{"reward-critiques": "human"}))
    actions.cancel(story.session, story.seat, runs["reward"].id)
    assert choosing.best(story.session) is None
    actions.resume(story.session, story.seat, runs["reward"].id)
    assert choosing.best(story.session) == runs["reward"].id
