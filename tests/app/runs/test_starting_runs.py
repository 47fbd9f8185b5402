"""What a researcher may start, what is refused before it starts, and what becomes of it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.tables import AuditEntry
from app.core.errors import NotFound
from app.core.settings import settings
from app.runs import actions, queries, refusals
from app.runs.tables import Critique, Run
from tests.app.runs import stories


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


def test_a_started_run_waits_and_is_in_the_audit_log(story: stories.Story) -> None:
    run = story.start()
    assert queries.state_of(run) == "waiting"
    assert run.config["critiques"] == "human"
    assert run.config["learning_rate"] == 1e-6, "fields that nobody named have their defaults"
    assert (
        story.session.scalar(sa.select(AuditEntry.action).where(AuditEntry.subject == f"run {run.id}")) == "run.started"
    )


@pytest.mark.parametrize(
    ("config", "field"),
    [({"learning_rate": 7.0}, "learning_rate"), ({"epochs": "two"}, "epochs"), ({"no_such": 1}, "no_such")],
)
def test_a_wrong_config_is_refused_naming_the_field(
    story: stories.Story, config: dict[str, object], field: str
) -> None:
    with pytest.raises(refusals.BadConfig) as told:
        story.start(config={"base": str(story.base), **config})
    assert told.value.where == field
    assert story.session.scalar(sa.select(sa.func.count()).select_from(Run)) == 0


def test_everything_that_is_wrong_is_said_at_once_and_nothing_is_queued(story: stories.Story) -> None:
    with pytest.raises(refusals.SeveralFaults) as told:
        story.start(name="x" * 200, config={"base": str(story.base), "epochs": 0, "learning_rate": 7.0}, inputs={})
    faults = {each.where: each.name for each in told.value.faults}
    assert faults == {"name": "BadName", "epochs": "BadConfig", "learning_rate": "BadConfig"}
    assert [each["where"] for each in told.value.as_json()["faults"]] == list(faults)
    assert story.session.scalar(sa.select(sa.func.count()).select_from(Run)) == 0


def test_an_input_that_the_config_passes_by_holds_no_run(story: stories.Story) -> None:
    """The form offers scores and critiques before anyone says that margins and critiques come from people."""
    expanded, reward = story.start("expand", config={"base": str(story.base), "expander": "local"}), story.start()
    scores = story.start("score", config={}, inputs={"dataset": story.dataset.id, "reward": reward.id})
    inputs = {"dataset": story.dataset.id, "scores": scores.id}
    policy = story.start("mm_dpo", config={"base": str(story.base), "margins": "human"}, inputs=inputs)
    assert ([each.role for each in policy.inputs], queries.waits_for(story.session, policy)) == (["dataset"], [])
    held = story.start("mm_dpo", config={"base": str(story.base)}, inputs=inputs)
    assert queries.waits_for(story.session, held)
    human = story.start(inputs={"dataset": story.dataset.id, "critiques": expanded.id})
    assert queries.waits_for(story.session, human) == []


def test_an_unknown_recipe_is_refused(story: stories.Story) -> None:
    with pytest.raises(refusals.UnknownRecipe):
        story.start(recipe="alchemy", config={})


def test_a_base_model_path_that_does_not_exist_is_refused(story: stories.Story) -> None:
    with pytest.raises(refusals.BaseModelNotFound) as told:
        story.start(config={"base": "/no/such/model", "critiques": "human"})
    assert told.value.where == "base"
    assert "/no/such/model" in told.value.what


def test_a_hub_id_as_base_model_is_left_to_the_trainer(story: stories.Story) -> None:
    run = story.start(config={"base": "acme/some-vlm", "critiques": "human"})
    assert run.config["base"] == "acme/some-vlm"


def test_no_base_model_means_the_platforms_own(story: stories.Story) -> None:
    assert story.start(config={"critiques": "human"}).config["base"] == str(story.base)


def test_a_dataset_of_another_project_is_not_found(story: stories.Story) -> None:
    other = stories.begin(story.session, "Otto", "Fields")
    with pytest.raises(NotFound):
        story.start(inputs={"dataset": other.dataset.id})


def test_a_run_of_another_project_is_not_found_as_input(story: stories.Story) -> None:
    other = stories.begin(story.session, "Otto", "Fields").start()
    with pytest.raises(NotFound):
        story.start("score", config={}, inputs={"dataset": story.dataset.id, "reward": other.id})


def test_a_dataset_without_pairs_is_refused(story: stories.Story) -> None:
    bare = stories.freeze(story.session, story.seat, pairs=0)
    with pytest.raises(refusals.NoPairs):
        story.start(inputs={"dataset": bare.id})


def test_a_missing_input_is_named(story: stories.Story) -> None:
    with pytest.raises(refusals.InputMissing) as told:
        story.start("mm_dpo")
    assert told.value.where == "scores"
    assert story.start("mm_dpo", config={"base": str(story.base), "objective": "dpo"}), "plain DPO needs no scores"


def test_an_input_of_the_wrong_recipe_is_refused(story: stories.Story) -> None:
    reward = story.start()
    with pytest.raises(refusals.WrongInput):
        story.start("mm_dpo", inputs={"dataset": story.dataset.id, "scores": reward.id})


def test_a_failed_run_is_no_input(story: stories.Story) -> None:
    reward = story.start()
    stories.end(story.session, reward, "Diverged: the loss is not finite")
    with pytest.raises(refusals.WrongInput, match="failed"):
        story.start("score", config={}, inputs={"dataset": story.dataset.id, "reward": reward.id})


def test_expanding_with_neither_endpoint_nor_model_says_what_to_set(story: stories.Story) -> None:
    with pytest.raises(refusals.NoExpander, match="OPENAI_BASE_URL, OPENAI_MODEL"):
        story.start("expand", config={})


def test_expanding_by_an_endpoint_is_accepted(story: stories.Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_MODEL", "some-model")
    settings.cache_clear()
    assert story.start("expand", config={}).recipe == "expand"


def test_a_waiting_run_that_is_cancelled_ends_at_once_with_the_name_of_who_did_it(story: stories.Story) -> None:
    run = story.start()
    actions.cancel(story.session, story.seat, run.id, "wrong dataset")
    actions_again = queries.run(story.session, story.seat, run.id)
    assert queries.state_of(actions_again) == "cancelled"
    assert actions_again.cancellation is not None
    assert actions_again.cancellation.user.name == "Rita"
    with pytest.raises(refusals.RunEnded):
        actions.cancel(story.session, story.seat, run.id)


def test_a_cancelled_run_goes_on_when_asked_and_a_done_one_does_not(story: stories.Story) -> None:
    run = story.start()
    actions.cancel(story.session, story.seat, run.id)
    story.session.commit()
    actions.resume(story.session, story.seat, run.id)
    story.session.commit()
    assert queries.state_of(queries.run(story.session, story.seat, run.id)) == "waiting"
    stories.end(story.session, run)
    with pytest.raises(refusals.NotResumable):
        actions.resume(story.session, story.seat, run.id)


def test_a_clone_has_the_same_config_and_inputs(story: stories.Story) -> None:
    run = story.start(config={"base": str(story.base), "critiques": "none", "epochs": 3})
    again = actions.clone(story.session, story.seat, run.id)
    assert again.id != run.id
    assert again.config == run.config
    assert [each.dataset_id for each in again.inputs] == [story.dataset.id]


def expanded(story: stories.Story) -> Run:
    """A finished expand run with two critiques that nobody has answered."""
    run = story.start("expand")
    for reply in ("r0-0", "r0-1"):
        story.session.add(
            Critique(
                run_id=run.id, dataset_id=story.dataset.id, sample_key="s0", response_key=reply,
                human="short", text=f"Long words about {reply}.", prompt="?", parameters={},
            )
        )  # fmt: skip
    stories.end(story.session, run)
    return run


def test_a_reward_run_waits_until_every_critique_is_answered(story: stories.Story) -> None:
    source = expanded(story)
    inputs = {"dataset": story.dataset.id, "critiques": source.id}
    reward = story.start(config={"base": str(story.base)}, inputs=inputs)
    assert "2 critiques" in queries.waits_for(story.session, reward)[0]
    first = story.session.scalars(sa.select(Critique.id).order_by(Critique.id)).first()
    assert actions.approve(story.session, story.seat, source.id, [first or 0], approved=False) == 1
    assert actions.approve(story.session, story.seat, source.id) == 1, "all means those that nobody has answered"
    assert queries.waits_for(story.session, reward) == []
    assert queries.answers(story.session, source.id) == {"approved": 1, "declined": 1, "unanswered": 0}


def test_critiques_that_were_all_declined_are_refused(story: stories.Story) -> None:
    source = expanded(story)
    actions.approve(story.session, story.seat, source.id, approved=False)
    with pytest.raises(refusals.NoApprovedCritiques):
        story.start(config={"base": str(story.base)}, inputs={"dataset": story.dataset.id, "critiques": source.id})


def test_a_critique_of_another_run_cannot_be_answered(story: stories.Story) -> None:
    source, other = expanded(story), expanded(story)
    strange = story.session.scalars(sa.select(Critique.id).where(Critique.run_id == other.id)).first()
    with pytest.raises(NotFound):
        actions.approve(story.session, story.seat, source.id, [strange or 0])
