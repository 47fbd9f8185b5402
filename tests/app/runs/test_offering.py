"""A researcher offers what a score run found to the reviewers, and takes it back."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.annotations import applying
from app.annotations.selecting import Rules
from app.annotations.tables import RuleChange
from app.core import storage
from app.core.db import now
from app.runs import offering
from app.runs.refusals import OutputMissing
from app.runs.tables import Run, RunInput
from app.samples import assessments
from tests import cast
from tests.app.runs import stories

JSON = {"accept": "application/json"}


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


def scored(story: stories.Story, rows: list[dict[str, object]] | None) -> Run:
    """A score run that has ended; without rows its file is gone."""
    run = Run(project_id=story.project.id, recipe="score", name="Scores", config={}, created_by=story.seat.user.id)
    run.inputs = [RunInput(role="dataset", dataset_id=story.dataset.id)]
    run.ended_at, run.exit_code, run.result = now(), 0, {}
    story.session.add(run)
    story.session.flush()
    output = storage.run_folder(run.id) / "output"
    output.mkdir(parents=True)
    if rows is not None:
        (output / "rewards.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    story.session.commit()
    return run


def test_a_finished_score_run_is_offered_on_its_page_and_withdrawn(client: TestClient, story: stories.Story) -> None:
    sample = cast.sample(story.session, story.project, "Which colour?")
    ids = [response.id for response in sample.responses]
    rows = [{"sample": f"s{sample.id}", "response": f"r{each}", "critique": "short", "reward": 0.5} for each in ids]
    odd = [{"sample": "s1", "response": "p9", "critique": "", "reward": 1.0}, {**rows[0], "reward": None}]
    run = scored(story, [*rows[1:], *odd])
    cast.sign_in(client, story.session, story.seat.user)
    at = f"{story.at}/{run.id}"
    assert "Offer to reviewers" in client.get(at).text
    page = client.post(f"{at}/offer").text
    assert "Withdraw the offer" in page
    offered = assessments.standing(story.session, story.project.id)
    assert offered is not None and set(assessments.of_sample(story.session, offered, sample.id)) == set(ids[1:])
    assert "Offer to reviewers" in client.post(f"{at}/offer-withdrawal").text
    assert client.post(f"{at}/offer-withdrawal", headers=JSON).json()["error"] == "NotOffered"


def test_an_offer_and_its_end_change_what_waits_where_a_rule_goes_by_the_model(
    client: TestClient, story: stories.Story
) -> None:
    cast.sign_in(client, story.session, story.seat.user)
    run = scored(story, [])
    for verb, changes in (("offer", 0), ("offer-withdrawal", 0), (None, 1), ("offer", 2), ("offer-withdrawal", 3)):
        if verb:
            client.post(f"{story.at}/{run.id}/{verb}")
        else:
            rules = Rules(contradiction_above=0.75)
            applying.change_rules(story.session, story.seat.user, story.project, rules)
            story.session.commit()
        assert story.session.scalar(sa.select(sa.func.count()).select_from(RuleChange)) == changes, verb


def test_only_what_a_score_run_left_can_be_offered(client: TestClient, story: stories.Story) -> None:
    cast.sign_in(client, story.session, story.seat.user)
    run = story.start()
    assert client.post(f"{story.at}/{run.id}/offer", headers=JSON).json()["error"] == "NothingToOffer"
    with pytest.raises(OutputMissing):
        offering.offer(story.session, story.seat, scored(story, None).id)
