"""The datasets' pages: who may look, what they show, what they download."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts.tables import AuditEntry
from app.core import storage
from app.core.db import now
from app.datasets import actions
from app.datasets.tables import Dataset
from app.projects.guard import Seat
from app.runs.tables import Run, RunInput
from app.samples.tables import Margin
from tests import cast
from tests.app.datasets.test_freezing import judged_project

AT = "/projects/streets/datasets"
JSON = {"accept": "application/json"}


@pytest.fixture
def ray(client: TestClient, session: Session) -> Seat:
    """A researcher, signed in, in a project with three accepted judgements."""
    seat = judged_project(session, samples=3, accepted=3)
    cast.sign_in(client, session, seat.user)
    return seat


def test_a_researcher_sees_what_would_be_frozen_then_freezes_it(
    client: TestClient, session: Session, ray: Seat
) -> None:
    assert "Nothing is frozen yet" in client.get(AT).text
    form = client.get(f"{AT}/new").text
    assert "18" in form
    assert session.scalar(sa.select(sa.func.count()).select_from(Dataset)) == 0
    answer = client.post(AT, data={"name": "First", "held_out_share": "0.34", "seed": "1"})
    assert answer.status_code == 200
    assert "First, version 1" in answer.text
    assert answer.text.count('class="pair"') == 12
    assert "secret-model-0" in answer.text
    assert "First" in client.get(AT).text


def test_the_pairs_come_by_pages_and_can_be_narrowed(client: TestClient, session: Session, ray: Seat) -> None:
    dataset = actions.freeze(session, ray, "First")
    session.commit()
    page = client.get(f"{AT}/{dataset.id}?after=12").text
    assert page.count('class="pair"') == 6
    assert client.get(f"{AT}/{dataset.id}?question_type=mcq").text.count('class="pair"') == 0
    held_out = client.get(f"{AT}/{dataset.id}?split=held_out").text.count('class="pair"')
    assert held_out == min(12, dataset.counts["held_out"]["pairs"])


def test_a_bad_share_is_said_beside_its_field_and_nothing_is_frozen(
    client: TestClient, session: Session, ray: Seat
) -> None:
    answer = client.post(AT, data={"name": "First", "held_out_share": "0.95"})
    assert answer.status_code == 422
    assert "0 to 0.9" in answer.text
    assert 'aria-invalid="true"' in answer.text
    as_json = client.post(AT, data={"name": "First", "held_out_share": "0.95"}, headers=JSON)
    assert (as_json.status_code, as_json.json()["error"]) == (422, "BadFreeze")
    assert session.scalar(sa.select(sa.func.count()).select_from(Dataset)) == 0


def test_with_nothing_accepted_the_form_says_what_to_do(client: TestClient, session: Session) -> None:
    seat = judged_project(session, samples=1, accepted=0)
    cast.sign_in(client, session, seat.user)
    assert "No pair yet" in client.get(f"{AT}/new").text
    answer = client.post(AT, data={"name": "First"})
    assert answer.status_code == 409
    assert "Nothing was frozen." in answer.text
    assert session.scalar(sa.select(sa.func.count()).select_from(Dataset)) == 0


def test_the_download_is_a_zip_with_media(client: TestClient, session: Session, ray: Seat) -> None:
    dataset = actions.freeze(session, ray, "First / ün")
    session.commit()
    answer = client.get(f"{AT}/{dataset.id}/download?format=mm-rlhf")
    assert answer.headers["content-disposition"] == 'attachment; filename="First----n-v1-mm-rlhf.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert len(archive.read("dpo_pairs.jsonl").splitlines()) == 18
    assert client.get(f"{AT}/{dataset.id}/download?format=csv", headers=JSON).json()["error"] == "BadFormat"
    taken = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "dataset.exported")).all()
    assert [(each.user_id, each.detail) for each in taken] == [(ray.user.id, {"format": "mm-rlhf"})]


def test_a_finished_score_run_gives_the_download_its_margins(client: TestClient, session: Session, ray: Seat) -> None:
    dataset = actions.freeze(session, ray, "First")
    pairs = (storage.dataset_folder(dataset.id) / "pairs.jsonl").read_text().splitlines()
    run = Run(project_id=ray.project.id, recipe="score", name="Scores", config={}, created_by=ray.user.id)
    run.inputs = [RunInput(role="dataset", dataset_id=dataset.id)]
    run.ended_at, run.exit_code = now(), 0
    session.add(run)
    session.flush()
    output = storage.run_folder(run.id) / "output"
    output.mkdir(parents=True)
    (output / "margins.jsonl").write_text("".join(json.dumps({**json.loads(p), "margin": 0.5}) + "\n" for p in pairs))
    session.commit()
    page = client.get(f"{AT}/{dataset.id}").text
    assert f"/projects/streets/runs/{run.id}" in page
    answer = client.get(f"{AT}/{dataset.id}/download?scores={run.id}")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        lines = archive.read("dpo_pairs.jsonl").splitlines()
    assert {json.loads(line)["ls_factor"] for line in lines} == {0.5}
    assert client.get(f"{AT}/{dataset.id}/download?scores={run.id + 1}").status_code == 404


def test_imported_margins_are_named_and_given_where_no_run_is_chosen(
    client: TestClient, session: Session, ray: Seat
) -> None:
    first = actions.freeze(session, ray, "First")
    assert "reward margin" not in client.get(f"{AT}/{first.id}").text
    pair = json.loads((storage.dataset_folder(first.id) / "pairs.jsonl").read_text().splitlines()[0])
    sample, chosen, rejected = (int(pair[name][1:]) for name in ("sample", "chosen", "rejected"))
    session.add(Margin(sample_id=sample, chosen_id=chosen, rejected_id=rejected, value=0.25))
    second = actions.freeze(session, ray, "First")
    session.commit()
    assert second.counts["margins"] == 1
    assert "<strong>1</strong> pair carries a reward margin" in client.get(f"{AT}/{second.id}").text
    with zipfile.ZipFile(io.BytesIO(client.get(f"{AT}/{second.id}/download?format=trl").content)) as archive:
        lines = [json.loads(line) for line in archive.read("train.jsonl").splitlines()]
    assert [line["margin"] for line in lines if "margin" in line] == [0.25]


def test_an_annotator_may_not_look_and_another_project_has_nothing_here(
    client: TestClient, session: Session, ray: Seat
) -> None:
    dataset = actions.freeze(session, ray, "First")
    other = cast.project(session, cast.user(session, "olga", is_admin=True), "Fields")
    cast.seat(session, ray.user, other, "researcher")
    session.commit()
    for path in (f"{dataset.id}", f"{dataset.id}/download", "999"):
        assert client.get(f"/projects/fields/datasets/{path}").status_code == 404
    bob = session.scalars(sa.select(type(ray.user)).filter_by(email="bob@example.org")).one()
    cast.sign_in(client, session, bob)
    for path in ("", "/new", f"/{dataset.id}", f"/{dataset.id}/download"):
        assert client.get(AT + path).status_code == 403
    assert client.post(AT, data={"name": "Mine"}).status_code == 403


def test_a_reviewer_looks_but_does_not_freeze(client: TestClient, session: Session, ray: Seat) -> None:
    rosa = session.scalars(sa.select(type(ray.user)).filter_by(email="rosa@example.org")).one()
    cast.sign_in(client, session, rosa)
    assert client.get(AT).status_code == 200
    assert client.post(AT, data={"name": "Mine"}).status_code == 403
