"""Projects: who may enter, and what an admin can change."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core.errors import NotFound
from app.projects import actions
from app.projects.rubric import DEFAULT
from tests import cast


def test_a_project_of_others_is_not_there(client: TestClient, session: Session) -> None:
    cast.project(session, cast.user(session, "alice"))
    cast.sign_in(client, session, cast.user(session, "charlie"))
    assert client.get("/projects/streets").status_code == 404
    assert client.get("/projects/nowhere").status_code == 404


def test_an_annotator_may_not_change_the_settings(client: TestClient, session: Session) -> None:
    project, bob = cast.project(session, cast.user(session, "alice")), cast.user(session, "bob")
    cast.seat(session, bob, project, "annotator")
    cast.sign_in(client, session, bob)
    form = {"name": "Mine now", "overlap": 1, "lease_minutes": 60}
    answer = client.post("/projects/streets/settings", data=form, headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (403, "MissingRole")


@pytest.mark.parametrize(
    ("overlap", "lease", "field"), [(0, 60, "overlap"), (21, 60, "overlap"), (1, 0, "lease_minutes")]
)
def test_a_setting_out_of_bounds_is_named_and_changes_nothing(
    session: Session, overlap: int, lease: int, field: str
) -> None:
    alice = cast.user(session, "alice")
    project = cast.project(session, alice)
    with pytest.raises(actions.BadSetting) as refusal:
        actions.change_settings(session, alice, project, "New name", "", "", overlap, lease)
    assert refusal.value.where == field
    assert project.name == "Streets"


def test_the_last_admin_stays(session: Session) -> None:
    alice = cast.user(session, "alice")
    project = cast.project(session, alice)
    held = actions.give_role(session, alice, project, alice.email, "admin")
    with pytest.raises(actions.LastAdmin):
        actions.take_role(session, alice, project, held.id)


def test_giving_a_role_twice_is_harmless(session: Session) -> None:
    alice, bob = cast.user(session, "alice"), cast.user(session, "bob")
    project = cast.project(session, alice)
    first = actions.give_role(session, alice, project, bob.email, "reviewer")
    assert actions.give_role(session, alice, project, bob.email, "reviewer").id == first.id


def test_an_unknown_person_gets_an_account_with_a_link_shown_once(session: Session) -> None:
    alice = cast.user(session, "alice")
    project = cast.project(session, alice)
    invited = actions.invite(session, alice, project, "dora@example.org", "Dora", "annotator")
    assert invited.link
    assert actions.invite(session, alice, project, "dora@example.org", "Dora", "reviewer").link is None


def test_a_projects_admin_makes_no_link_for_who_has_rights_elsewhere(session: Session) -> None:
    alice, bob = cast.user(session, "alice"), cast.user(session, "bob")
    streets, others = cast.project(session, alice), cast.project(session, bob, "Others")
    carol = actions.invite(session, alice, streets, "carol@example.org", "Carol", "annotator").user
    carol.password_hash = cast.user(session, "dora").password_hash
    here = actions.give_role(session, alice, streets, carol.email, "annotator")
    assert actions.make_password_link(session, alice, streets, here.id)[1].startswith("/password-links/")
    actions.give_role(session, bob, others, carol.email, "reviewer")
    with pytest.raises(actions.NotYours):
        actions.make_password_link(session, alice, streets, here.id)


def test_adding_somebody_to_ones_project_does_not_open_their_account(session: Session) -> None:
    alice, carol = cast.user(session, "alice"), cast.user(session, "carol")
    streets = cast.project(session, alice)
    here = actions.give_role(session, alice, streets, carol.email, "annotator")
    with pytest.raises(actions.NotYours):
        actions.make_password_link(session, alice, streets, here.id)


def test_a_role_cannot_be_given_to_nobody(session: Session) -> None:
    alice = cast.user(session, "alice")
    with pytest.raises(NotFound):
        actions.give_role(session, alice, cast.project(session, alice), "nobody@example.org", "annotator")


def test_the_default_rubric_is_the_papers() -> None:
    assert DEFAULT.keys == ["helpfulness", "faithfulness", "ethics"]
    assert all(len(criterion.levels) == 5 for criterion in DEFAULT.criteria)
