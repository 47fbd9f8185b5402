"""A researcher has models respond to samples: the models' page, what a run reads and leaves, what its page shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core import storage
from app.core.db import now
from app.core.errors import Refusal
from app.runs import generating, generators, kinds
from app.runs.generating_tables import Generation, Generator
from app.runs.generators import Described
from app.samples.tables import Response, Sample
from app.tasks import actions as tasks
from tests import cast
from tests.app.runs import stories

PUBLIC = "https://93.184.215.14/v1"


@pytest.fixture
def story(session: Session) -> stories.Story:
    return stories.begin(session)


def bare(session: Session, story: stories.Story, prompt: str, responses: int = 0) -> Sample:
    """A sample with so few responses."""
    made = cast.sample(session, story.project, prompt)
    session.execute(sa.delete(Response).where(Response.sample_id == made.id, Response.position >= responses))
    session.expire(made)
    return made


def said(sample: Sample, model: str, state: str = "ok", **more: Any) -> dict[str, Any]:
    return {
        "sample": f"s{sample.id}", "model": model, "state": state, "text": f"{model} says.", "finish": "stop",
        "tokens_in": 100, "tokens_out": 12, "cost": 0.004, "seconds": 1.25, "tries": 1, "fault": "",
        "prompt": sample.prompt, "settings": {"temperature": 0.7, "seed": 0}, **more,
    }  # fmt: skip


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "responses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tallies = [
        {"name": name, "asked": 2, "ok": 1, "refused": 1, "failed": 0, "tokens_in": 200, "tokens_out": 24,
         "cost": 0.008, "given_up": ""} for name in sorted({row["model"] for row in rows})
    ]  # fmt: skip
    (folder / "models.json").write_text(json.dumps(tallies))


def answers(session: Session, sample: Sample) -> list[tuple[str, str]]:
    query = sa.select(Response.model, Response.text).where(Response.sample_id == sample.id)
    return [(model, text) for model, text in session.execute(query.order_by(Response.position))]


def test_a_run_reads_only_samples_that_lack_responses_and_are_not_being_judged(
    session: Session, story: stories.Story, client: TestClient
) -> None:
    lacking, begun = bare(session, story, "Lacking?"), bare(session, story, "Begun?", 2)
    full, judged = bare(session, story, "Full?", 3), bare(session, story, "Judged?", 2)
    bare(session, story, "Frames not sampled yet?").media[0].kind = "video"
    tasks.cut_tasks(session, story.project, story.seat.user, [judged.id])
    generators.save(
        session,
        story.seat,
        Described(name="house", url=PUBLIC, model="m-1", key_name="GENERATOR_KEY_HOUSE", price_in="2.5"),
    )
    session.commit()
    page = cast.sign_in(client, session, story.seat.user).get(f"{story.at}/new?recipe=generate").text
    assert "2 samples lack responses and will be asked about." not in page  # the form's own default is four
    run = story.start("generate", config={"wanted": 3, "base": str(story.base)}, inputs={})
    folder = storage.run_folder(run.id)
    kinds.prepare(session, run, folder)
    rows = [json.loads(line) for line in (folder / "inputs" / "samples.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [f"s{lacking.id}", f"s{begun.id}"]
    assert rows[1]["have"] == [model for model, _ in answers(session, begun)]
    assert all(Path(medium["path"]).is_file() for row in rows for medium in row["media"])
    (model,) = json.loads((folder / "inputs" / "models.json").read_text())
    assert (model["name"], model["key_name"], model["price_in"]) == ("house", "GENERATOR_KEY_HOUSE", 2.5)
    assert full.id not in {int(row["id"][1:]) for row in rows}


def test_what_a_run_leaves_becomes_responses_once_and_refusals_and_faults_are_marked(
    session: Session, story: stories.Story
) -> None:
    first, second = bare(session, story, "First?"), bare(session, story, "Second?")
    judged = bare(session, story, "Judged meanwhile?", 2)
    stranger = cast.sample(session, cast.project(session, story.seat.user, "Elsewhere"), "Not mine?")
    hashes = first.content_sha256, second.content_sha256
    run = story.start("generate", config={"wanted": 3, "base": str(story.base)}, inputs={})
    tasks.cut_tasks(session, story.project, story.seat.user, [judged.id])
    folder = storage.run_folder(run.id)
    rows = [
        said(first, "a", "failed", text="", fault="status 503"),
        said(first, "b", "refused", text="I'm sorry, but I can't"),
        said(first, "a"), said(second, "a", "refused", text="", fault="status 400: content_filter"),
        said(judged, "a"), said(stranger, "a"),
    ]  # fmt: skip
    write(folder, rows)
    (folder / "result.json").write_text("{}")
    untouched = answers(session, judged), answers(session, stranger)
    for _ in range(2):  # twice is harmless
        kinds.finish(session, run, folder)
    session.expire_all()
    assert sorted(answers(session, first)) == [("a", "a says."), ("b", "I'm sorry, but I can't")]
    assert answers(session, second) == []
    assert (answers(session, judged), answers(session, stranger)) == untouched
    assert (first.content_sha256, second.content_sha256) == hashes
    kept = {(row.sample_id, row.model): row for row in session.scalars(sa.select(Generation).filter_by(run_id=run.id))}
    assert {key: row.state for key, row in kept.items()} == {
        (first.id, "a"): "ok", (first.id, "b"): "refused", (second.id, "a"): "refused", (judged.id, "a"): "ok",
    }  # fmt: skip
    one = kept[first.id, "a"]
    assert (one.prompt, one.settings["temperature"], one.tokens_out, one.cost) == ("First?", 0.7, 12, 0.004)
    assert one.response is not None and one.text == ""
    assert kept[judged.id, "a"].response is None and kept[judged.id, "a"].text == "a says."


def test_the_page_shows_the_models_side_by_side_while_it_fills_and_when_it_is_done(
    session: Session, story: stories.Story, client: TestClient
) -> None:
    samples = [bare(session, story, f"What is number {n}?") for n in range(12)]
    run = story.start("generate", config={"base": str(story.base)}, inputs={})
    rita, at = cast.sign_in(client, session, story.seat.user), f"{story.at}/{run.id}"
    assert "Responses appear here as they come in." in rita.get(at).text
    folder = storage.run_folder(run.id)
    write(folder, [said(samples[0], "a"), said(samples[1], "b", "failed", text="", fault="status 503: down")])
    with (folder / "responses.jsonl").open("a") as file:
        file.write('{"sample": "s1", "mod')
    part = rita.get(f"{at}/responses").text
    assert (
        "a says." in part and "status 503: down" in part and '<td class="number">200</td>' in part and "0.0080" in part
    )
    assert part.index("What is number 1?") < part.index("What is number 0?")
    write(folder, [said(each, model) for each in samples for model in ("a", "b")])
    (folder / "result.json").write_text(json.dumps({"responses": 24}))
    kinds.finish(session, run, folder)
    run.ended_at, run.exit_code = now(), 0
    session.commit()
    text = rita.get(at).text
    assert text.count("a says.") == 10 and f"?after={samples[9].id}#responses" in text
    assert rita.get(f"{at}?after={samples[9].id}").text.count("b says.") == 2


def test_models_are_added_changed_and_removed_on_their_page(
    session: Session, story: stories.Story, client: TestClient
) -> None:
    rita, at = cast.sign_in(client, session, story.seat.user), f"{story.at}/models"
    assert "No models yet" in rita.get(at).text
    given = {"name": "house", "url": f"{PUBLIC}/", "model": "m-1", "key_name": "GENERATOR_KEY_HOUSE", "price_in": "2.5"}
    assert rita.post(at, data=given, follow_redirects=False).status_code == 303
    row = session.scalars(sa.select(Generator)).one()
    assert (row.url, row.price_in, row.concurrency) == (PUBLIC, 2.5, 4)
    assert rita.post(f"{at}?change={row.id}", data={**given, "model": "m-2"}, follow_redirects=False).status_code == 303
    session.refresh(row)
    assert row.model == "m-2" and 'value="m-2"' in rita.get(f"{at}?change={row.id}").text
    assert rita.post(f"{at}/{row.id}/removal", follow_redirects=False).status_code == 303
    assert "No models yet" in rita.get(at).text


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        ({"url": "http://127.0.0.1:8000/v1"}, "url", "not a public address"),
        ({"url": "ftp://example.org"}, "url", "no web address"),
        ({"key_name": "SECRET_KEY"}, "key_name", "begins with GENERATOR_KEY_"),
        ({"name": "a, b"}, "name", "without a comma"),
        ({"model": " "}, "model", "what the endpoint calls"),
        ({"price_in": "-1"}, "price_in", "A number from 0"),
        ({"concurrency": "1.5"}, "concurrency", "A number from 1"),
    ],
)
def test_what_is_wrong_with_a_model_is_said_at_its_field(
    session: Session, story: stories.Story, client: TestClient, change: dict[str, str], where: str, words: str
) -> None:
    given = {"name": "house", "url": PUBLIC, "model": "m-1", **change}
    answer = cast.sign_in(client, session, story.seat.user).post(f"{story.at}/models", data=given)
    assert answer.status_code == 422 and words in answer.text and f'id="field-{where}-fault"' in answer.text
    assert not session.scalars(sa.select(Generator)).all()


def test_a_run_without_a_model_or_without_a_sample_to_ask_about_is_refused_at_the_form(
    session: Session, story: stories.Story
) -> None:
    for config, name in (({}, "NoModels"), ({"base": str(story.base)}, "NothingToAsk")):
        with pytest.raises(Refusal) as refused:
            story.start("generate", config={"wanted": 1, **config}, inputs={})
        assert refused.value.name == name and refused.value.advice
    assert generating.asked_about(session, story.project.id, 4) == 0
