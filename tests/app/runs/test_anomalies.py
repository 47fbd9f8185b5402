"""What looks wrong in curves drawn by hand, and what does not; and that a researcher sees it."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.core.db import now
from app.runs import anomalies
from app.runs.anomalies import Curves
from tests import cast
from tests.app.runs import stories
from tests.app.runs.test_watching import say


def found(
    train: dict[str, list[float | None]], held_out: dict[str, list[float | None]] | None = None, **more: Any
) -> str:
    return " ".join(anomalies.notes(Curves(train, held_out or {}, more.pop("config", {}), **more)))


def test_a_loss_that_is_no_number_is_named() -> None:
    assert found({"dpo_loss": [0.7, None, 0.6], "grad_norm": [None]}) == "dpo_loss was not a finite number."


def test_a_loss_that_leaps_is_noted_and_one_that_wavers_is_not() -> None:
    wavering = [1.0 + 0.1 * (step % 3) for step in range(40)]
    assert found({"loss": wavering}) == ""
    assert "The loss rose to 5, from 1.1 usually." in found({"loss": [*wavering, 5.0, 1.1]})
    assert found({"loss": [*wavering[:10], 5.0]}) == ""  # too early to know what is usual
    assert found({"loss": [*wavering, 5.0, *wavering]}) == ""  # long over


def test_accuracy_at_chance_depends_on_how_many_pairs_there_are() -> None:
    assert "0.60 is not told from chance (95 % interval 0.46 to 0.72, 50 pairs)" in found(
        {}, {"accuracy": [0.9, 0.6]}, held_out_pairs=50
    )
    assert found({}, {"accuracy": [0.6]}, held_out_pairs=500) == ""
    assert found({}, {"accuracy": [0.5]}) == ""


def test_beta_at_its_bound_for_every_pair_is_noted() -> None:
    config = {"beta": 0.1, "w": 0.5}
    assert "β is at its bound 0.15" in found({"beta_min": [0.1, *[0.15] * 10]}, config=config)
    assert found({"beta_min": [*[0.15] * 9, 0.12]}, config=config) == ""
    assert found({"beta_min": [0.1] * 10}, config={"beta": 0.1, "w": 0.0}) == ""


def test_margins_that_collapse_are_noted() -> None:
    grown = [0.1 * step for step in range(30)]
    assert found({"reward_margin": grown}) == ""
    assert "Reward margins collapsed: 0.01 on average, from 2.5" in found({"reward_margin": [*grown, *[0.01] * 10]})


def test_a_researcher_sees_it_on_the_page_and_in_the_list(session: Session, client: TestClient) -> None:
    story = stories.begin(session)
    rita = cast.sign_in(client, session, story.seat.user)
    run = story.start()
    run.claimed_by, run.claimed_at, run.heartbeat_at, run.started_at = "w", now(), now(), now()
    say(session, run, 1, step=1, split="train", values={"loss": None}, at=1.0)
    for path in ("", f"/{run.id}"):
        assert "loss was not a finite number." in rita.get(story.at + path).text
    say(session, run, 2, step=1, split="train", values={"loss": 1.0}, at=2.0)  # resumed, it said this step again
    stories.end(session, run)
    assert "not a finite number" not in rita.get(story.at).text
