"""Which worker performs a run, and what one that lost it may still do: nothing."""

from __future__ import annotations

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import storage
from app.core.db import now, transaction
from app.runs import actions, claims, kinds, queries
from app.runs.claims import Claim, Line
from app.runs.refusals import ClaimLost, NoApprovedCritiques
from app.runs.tables import Approval, Checkpoint, Critique, Metric, Run, RunInput
from tests.app.runs import stories


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


def take(run: Run, worker: str = "worker") -> Claim | None:
    with transaction() as session:
        return claims.take(session, run.id, worker)


def silence(session: Session, run: Run) -> None:
    """The holder's heartbeat stopped two minutes ago."""
    session.execute(sa.update(Run).where(Run.id == run.id).values(heartbeat_at=now() - dt.timedelta(minutes=2)))
    session.commit()


def test_of_eight_workers_that_race_one_claims_the_run(story: stories.Story) -> None:
    run, together = story.start(), Barrier(8)

    def race(number: int) -> Claim | None:
        together.wait()
        return take(run, f"worker {number}")

    with ThreadPoolExecutor(8) as pool:
        found = [claim for claim in pool.map(race, range(8)) if claim]
    assert len(found) == 1
    assert found[0].fence == 1


def test_a_run_whose_worker_went_silent_is_taken_over_and_the_old_one_may_write_nothing(story: stories.Story) -> None:
    run = story.start()
    old = take(run, "old")
    assert old is not None
    assert take(run, "eager") is None, "a claim with a heartbeat is respected"
    silence(story.session, run)
    new = take(run, "new")
    assert new is not None
    assert new.fence == old.fence + 1
    for write in (
        lambda session: claims.report(session, old, [Line(0, {"kind": "note", "text": "I am late"})], ""),
        lambda session: claims.end(session, old, 1, "Failed: late"),
        lambda session: claims.release(session, old),
    ):
        with pytest.raises(ClaimLost), transaction() as session:
            write(session)
    story.session.expire_all()
    assert story.session.scalar(sa.select(sa.func.count()).select_from(Metric)) == 0
    assert queries.state_of(story.session.get_one(Run, run.id)) == "running"


def test_a_line_that_is_reported_twice_is_kept_once(story: stories.Story) -> None:
    claim = take(story.start())
    assert claim is not None
    lines = [Line(0, {"kind": "metric", "step": 1}), Line(40, {"kind": "metric", "step": 2})]
    for _ in range(2):
        with transaction() as session:
            assert claims.report(session, claim, lines, "a log") is False
    assert story.session.scalar(sa.select(sa.func.count()).select_from(Metric)) == 2
    assert claims.last_offset(story.session, claim) == 40


def test_a_run_waits_for_its_input_and_fails_by_name_when_that_fails(story: stories.Story) -> None:
    reward = story.start()
    score = story.start("score", config={}, inputs={"dataset": story.dataset.id, "reward": reward.id})
    assert take(score) is None
    with transaction() as session:
        assert claims.offers(session) == [reward.id]
    stories.end(story.session, reward, "Diverged: the loss is not finite")
    with transaction() as session:
        assert claims.offers(session) == []
    story.session.expire_all()
    assert story.session.get_one(Run, score.id).failure == (
        f"InputLost: Its input “Reward model”, run {reward.id} “a reward”, failed. (inputs/reward)"
    )


def test_a_cancelled_run_whose_worker_went_silent_ends(story: stories.Story) -> None:
    run = story.start()
    assert take(run)
    actions.cancel(story.session, story.seat, run.id)
    silence(story.session, run)
    with transaction() as session:
        assert claims.offers(session) == []
    story.session.expire_all()
    assert queries.state_of(story.session.get_one(Run, run.id)) == "cancelled"


def test_a_released_run_can_be_taken_again(story: stories.Story) -> None:
    run = story.start()
    first = take(run)
    assert first is not None
    with transaction() as session:
        claims.release(session, first)
    second = take(run)
    assert second is not None
    assert second.fence == first.fence + 1


def test_the_folder_gets_the_config_links_to_inputs_and_only_approved_critiques(story: stories.Story) -> None:
    source = story.start("expand")
    for number, reply in enumerate(("r0-0", "r0-1", "r0-2")):
        critique = Critique(
            run_id=source.id, dataset_id=story.dataset.id, sample_key="s0", response_key=reply,
            human="short", text=f"about {reply}", prompt="?", parameters={},
        )  # fmt: skip
        if number < 2:
            critique.approval = Approval(user_id=story.seat.user.id, approved=number == 0)
        story.session.add(critique)
    stories.end(story.session, source)
    inputs = {"dataset": story.dataset.id, "critiques": source.id}
    run = story.start(config={"base": str(story.base)}, inputs=inputs)
    folder = storage.run_folder(run.id)
    kinds.prepare(story.session, run, folder)
    kinds.prepare(story.session, run, folder)
    assert json.loads((folder / "config.json").read_text())["recipe"] == "reward"
    assert (folder / "inputs" / "dataset" / "samples.jsonl").is_file()
    lines = (folder / "inputs" / "critiques.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"sample": "s0", "response": "r0-0", "text": "about r0-0"}]


def test_no_approved_critique_is_a_refusal_not_an_empty_file(story: stories.Story) -> None:
    source = story.start("expand")
    stories.end(story.session, source)
    run = story.start()
    run.inputs.append(RunInput(role="critiques", from_run_id=source.id))
    with pytest.raises(NoApprovedCritiques):
        kinds.prepare(story.session, run, storage.run_folder(run.id))


def left_behind(run: Run) -> Path:
    """The output of a reward run, by hand."""
    place = storage.run_folder(run.id) / "output" / "checkpoint"
    place.mkdir(parents=True)
    (place / "meta.json").write_text('{"kind": "reward"}')
    (place / "head.safetensors").write_bytes(b"weights")
    (storage.run_folder(run.id) / "result.json").write_text('{"accuracy": 0.75}')
    return place


def test_a_run_that_ended_well_leaves_its_numbers_and_a_hashed_checkpoint(story: stories.Story) -> None:
    run = story.start()
    place = left_behind(run)
    claim = take(run)
    assert claim is not None
    sha256 = kinds.sealed(claim.recipe, storage.run_folder(run.id))
    with transaction() as session:
        claims.end(session, claim, 0, None, sha256)
    story.session.expire_all()
    ended = story.session.get_one(Run, run.id)
    assert (queries.state_of(ended), ended.result) == ("done", {"accuracy": 0.75})
    kept = story.session.scalars(sa.select(Checkpoint)).one()
    assert (kept.kind, kept.sha256) == ("reward", kinds.sha256_of_folder(place))
    (place / "head.safetensors").write_bytes(b"other weights")
    assert kept.sha256 != kinds.sha256_of_folder(place)
