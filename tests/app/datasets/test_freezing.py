"""Freezing: what people judged becomes a folder that is the same each time, or nothing at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.annotations import actions as annotations
from app.annotations.tables import Adjudication
from app.core import storage
from app.datasets import actions, splits, tallying
from app.datasets.refusals import BadFreeze, MediumMissing, NoPairs
from app.datasets.tables import Dataset
from app.datasets.voting import Choice
from app.projects.guard import Seat
from app.samples.tables import Medium, Sample
from app.tasks import actions as tasks
from tests import cast
from tests.app.annotations import desk


def judged_project(session: Session, samples: int = 6, accepted: int = 6) -> Seat:
    """A project with so many samples, each with a picture of its own, judged and accepted; its researcher's seat."""
    alice = cast.user(session, "alice", is_admin=True)
    project = cast.project(session, alice)
    for number in range(samples):
        row = cast.sample(session, project, f"Question {number}")
        row.media[0].blob_sha256 = storage.put_blob(cast.picture(size=(32 + number, 32)))
    tasks.cut_tasks(session, project, alice)
    bob, rosa = desk.annotator(session, project), desk.reviewer(session, project)
    for number in range(samples):
        made = desk.annotate(session, bob)
        if number < accepted:
            annotations.accept(session, rosa, made.id)
    return cast.seat(session, cast.user(session, "ray"), project, "researcher")


def lines(dataset: Dataset, name: str) -> list[dict[str, Any]]:
    text = (storage.dataset_folder(dataset.id) / name).read_text()
    return [json.loads(line) for line in text.splitlines()]


def files(dataset: Dataset) -> dict[str, bytes]:
    folder = storage.dataset_folder(dataset.id)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_only_accepted_annotations_are_frozen(session: Session) -> None:
    seat = judged_project(session, samples=3, accepted=2)
    dataset = actions.freeze(session, seat, "first")
    assert dataset.counts["samples"] == 2
    assert dataset.counts["pairs"] == 12
    assert len(lines(dataset, "pairs.jsonl")) == 12


def test_a_reviewers_correction_is_what_counts(session: Session) -> None:
    seat = judged_project(session, samples=1, accepted=0)
    annotation = session.scalars(sa.select(desk.Annotation)).one()
    rosa = cast.seat(session, cast.user(session, "rita"), seat.project, "reviewer")
    ids = [str(response.id) for response in annotation.sample.responses]
    corrected = desk.content(annotation.sample, ranking=[[ids[3]], ids[:3]])
    annotations.correct(session, rosa, annotation.id, corrected)
    dataset = actions.freeze(session, seat, "first", held_out_share=0)
    assert {(row["chosen"], row["rejected"]) for row in lines(dataset, "pairs.jsonl")} == {
        (f"r{ids[3]}", f"r{other}") for other in ids[:3]
    }


def test_a_sample_line_says_all_that_a_trainer_needs(session: Session) -> None:
    seat = judged_project(session, samples=1)
    dataset = actions.freeze(session, seat, "first")
    (line,) = lines(dataset, "samples.jsonl")
    first = line["responses"][0]
    assert first["scores"] == {"ethics": 5.0, "faithfulness": 3.0, "helpfulness": 4.0}
    assert first["critique"].startswith("Because of")
    assert [each["rank"] for each in line["responses"]] == [1, 2, 3, 4]
    assert (storage.dataset_folder(dataset.id) / line["media"][0]["path"]).read_bytes() == cast.picture(size=(32, 32))


def test_freezing_twice_gives_the_same_bytes_and_a_new_version(session: Session) -> None:
    seat = judged_project(session)
    first, second = actions.freeze(session, seat, "data"), actions.freeze(session, seat, "data")
    assert (first.version, second.version) == (1, 2)
    assert files(first) == files(second)
    assert first.sha256 == second.sha256


def test_the_sums_fix_every_file(session: Session) -> None:
    dataset = actions.freeze(session, judged_project(session), "data")
    kept = files(dataset)
    sums = kept.pop("SHA256SUMS").decode()
    listed = dict(reversed(line.split("  ")) for line in sums.splitlines())
    assert listed == {name: hashlib.sha256(content).hexdigest() for name, content in kept.items()}
    assert dataset.sha256 == hashlib.sha256(sums.encode()).hexdigest()


def test_whole_samples_are_held_out_and_both_splits_have_some(session: Session) -> None:
    dataset = actions.freeze(session, judged_project(session), "data", held_out_share=0.2)
    split_of = {line["id"]: line["split"] for line in lines(dataset, "samples.jsonl")}
    assert set(split_of.values()) == {"train", "held_out"}
    assert all(row["split"] == split_of[row["sample"]] for row in lines(dataset, "pairs.jsonl"))
    assert dataset.counts["held_out"]["pairs"] + dataset.counts["train"]["pairs"] == dataset.counts["pairs"]


def test_samples_that_share_a_picture_go_the_same_way() -> None:
    blobs = {1: {"a"}, 2: {"b"}, 3: {"a", "c"}, 4: {"c"}, 5: {"d"}}
    assert splits.connected(blobs) == [[1, 3, 4], [2], [5]]
    for seed in range(20):
        found = splits.split(blobs, set(blobs), 0.4, seed)
        assert found[1] == found[3] == found[4]
        assert set(found.values()) == {"train", "held_out"}


def test_a_sample_held_out_once_is_held_out_when_more_have_come() -> None:
    before = splits.split({id: {str(id)} for id in range(1, 100)}, set(range(1, 100)), 0.2, 0)
    after = splits.split({id: {str(id)} for id in range(1, 200)}, set(range(1, 200)), 0.2, 0)
    assert {id: after[id] for id in before} == before


def test_one_sample_goes_into_training() -> None:
    assert splits.split({1: {"a"}}, {1}, 0.9, 3) == {1: "train"}


def test_a_positive_sample_is_in_the_folder_with_its_text(session: Session) -> None:
    seat = judged_project(session, samples=1, accepted=0)
    annotation = session.scalars(sa.select(desk.Annotation)).one()
    ids = [str(response.id) for response in annotation.sample.responses]
    tied = desk.content(annotation.sample, ranking=[ids], tie=True, positive="A tram.")
    rita = cast.seat(session, cast.user(session, "rita"), seat.project, "reviewer")
    annotations.correct(session, rita, annotation.id, tied)
    dataset = actions.freeze(session, seat, "data")
    (line,) = lines(dataset, "samples.jsonl")
    written = line["responses"][-1]
    assert (written["id"], written["origin"], written["text"], written["rank"]) == (
        f"a{annotation.id}+",
        "positive",
        "A tram.",
        1,
    )
    assert len(lines(dataset, "pairs.jsonl")) == 4
    assert dataset.counts["positives"] == 1


def test_nothing_accepted_freezes_nothing(session: Session) -> None:
    seat = judged_project(session, samples=2, accepted=0)
    session.commit()
    with pytest.raises(NoPairs):
        actions.freeze(session, seat, "data")
    session.rollback()
    assert session.scalar(sa.select(sa.func.count()).select_from(Dataset)) == 0
    assert list((storage.root() / "datasets").glob("*")) == []


def test_a_lost_picture_is_named_and_nothing_stays(session: Session) -> None:
    seat = judged_project(session, samples=2)
    medium = session.scalars(sa.select(Medium).join(Sample).order_by(Sample.id)).first()
    assert medium is not None
    storage.blob_path(medium.blob_sha256).unlink()
    with pytest.raises(MediumMissing, match=f"sample {medium.sample_id}"):
        actions.freeze(session, seat, "data")
    assert list((storage.root() / "datasets").glob("*")) == []


def test_a_transaction_that_fails_leaves_no_folder(session: Session) -> None:
    seat = judged_project(session)
    session.commit()
    dataset = actions.freeze(session, seat, "data")
    place: Path = storage.dataset_folder(dataset.id)
    assert place.exists()
    session.rollback()
    assert not place.exists()


def test_a_dataset_that_was_committed_outlives_a_later_rollback(session: Session) -> None:
    dataset = actions.freeze(session, judged_project(session), "data")
    session.commit()
    session.execute(sa.select(Dataset.id))
    session.rollback()
    assert storage.dataset_folder(dataset.id).exists()


@pytest.mark.parametrize(
    ("name", "share", "seed", "where"),
    [
        ("", 0.2, 0, "name"),
        ("x" * 101, 0.2, 0, "name"),
        ("a\0b", 0.2, 0, "name"),
        ("data", 0.95, 0, "held_out_share"),
        ("data", float("nan"), 0, "held_out_share"),
        ("data", 0.2, -1, "seed"),
    ],
)
def test_a_bad_freeze_names_its_field(session: Session, name: str, share: float, seed: int, where: str) -> None:
    seat = judged_project(session, samples=1)
    with pytest.raises(BadFreeze) as refusal:
        actions.freeze(session, seat, name, share, seed)
    assert refusal.value.where == where


def apart(session: Session) -> tuple[Seat, list[desk.Annotation]]:
    """One sample on whose first pair two accepted annotators differ, while a third's annotation waits for a verdict."""
    project = desk.project(session, samples=1, overlap=3)
    rosa = desk.reviewer(session, project)
    made = []
    for name, turned in (("bob", False), ("cho", True), ("dee", True)):
        seat = desk.annotator(session, project, name)
        held = desk.lease(session, seat)
        ids = [str(response.id) for response in held.task.sample.responses]
        order = [ids[1], ids[0], *ids[2:]] if turned else ids
        content = desk.content(held.task.sample, ranking=[[each] for each in order])
        made.append(annotations.submit(session, seat, held.task_id, content, f"key {held.id}", 42.0))
    for each in made[:2]:
        annotations.accept(session, rosa, each.id)
    return cast.seat(session, cast.user(session, "ray"), project, "researcher"), made


def test_each_pair_carries_its_votes_and_its_confidence(session: Session) -> None:
    seat, _ = apart(session)
    dataset = actions.freeze(session, seat, "data")
    assert {json.dumps(line["votes"]) for line in lines(dataset, "pairs.jsonl")} == {
        '{"for": 2, "against": 0, "tied": 0}'
    }
    assert {line["confidence"] for line in lines(dataset, "pairs.jsonl")} == {1.0}
    assert dataset.counts["pairs"] == 5  # of six: on one the two are even
    assert dataset.settings["left_out"] == {"annotations_waiting_for_a_verdict": 1, "pairs_without_majority": 1}


def test_a_majority_may_count_what_waits_for_a_verdict(session: Session) -> None:
    seat, made = apart(session)
    dataset = actions.freeze(session, seat, "data", choice=Choice("majority", minimum=2, waiting=True))
    assert dataset.counts["pairs"] == 6
    assert dataset.counts["annotations"] == 3
    ids = [f"r{response.id}" for response in made[0].sample.responses]
    turned = next(line for line in lines(dataset, "pairs.jsonl") if {line["chosen"], line["rejected"]} == set(ids[:2]))
    assert (turned["chosen"], turned["votes"]) == (ids[1], {"for": 2, "against": 1, "tied": 0})


def test_a_reviewers_decision_comes_before_all_annotations(session: Session) -> None:
    seat, made = apart(session)
    ids = [str(response.id) for response in made[0].sample.responses]
    final = desk.content(made[0].sample, ranking=[[ids[3]], ids[:3]])
    session.add(
        Adjudication(
            project_id=seat.project.id,
            sample_id=made[0].sample_id,
            number=1,
            author_id=seat.user.id,
            content=final,
            revisions=[],
        )
    )
    session.flush()
    dataset = actions.freeze(session, seat, "data")
    assert {(line["chosen"], line["rejected"]) for line in lines(dataset, "pairs.jsonl")} == {
        (f"r{ids[3]}", f"r{other}") for other in ids[:3]
    }
    assert dataset.settings["left_out"] == {"annotations_decided_over": 3}
    assert actions.freeze(session, seat, "plain", choice=Choice("accepted")).counts["pairs"] == 5


def test_weighing_by_reliability_is_told_on_the_card(session: Session) -> None:
    seat, _ = apart(session)
    dataset = actions.freeze(session, seat, "data", choice=Choice("weighted", confidence=0.5, waiting=True))
    chosen = dataset.settings["aggregation"]
    assert (chosen["rule"], chosen["confidence"], chosen["reliability"]["people"]) == ("weighted", 0.5, 3)
    card = (storage.dataset_folder(dataset.id) / "card.md").read_text()
    assert "Weighted by reliability" in card and "Reliability of 3 people" in card
    again = actions.freeze(session, seat, "data", choice=Choice("weighted", confidence=0.5, waiting=True))
    assert again.sha256 == dataset.sha256


def test_every_rule_is_previewed_in_numbers(session: Session) -> None:
    seat, _ = apart(session)
    found = {each.rule: each for each in tallying.effects(session, seat, Choice("majority", minimum=2, waiting=True))}
    assert (found["accepted"].pairs, found["accepted"].fallen, found["accepted"].annotations) == (5, 1, 2)
    assert (found["majority"].pairs, found["majority"].annotations) == (6, 3)
    assert found["accepted"].alike == 5
    counts, _ = actions.preview(session, seat, choice=Choice("majority", minimum=2, waiting=True))
    assert counts["pairs"] == found["majority"].pairs


@pytest.mark.parametrize(
    ("choice", "place"),
    [(Choice("fate"), "rule"), (Choice(minimum=0), "minimum"), (Choice(confidence=float("nan")), "confidence")],
)
def test_a_rule_that_cannot_be_is_refused_by_name(session: Session, choice: Choice, place: str) -> None:
    seat = judged_project(session, samples=1)
    with pytest.raises(BadFreeze) as refusal:
        actions.freeze(session, seat, "data", choice=choice)
    assert refusal.value.where == place
