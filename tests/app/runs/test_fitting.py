"""What a recipe would refuse once it runs is refused at the form, with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core.errors import Refusal
from app.runs.tables import Run
from tests import cast
from tests.app.runs import stories


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


def test_a_cluster_run_without_pictures_is_refused_at_the_form(
    session: Session, story: stories.Story, client: TestClient
) -> None:
    rita = cast.sign_in(client, session, story.seat.user)

    def sent() -> str:
        answer = rita.post(story.at, data={"recipe": "cluster", "base": "efficientnet-lite0", "clusters": "3"})
        assert answer.status_code == 422
        return answer.text

    assert "The project has no samples to cluster." in sent()
    samples = [cast.sample(session, story.project, f"What is number {n}?") for n in range(2)]
    for each in samples:
        each.media[0].kind = "video"
    session.commit()
    text = sent()
    assert (
        "None of the project&#39;s 2 samples has a picture or frame." in text
        and "Import samples with pictures." in text
    )
    assert session.query(Run).count() == 0
    samples[0].media[0].kind = "frame"
    session.commit()
    text = rita.get(f"{story.at}/new?recipe=cluster").text
    assert "1 sample will be encoded. 1 has neither picture nor frame" in text
    assert "They make at most 1 cluster." in text
    assert "How long it takes is not known" in text
    assert story.start("cluster", config={"clusters": 3}, inputs={}).recipe == "cluster"


@pytest.mark.parametrize("config", [{}, {"vision_config": {}}])
def test_an_encoder_without_eyes_is_refused_at_the_form(
    session: Session, story: stories.Story, tmp_path: Path, config: dict[str, object]
) -> None:
    cast.sample(session, story.project)
    (tmp_path / "config.json").write_text(json.dumps(config))
    if config:
        assert story.start("cluster", config={"base": str(tmp_path)}, inputs={}).config["base"] == str(tmp_path)
        return
    for base in (str(tmp_path), " "):
        with pytest.raises(Refusal) as refused:
            story.start("cluster", config={"base": base}, inputs={})
        assert (refused.value.name, refused.value.where) == ("NoEncoder", "base")


@pytest.mark.parametrize(
    ("recipe", "config", "counts", "name", "where"),
    [
        ("reward", {"critiques": "human"}, {"train": {"samples": 3, "pairs": 0}}, "NoPairs", "dataset"),
        ("reward", {"critiques": "human"}, {"reasons": 0}, "NoReasons", "critiques"),
        ("expand", {"expander": "local", "base": "a/b"}, {"reasons": 0}, "NoReasons", "dataset"),
        ("score", {"split": "held_out"}, {"held_out": {"samples": 0, "pairs": 0}}, "NoSamples", "split"),
    ],
)
def test_a_dataset_that_lacks_what_a_recipe_reads_is_refused_at_the_form(
    story: stories.Story, recipe: str, config: dict[str, object], counts: dict[str, object], name: str, where: str
) -> None:
    story.dataset.counts = {**story.dataset.counts, **counts}
    inputs = {"dataset": story.dataset.id}
    if recipe == "score":
        inputs["reward"] = story.start().id
    with pytest.raises(Refusal) as refused:
        story.start(recipe, config=config, inputs=inputs)
    assert (refused.value.name, refused.value.where) == (name, where)
    assert refused.value.advice
