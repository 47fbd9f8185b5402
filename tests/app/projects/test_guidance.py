"""Guidance: every change makes a version, and tells each reader what is new to them."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.projects import actions, guidance
from app.projects.rubric import Rubric
from tests import cast


def test_a_reader_is_told_what_changed_since_they_last_looked(session: Session) -> None:
    alice = cast.user(session, "alice", is_admin=True)
    project = cast.project(session, alice)
    bob = cast.seat(session, cast.user(session, "bob"), project, "annotator")
    actions.change_settings(session, alice, project, "Streets", "", "Look twice.", 1, 60)
    assert guidance.news(session, bob) == (1, []), "there is no earlier version that anybody could have read"
    actions.change_settings(session, alice, project, "Streets", "", "Look three times.", 1, 60)
    actions.change_settings(session, alice, project, "Avenues", "", "Look three times.", 2, 60)
    number, changes = guidance.news(session, bob)
    assert number == 2
    assert changes == [("Guidelines", [("kept", "Look"), ("removed", "twice."), ("added", "three times.")])]
    guidance.note_reading(session, bob, 99)
    assert guidance.news(session, bob) == (2, [])
    assert [each.guidelines for each in guidance.earlier(session, project)] == ["Look twice."]


def words_of(rubric: Rubric) -> dict[str, list[str]]:
    """The settings page's form, filled in with the rubric as it is."""
    criteria = rubric.criteria
    return {
        "key": rubric.keys,
        "name": [each.name for each in criteria],
        "guidance": [each.guidance for each in criteria],
        "level": [level for each in criteria for level in each.levels],
        "anchor": [anchor for each in criteria for anchor in each.anchors],
        "examples": [each.examples for each in criteria],
    }


def test_an_admin_changes_anchors_and_examples_and_annotators_see_them(client: TestClient, session: Session) -> None:
    alice = cast.user(session, "alice", is_admin=True)
    project = cast.project(session, alice)
    form = words_of(Rubric.model_validate(project.rubric))
    form["anchor"][4], form["examples"][1] = "leaves nothing open", "A **red** van: 5"
    cast.sign_in(client, session, alice)
    assert client.post("/projects/streets/rubric", data=form).status_code == 200
    shown = client.get("/projects/streets/guidelines").text
    assert "leaves nothing open" in shown and "<strong>red</strong> van" in shown and "version 2" in shown
    assert "leaves nothing open" in client.get("/projects/streets/guidelines/1").text


@pytest.mark.parametrize(("field", "place"), [("name", "helpfulness.name"), ("level", "helpfulness.level.1")])
def test_an_emptied_field_is_refused_with_its_place(
    client: TestClient, session: Session, field: str, place: str
) -> None:
    alice = cast.user(session, "alice", is_admin=True)
    form = words_of(Rubric.model_validate(cast.project(session, alice).rubric))
    form[field][0] = " "
    cast.sign_in(client, session, alice)
    answer = client.post("/projects/streets/rubric", data=form, headers={"accept": "application/json"})
    assert answer.status_code == 422 and answer.json()["where"] == place
