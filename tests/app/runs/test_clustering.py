"""A researcher groups a project's samples: what the run reads, what it leaves them, what its page shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core import storage
from app.core.db import now
from app.runs import kinds
from app.samples import curating
from app.samples.tables import Sample
from tests import cast
from tests.app.runs import stories


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


def ended(folder: Path, samples: list[Sample]) -> None:
    """What the recipe would leave of these samples."""
    (folder / "output").mkdir(parents=True)
    rows = [{"sample": f"s{each.id}", "cluster": 2, "x": 0.5, "y": -1.0} for each in samples[:2]]
    (folder / "output" / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    near = {"samples": [rows[1]["sample"]], "of": [rows[0]["sample"]], "cosine": 0.9921}
    (folder / "output" / "duplicates.jsonl").write_text(json.dumps(near) + "\n")
    wall = [{"cluster": 2, "samples": 2, "nearest": [row["sample"] for row in rows]}]
    (folder / "output" / "clusters.json").write_text(json.dumps(wall))
    (folder / "result.json").write_text(json.dumps({"samples": 2, "clusters": 1, "near_duplicates": 1}))


def test_a_cluster_run_reads_the_projects_samples_and_leaves_each_its_cluster_and_place(
    session: Session, story: stories.Story, client: TestClient
) -> None:
    samples = [cast.sample(session, story.project, f"What is number {n}?") for n in range(3)]
    stranger = cast.sample(session, cast.project(session, story.seat.user, "Elsewhere"), "Not mine?")
    samples[2].cluster = "of an earlier run"
    rita = cast.sign_in(client, session, story.seat.user)
    assert "3 samples will be encoded." in rita.get(story.at + "/new?recipe=cluster").text
    run = story.start("cluster", config={"clusters": 10, "layout": "pca"}, inputs={})
    folder = storage.run_folder(run.id)
    kinds.prepare(session, run, folder)
    read = [json.loads(line) for line in (folder / "inputs" / "samples.jsonl").read_text().splitlines()]
    assert [row["id"] for row in read] == [f"s{each.id}" for each in samples]
    assert all(Path(medium["path"]).is_file() for row in read for medium in row["media"])

    ended(folder, [samples[0], stranger, samples[1]])
    for _ in range(2):  # twice is harmless
        kinds.finish(session, run, folder)
    session.expire_all()
    assert [(each.cluster, each.map_x, each.map_y) for each in samples] == [
        ("02", 0.5, -1.0),
        ("", None, None),
        ("", None, None),
    ]
    assert (stranger.cluster, stranger.map_x) == ("", None)


def test_the_page_of_a_cluster_run_shows_walls_a_map_and_near_duplicates(
    session: Session, story: stories.Story, client: TestClient
) -> None:
    samples = [cast.sample(session, story.project, f"What is number {n}?") for n in range(2)]
    run = story.start("cluster", config={"clusters": 10}, inputs={})
    ended(storage.run_folder(run.id), samples)
    kinds.finish(session, run, storage.run_folder(run.id))
    run.ended_at, run.exit_code = now(), 0
    session.commit()
    text = cast.sign_in(client, session, story.seat.user).get(f"{story.at}/{run.id}").text
    assert "Nothing is dropped by itself" in text and "0.9921" in text and "Cluster 2" in text
    assert "more pair" not in text and "Set all listed aside" not in text, "one pair has its own button"
    assert text.count("<circle") >= 2 and text.count(f'/samples/{samples[0].id}"') == 2


def test_all_listed_near_duplicates_are_set_aside_at_once(
    session: Session, story: stories.Story, client: TestClient
) -> None:
    samples = [cast.sample(session, story.project, f"What is number {n}?") for n in range(16)]
    run = story.start("cluster", config={"clusters": 10}, inputs={})
    folder = storage.run_folder(run.id)
    ended(folder, samples)
    near = [{"samples": [f"s{each.id}"], "of": [f"s{samples[0].id}"], "cosine": 0.99} for each in samples[1:]]
    (folder / "output" / "duplicates.jsonl").write_text("".join(json.dumps(row) + "\n" for row in near))
    kinds.finish(session, run, folder)
    run.ended_at, run.exit_code = now(), 0
    session.commit()
    rita = cast.sign_in(client, session, story.seat.user)
    text = rita.get(f"{story.at}/{run.id}").text
    assert "3 more pairs" in text
    form = text.split('id="all-aside"')[1].split("</form>")[0]
    ids = re.findall(r'name="ids" value="(\d+)"', form)
    assert [int(each) for each in ids] == [each.id for each in samples[1:]]
    rita.post(f"/projects/{story.project.slug}/samples/curation", data={"action": "aside", "ids": ids})
    assert len(curating.aside_of(session, [each.id for each in samples])) == 15
    assert "Set all listed aside" not in rita.get(f"{story.at}/{run.id}").text
