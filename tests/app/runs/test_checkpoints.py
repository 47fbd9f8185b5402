"""Checkpoints after their runs: promoted with who and why, taken along, given up, and kept by rule."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from pathlib import Path

import fsspec
import pytest
import sqlalchemy as sa
from lxml import html
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts.tables import AuditEntry
from app.core import storage
from app.core.db import now
from app.core.settings import settings
from app.runs import discarding, lineage, pushing, refusals, registry, retention
from app.runs.registry_tables import CheckpointDeletion, Promotion
from app.runs.retention import Entry, Rule
from app.runs.tables import Checkpoint, Run
from tests import cast
from tests.app.runs import stories


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


@pytest.fixture
def rita(story: stories.Story, client: TestClient) -> TestClient:
    return cast.sign_in(client, story.session, story.seat.user)


def left_by(story: stories.Story, run: Run, kind: str = "reward", accuracy: float | None = 0.5) -> Checkpoint:
    """As if the run had ended well and left its weights."""
    folder = storage.run_folder(run.id) / "output" / "checkpoint"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"w" * 1000)
    (folder / "config.json").write_text("{}")
    (storage.run_folder(run.id) / "checkpoints" / "step-1").mkdir(parents=True)
    (storage.run_folder(run.id) / "checkpoints" / "step-1" / "weights.safetensors").write_bytes(b"w" * 500)
    run.result = {"accuracy": accuracy, "steps": 4}
    row = Checkpoint(run_id=run.id, kind=kind, path="output/checkpoint", sha256="ab" * 32)
    story.session.add(row)
    stories.end(story.session, run)
    return row


def checkpoint(story: stories.Story) -> Checkpoint:
    return left_by(story, story.start())


def promote(story: stories.Story, one: Checkpoint, standing: str = "current", reason: str = "It wins") -> None:
    registry.promote(story.session, story.seat, one.id, standing, reason)
    story.session.commit()


def standings(story: stories.Story) -> dict[int, str]:
    rows = story.session.scalars(sa.select(Promotion).where(Promotion.ended_at.is_(None)))
    return {row.checkpoint_id: row.standing for row in rows}


def audited(story: stories.Story, action: str) -> list[dict[str, object]]:
    return list(story.session.scalars(sa.select(AuditEntry.detail).where(AuditEntry.action == action)))


def test_one_of_a_kind_is_current_and_the_one_before_says_until_when_and_why(story: stories.Story) -> None:
    first, second = checkpoint(story), checkpoint(story)
    policy = left_by(story, story.start(), "policy")
    promote(story, policy, reason="The only one")
    promote(story, first, "candidate")
    promote(story, first, reason="Steady for a week")
    promote(story, second, reason="Two points better")
    assert standings(story) == {policy.id: "current", second.id: "current"}
    history = registry.checkpoint(story.session, story.seat, first.id).promotions
    assert [(each.standing, each.reason, each.ended_reason) for each in history] == [
        ("candidate", "It wins", "Steady for a week"),
        ("current", "Steady for a week", "Two points better"),
    ]
    assert len(audited(story, "checkpoint.promoted")) == 4


def test_the_database_itself_holds_one_current_a_kind(story: stories.Story) -> None:
    first, second = checkpoint(story), checkpoint(story)
    promote(story, first)
    row = {"project_id": story.project.id, "kind": "reward", "user_id": story.seat.user.id, "reason": "Around the verb"}
    story.session.add(Promotion(checkpoint_id=second.id, standing="current", **row))
    with pytest.raises(IntegrityError):
        story.session.flush()
    story.session.rollback()


def test_a_promotion_without_a_reason_is_refused(story: stories.Story) -> None:
    with pytest.raises(refusals.ReasonMissing):
        promote(story, checkpoint(story), reason="  ")
    assert standings(story) == {}


def test_a_standing_is_withdrawn_once(story: stories.Story) -> None:
    one = checkpoint(story)
    promote(story, one)
    with pytest.raises(refusals.AlreadyStands):
        promote(story, one)
    registry.withdraw(story.session, story.seat, one.id, "It repeats itself")
    story.session.commit()
    assert standings(story) == {}
    with pytest.raises(refusals.NotPromoted):
        registry.withdraw(story.session, story.seat, one.id, "Again")


def test_weights_go_and_the_record_stays(story: stories.Story) -> None:
    one = checkpoint(story)
    promote(story, one, "candidate")
    discarding.delete(story.session, story.seat, one.id, "Superseded")
    story.session.commit()
    assert registry.folder_of(one).is_dir(), "nothing goes before the commit is certain"
    assert (discarding.clear(story.session), discarding.clear(story.session)) == (1, 0)
    assert not registry.folder_of(one).exists()
    assert not (storage.run_folder(one.run_id) / "checkpoints").exists()
    story.session.expire_all()
    (gone,) = registry.checkpoints(story.session, story.seat, gone=True)
    assert gone.deletion is not None
    assert (gone.deletion.reason, gone.deletion.bytes) == ("Superseded", 1502)
    assert standings(story) == {}
    with pytest.raises(refusals.CheckpointGone):
        promote(story, one)


def test_what_is_current_or_needed_by_a_waiting_run_is_not_deleted(story: stories.Story) -> None:
    one = checkpoint(story)
    waiting = story.start("score", config={}, inputs={"dataset": story.dataset.id, "reward": one.run_id})
    with pytest.raises(refusals.CheckpointInUse) as told:
        discarding.delete(story.session, story.seat, one.id, "Too large")
    assert f"#{waiting.id}" in told.value.what
    stories.end(story.session, waiting)
    promote(story, one)
    with pytest.raises(refusals.CheckpointIsCurrent):
        discarding.delete(story.session, story.seat, one.id, "Too large")


def test_the_base_of_an_adapter_that_is_there_is_needed(story: stories.Story) -> None:
    base = checkpoint(story)
    later = story.start(config={"base": str(registry.folder_of(base)), "critiques": "human"})
    adapter = left_by(story, later)
    (registry.folder_of(adapter) / "adapter_config.json").write_text("{}")
    users = discarding.users_of(story.session, base)
    assert [(user.run.id, user.role, user.needs) for user in users] == [(later.id, "base model", True)]
    discarding.delete(story.session, story.seat, adapter.id, "Not better")
    story.session.commit()
    story.session.expire_all()
    discarding.delete(story.session, story.seat, base.id, "Nor this")


def test_the_graph_says_what_is_current_and_what_was_deleted(story: stories.Story) -> None:
    first, second = checkpoint(story), checkpoint(story)
    promote(story, first)
    discarding.delete(story.session, story.seat, second.id, "Not better")
    story.session.commit()
    story.session.expire_all()
    lines = {node.key: node.line for node in lineage.of_dataset(story.session, story.seat, story.dataset).nodes}
    assert lines[f"r{first.run_id}"].startswith(f"#{first.run_id} · current")
    assert lines[f"r{second.run_id}"].startswith(f"#{second.run_id} · deleted")


def test_no_run_is_started_on_weights_that_are_gone(story: stories.Story) -> None:
    one = checkpoint(story)
    discarding.delete(story.session, story.seat, one.id, "Superseded")
    with pytest.raises(refusals.WrongInput, match="was deleted"):
        story.start("score", config={}, inputs={"dataset": story.dataset.id, "reward": one.run_id})


# ---- rules ----

DAY = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def entry(number: int, figure: float | None = None, kind: str = "reward", **changes: object) -> Entry:
    given = {"id": number, "kind": kind, "made_at": DAY + dt.timedelta(days=number), "figure": figure}
    return Entry(**{**given, "promoted": None, "users": (), **changes})  # type: ignore[arg-type]


def test_a_rule_keeps_the_last_the_best_the_promoted_the_used_and_the_young() -> None:
    entries = [
        entry(1, 0.9), entry(2, 0.3), entry(3, 0.2, promoted="candidate"), entry(4, 0.1, users=(12,)), entry(5),
        entry(6, 0.4), entry(7, 0.1, kind="policy", made_at=DAY),
    ]  # fmt: skip
    found = retention.fates(entries, Rule(True, 1, 1, 2), DAY + dt.timedelta(days=6, hours=1))
    assert [fate.reasons for fate in found] == [
        ("among the best",), (), ("promoted",), ("used by run #12",), ("too young",), ("among the last", "too young"),
        ("among the last", "among the best"),
    ]  # fmt: skip
    assert [fate.goes for fate in found] == [False, True, False, False, False, False, False]


def test_the_newest_rule_is_applied_and_nothing_goes_without_one(story: stories.Story) -> None:
    old, used, new = checkpoint(story), checkpoint(story), checkpoint(story)
    story.session.execute(sa.update(Checkpoint).values(created_at=now() - dt.timedelta(days=60)))
    story.start("score", config={}, inputs={"dataset": story.dataset.id, "reward": used.run_id})
    assert retention.apply(story.session) == 0
    retention.decide(story.session, story.seat, Rule(False, 1, 0, 7))
    assert retention.apply(story.session) == 0
    retention.decide(story.session, story.seat, Rule(True, 1, 0, 7))
    story.session.commit()
    assert (retention.apply(story.session), retention.apply(story.session)) == (1, 0)
    story.session.commit()
    (row,) = story.session.scalars(sa.select(CheckpointDeletion))
    assert (row.checkpoint_id, row.user_id) == (old.id, None)
    assert {one.id for one in registry.checkpoints(story.session, story.seat)} == {used.id, new.id}
    assert audited(story, "checkpoint.deleted") == [{"kind": "reward", "by": "rule"}]


def test_a_rule_that_would_keep_nothing_is_refused(story: stories.Story) -> None:
    with pytest.raises(refusals.BadRule):
        retention.decide(story.session, story.seat, Rule(True, 0, 0, 7))


# ---- copies ----


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSH_TO", f"{tmp_path / 'models'}, file://{tmp_path / 'bucket'}, memory://far")
    settings.cache_clear()
    return tmp_path


def test_a_copy_is_whole_once_its_sums_are_there(story: stories.Story, place: Path) -> None:
    one = checkpoint(story)
    for root in pushing.roots():
        push = pushing.ask(story.session, story.seat, one.id, root, "streets/reward-1")
        story.session.commit()
        assert pushing.perform(push.id, lambda: True), "no time: it is left for the next look"
        assert not pushing.perform(push.id)
    for folder in (place / "models", place / "bucket"):
        there = {path.name for path in (folder / "streets" / "reward-1").iterdir()}
        assert there == {"config.json", "model.safetensors", "SHA256SUMS"}
    far = fsspec.filesystem("memory")
    assert far.cat_file("/far/streets/reward-1/model.safetensors") == b"w" * 1000
    far.rm("/far", recursive=True)
    story.session.expire_all()
    assert [push.failure for push in one.pushes] == [None, None, None]


def test_a_place_whose_driver_is_not_there_says_so_on_the_page(
    story: stories.Story, place: Path, rita: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSH_TO", "nosuch://far")
    settings.cache_clear()
    one = checkpoint(story)
    at = f"{story.at}/checkpoints/{one.id}"
    assert "nosuch://far/a" in rita.post(f"{at}/pushes", data={"root": "nosuch://far", "folder": "a"}).text
    assert not pushing.perform(pushing.unfinished(story.session)[0])
    assert "Protocol not known: nosuch" in rita.get(at).text


def test_what_lies_at_a_place_already_is_not_overwritten(story: stories.Story, place: Path) -> None:
    taken = place / "models" / "mine"
    taken.mkdir(parents=True)
    (taken / "config.json").write_text("someone's own")
    one = checkpoint(story)
    push = pushing.ask(story.session, story.seat, one.id, str(place / "models"), "mine")
    story.session.commit()
    assert not pushing.perform(push.id)
    story.session.expire_all()
    assert "TargetTaken" in str(one.pushes[0].failure)
    assert (taken / "config.json").read_text() == "someone's own"


@pytest.mark.parametrize("name", ["../up", "a//b", "/etc", ".hidden", "", "a/../../b"])
def test_a_name_that_leads_elsewhere_is_refused(story: stories.Story, place: Path, name: str) -> None:
    with pytest.raises(refusals.BadTarget):
        pushing.ask(story.session, story.seat, checkpoint(story).id, str(place / "models"), name)


def test_only_places_that_the_operator_allows_take_copies(story: stories.Story, place: Path) -> None:
    with pytest.raises(refusals.BadTarget):
        pushing.ask(story.session, story.seat, checkpoint(story).id, "/etc", "models")


# ---- pages ----


def test_the_register_promotes_says_why_and_gives_the_weights_as_a_zip(story: stories.Story, rita: TestClient) -> None:
    assert "No checkpoints yet" in rita.get(f"{story.at}/checkpoints").text
    one = checkpoint(story)
    at = f"{story.at}/checkpoints/{one.id}"
    refused = rita.post(f"{at}/promotions", data={"standing": "current", "reason": " "})
    assert (refused.status_code, "ReasonMissing" in refused.text) == (422, True)
    page = rita.post(f"{at}/promotions", data={"standing": "current", "reason": "Two points <better>"})
    assert "Two points &lt;better&gt;" in page.text
    assert "current" in rita.get(f"{story.at}/checkpoints").text
    archive = zipfile.ZipFile(io.BytesIO(rita.get(f"{at}/download").content))
    name = f"streets-run-{one.run_id}-reward"
    assert sorted(archive.namelist()) == [f"{name}/config.json", f"{name}/model.safetensors"]
    assert archive.read(f"{name}/model.safetensors") == b"w" * 1000
    assert audited(story, "checkpoint.exported")


def test_who_uses_a_checkpoint_is_named_before_it_is_deleted(story: stories.Story, rita: TestClient) -> None:
    one = checkpoint(story)
    reader = story.start(
        "score", name="the margins", config={}, inputs={"dataset": story.dataset.id, "reward": one.run_id}
    )
    at = f"{story.at}/checkpoints/{one.id}/deletion"
    asked = rita.get(at).text
    assert "the margins" in asked and "It cannot be deleted now." in asked
    assert rita.post(at, data={"reason": "Too large"}).status_code == 409
    stories.end(story.session, reader)
    asked = rita.get(at).text
    assert "the margins" in asked and "1.5 kB become free" in asked
    assert "Deleted" in rita.post(at, data={"reason": "Too large"}).text
    assert rita.get(f"{story.at}/checkpoints/{one.id}/download").status_code == 404
    assert "deleted by Rita: Too large" in rita.get(f"{story.at}/checkpoints/{one.id}").text


def test_a_rule_is_shown_before_it_holds(story: stories.Story, rita: TestClient) -> None:
    for _number in range(2):
        checkpoint(story)
    at = f"{story.at}/checkpoints/retention"
    assert "everything stays" in rita.get(at).text
    tried = rita.get(at, params={"keep_last": 1, "keep_best": 0, "min_days": 0, "applies": True}).text
    assert "1 checkpoint would go" in tried
    assert story.session.scalar(sa.select(sa.func.count()).select_from(CheckpointDeletion)) == 0
    rule = {"keep_last": "1", "keep_best": "0", "min_days": "0", "applies": "true"}
    assert "The rule that holds is by Rita" in rita.post(at, data=rule).text
    assert rita.post(at, data={**rule, "keep_last": "0"}).status_code == 422
    assert rita.get(at, params={"keep_last": -1}).status_code == 422


def test_a_reviewer_looks_at_checkpoints_and_changes_none(story: stories.Story, client: TestClient) -> None:
    one = checkpoint(story)
    rob = cast.seat(story.session, cast.user(story.session, "Rob"), story.project, "reviewer")
    cast.sign_in(client, story.session, rob.user)
    at = f"{story.at}/checkpoints/{one.id}"
    assert client.get(at).status_code == 200
    assert client.post(f"{at}/promotions", data={"standing": "current", "reason": "Mine"}).status_code == 403
    assert client.post(f"{at}/deletion", data={"reason": "Mine"}).status_code == 403
    assert client.get(f"{at}/download").status_code == 403


def test_a_checkpoint_leads_to_what_one_does_with_it_and_the_list_says_who_and_why(
    rita: TestClient, story: stories.Story
) -> None:
    wished, newest = (left_by(story, story.start(), "reward") for _ in range(2))
    promote(story, wished, reason="It judges as we do")
    page = html.fromstring(rita.get(f"{story.at}/checkpoints/{wished.id}").text)
    (link,) = page.xpath("//a[contains(@href, 'recipe=score')]/@href")
    form = html.fromstring(rita.get(link).text)
    assert form.xpath("//select[@name='input-reward']/option[@selected]/@value") == [str(wished.run_id)]
    other = html.fromstring(rita.get(f"{story.at}/new?recipe=score").text)
    assert other.xpath("//select[@name='input-reward']/option[@selected]/@value") == [str(newest.run_id)]
    assert rita.get(f"{story.at}/new?recipe=score&of={wished.run_id + 10**6}").status_code == 200
    assert "It judges as we do" in rita.get(f"{story.at}/checkpoints").text
