"""Researchers ask two policies the same question, and say which answer is better."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
import sqlalchemy as sa
from lxml import html
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.core import storage
from app.core.db import now
from app.core.errors import NotFound
from app.datasets import export
from app.runs import discarding, playground, playground_answers, playground_live, playing, registry
from app.runs.playground import Question
from app.runs.playground_answers import SIDES
from app.runs.playground_tables import Piece, Turn
from app.runs.refusals import CheckpointInUse, ClaimLost
from app.runs.tables import Checkpoint
from app.runs.worker_tables import Worker
from app.samples import collecting
from ml.data import read_dataset
from tests import cast
from tests.app.runs import stories
from tests.app.runs.stories import Story


@pytest.fixture
def story(session: Session) -> Story:
    return stories.begin(session)


def left_by(story: Story, kind: str, name: str) -> Checkpoint:
    """A checkpoint whose files nobody reads here."""
    run = story.start(name=name)
    stories.end(story.session, run)
    row = Checkpoint(run_id=run.id, kind=kind, path="output/checkpoint", sha256="0" * 64)
    story.session.add(row)
    story.session.commit()
    return row


def asked(story: Story, **changes: Any) -> Turn:
    policy = left_by(story, "policy", "first policy")
    values = {"text": "What is shown?", "left": str(policy.id), "right": "base", **changes}
    turn = playground.ask(story.session, story.seat, Question(**values))
    story.session.commit()
    return turn


def answered(story: Story, turn: Turn) -> Turn:
    """As if a worker had seen the turn through."""
    claim = playing.take(story.session, "w:1")
    assert claim is not None and claim.turn_id == turn.id
    said = [
        {"kind": kind, "side": side, **more}
        for side, text in (("left", "A circle."), ("right", "A square."))
        for kind, more in (("answer", {"text": text}), ("answered", {"tokens": 3, "cut": False}))
    ]
    playing.write(story.session, claim, said)
    playing.end(story.session, claim)
    story.session.commit()
    return turn


def test_before_any_policy_the_page_leads_to_the_runs(client: TestClient, story: Story) -> None:
    cast.sign_in(client, story.session, story.seat.user)
    text = client.get(f"{story.at}/playground").text
    assert "No policy yet" in text and f'href="{story.at}"' in text


def test_the_form_begins_with_what_is_wished_then_current_then_a_candidate(client: TestClient, story: Story) -> None:
    first, second, third = (left_by(story, "policy", f"policy {name}") for name in "abc")
    cast.sign_in(client, story.session, story.seat.user)
    at = f"{story.at}/playground"

    def sides(asked: str = "") -> list[int]:
        form = html.fromstring(client.get(at + asked).text)
        return [int(form.xpath(f"//select[@name='{side}']/option[@selected]")[0].get("value")) for side in SIDES]

    assert sides() == [third.id, second.id], "the newest"
    registry.promote(story.session, story.seat, first.id, "current", "It is calm")
    registry.promote(story.session, story.seat, second.id, "candidate", "It is new")
    story.session.commit()
    assert sides() == [first.id, second.id]
    assert sides(f"?policy={third.id}") == [third.id, first.id]


def test_without_a_worker_the_page_says_that_questions_wait(client: TestClient, story: Story) -> None:
    left_by(story, "policy", "first policy")
    cast.sign_in(client, story.session, story.seat.user)
    assert "No worker answers" in client.get(f"{story.at}/playground").text
    story.session.add(Worker(name="w:1", service="play", queues="play", machine={}, devices=[], heard_at=now()))
    story.session.commit()
    assert "No worker answers" not in client.get(f"{story.at}/playground").text


def test_an_uploaded_picture_is_kept_without_metadata_and_shown_to_its_asker_alone(
    client: TestClient, story: Story
) -> None:
    policy = left_by(story, "policy", "first policy")
    cast.sign_in(client, story.session, story.seat.user)
    form = {"question": "What is shown?", "left": policy.id, "right": "base", "longest": 64}
    answer = client.post(f"{story.at}/playground/turns", data=form, files={"picture": ("a.jpg", cast.picture())})
    assert answer.status_code == 200 and "/playground/turns/" in str(answer.url), answer.text
    turn = story.session.scalars(sa.select(Turn)).one()
    assert storage.blob_path(turn.blob_sha256 or "").exists() and turn.longest == 64
    assert client.get(f"{answer.url}/picture").headers["content-type"] == "image/jpeg"
    other = cast.seat(story.session, cast.user(story.session, "Rob", is_admin=False), story.project, "researcher")
    with pytest.raises(NotFound):
        playground.turn_of(story.session, other, turn.id)


def test_an_empty_file_is_refused_and_not_taken_for_no_picture(client: TestClient, story: Story) -> None:
    policy = left_by(story, "policy", "first policy")
    cast.sign_in(client, story.session, story.seat.user)
    form = {"question": "What is shown?", "left": policy.id, "right": "base", "longest": 64}
    answer = client.post(f"{story.at}/playground/turns", data=form, files={"picture": ("a.jpg", b"")})
    assert answer.status_code == 422 and "The file is empty." in answer.text
    assert story.session.scalars(sa.select(Turn)).all() == []
    chosen = client.post(f"{story.at}/playground/turns", data=form, files={"picture": ("", b"")})
    assert "/playground/turns/" in str(chosen.url), "browsers send a nameless file where none was chosen"


def test_a_picture_that_was_asked_about_is_not_collected(story: Story) -> None:
    kept = storage.put_blob(cast.picture())
    turn = asked(story)
    turn.blob_sha256, turn.media_type = kept, "image/jpeg"
    unneeded = storage.put_blob(b"nobody names it")
    story.session.commit()
    for sha256 in (kept, unneeded):
        os.utime(storage.blob_path(sha256), (1.0, 1.0))
    collecting.collect(story.session, collecting.look(story.session))
    assert (storage.blob_path(kept).exists(), storage.blob_path(unneeded).exists()) == (True, False)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"text": "  "}, "BadQuestion"),
        ({"text": "x" * 2001}, "BadQuestion"),
        ({"longest": 100_000}, "BadQuestion"),
        ({"left": "base"}, "BadPolicies"),
        ({"right": "none"}, "BadPolicies"),
    ],
)
def test_a_form_that_cannot_be_meant_is_refused_by_name(story: Story, changes: dict[str, Any], name: str) -> None:
    with pytest.raises((playground.BadQuestion, playground.BadPolicies)) as refused:
        asked(story, **changes)
    assert type(refused.value).__name__ == name


def test_a_reward_model_is_no_policy(story: Story) -> None:
    reward = left_by(story, "reward", "a reward")
    with pytest.raises(playground.BadPolicies):
        asked(story, right=str(reward.id))


def test_one_question_at_a_time_and_the_next_one_when_it_is_stopped(client: TestClient, story: Story) -> None:
    first = asked(story)
    with pytest.raises(playground.TurnOpen):
        asked(story)
    story.session.rollback()
    cast.sign_in(client, story.session, story.seat.user)
    form = {"question": "And now?", "left": first.left_id, "right": "base"}
    refused = client.post(f"{story.at}/playground/turns", data=form)
    assert refused.status_code == 409 and "is not answered yet" in refused.text and "And now?" in refused.text
    stopped = client.post(f"{story.at}/playground/turns/{first.id}/stop")
    assert "Stopped before the end." in stopped.text
    assert client.post(f"{story.at}/playground/turns", data=form).status_code == 200


def test_questions_are_answered_in_the_order_in_which_they_were_asked(story: Story) -> None:
    first = asked(story)
    rob = cast.seat(story.session, cast.user(story.session, "Rob", is_admin=False), story.project, "researcher")
    second = playground.ask(story.session, rob, Question("And now?", str(first.left_id), "base"))
    assert playground.place(story.session, first) == "You are next."
    assert playground.place(story.session, second) == "1 question is before yours."
    claims = [playing.take(story.session, "w:1") for _look in range(3)]
    assert [claim and claim.turn_id for claim in claims] == [first.id, second.id, None]


def test_a_turn_whose_worker_went_silent_is_begun_again_and_the_first_one_writes_no_more(story: Story) -> None:
    turn = asked(story)
    first = playing.take(story.session, "w:1")
    assert first is not None and playing.take(story.session, "w:2") is None
    playing.write(story.session, first, [{"kind": "answer", "side": "left", "text": "A cir"}])
    turn.heard_at = now() - 2 * playing.STALE
    story.session.flush()
    second = playing.take(story.session, "w:2")
    assert second is not None
    with pytest.raises(ClaimLost):
        playing.write(story.session, first, [{"kind": "answer", "side": "left", "text": "cle"}])
    playing.write(story.session, second, [{"kind": "answer", "side": "left", "text": "A square."}])
    assert playground_answers.answers(playground.pieces(story.session, turn))["left"].text == "A square."


def test_words_of_one_look_are_kept_together_side_by_side(story: Story) -> None:
    turn = asked(story)
    claim = playing.take(story.session, "w:1")
    assert claim is not None
    words = [{"kind": "answer", "side": side, "text": text} for text in ("a", "b", "c") for side in ("left", "right")]
    playing.write(story.session, claim, words)
    rows = story.session.scalars(sa.select(Piece).order_by(Piece.id)).all()
    assert [row.payload for row in rows] == [{"side": "left", "text": "abc"}, {"side": "right", "text": "abc"}]
    assert playground_answers.answers(playground.pieces(story.session, turn))["right"].text == "abc"


def test_a_blind_question_names_its_policies_only_after_the_vote(client: TestClient, story: Story) -> None:
    turn = answered(story, asked(story, blind=True))
    cast.sign_in(client, story.session, story.seat.user)
    at = f"{story.at}/playground/turns/{turn.id}"
    told = (
        client.get(at).text,
        client.get(f"{at}/events").text,
        client.get(f"{story.at}/playground").text.split("Asked before")[1],
    )
    assert not any("first policy" in text or "base model" in text for text in told)
    after = client.post(f"{at}/vote", data={"choice": "left", "reason": "It is round."}).text
    assert "first policy" in after and "It is round." in after and "The left one is better." in after
    assert client.post(f"{at}/vote", data={"choice": "tie"}).status_code == 409
    tally = client.get(f"{story.at}/playground").text.split("What people preferred")[1]
    assert "first policy" in tally


def judged(story: Story, turn: Turn, left: float, right: float) -> Turn:
    """As if the reward model had judged both answers before the turn ended."""
    for side, score in (("left", left), ("right", right)):
        for kind, more in (("critique", {"text": f"Quite round, the {side}."}), ("judged", {"score": score})):
            story.session.add(Piece(turn_id=turn.id, kind=kind, payload={"side": side, **more}))
    story.session.commit()
    return turn


def test_a_blind_judge_reads_the_reward_models_opinion_only_after_the_vote(client: TestClient, story: Story) -> None:
    """What is voted may become training data: it should not be the reward model's own opinion once more."""
    reward = left_by(story, "reward", "a judge")
    turn = judged(story, answered(story, asked(story, blind=True, reward=str(reward.id))), 1.25, 2.75)
    cast.sign_in(client, story.session, story.seat.user)
    at = f"{story.at}/playground/turns/{turn.id}"
    for told in (client.get(at).text, client.get(f"{at}/events").text):
        assert "A circle." in told
        assert not any(word in told for word in ("Quite round", "1.25", "2.75", "The reward model", "event: judged"))
    after = client.post(f"{at}/vote", data={"choice": "left"}).text
    assert "Quite round, the left." in after and "The reward model prefers the right one, by 1.5" in after
    assert "differs from you" in after
    assert "Quite round" in client.get(f"{at}/events").text


def test_weights_stay_while_a_question_waits_for_them_and_questions_are_named_before_they_go(
    client: TestClient, story: Story
) -> None:
    reward = left_by(story, "reward", "a judge")
    turn = asked(story, reward=str(reward.id))
    cast.sign_in(client, story.session, story.seat.user)
    at = f"{story.at}/checkpoints/{reward.id}/deletion"
    assert "It is answering a question of the playground." in client.get(at).text
    with pytest.raises(CheckpointInUse):
        discarding.delete(story.session, story.seat, reward.id, "No more room")
    story.session.rollback()
    answered(story, turn)
    assert "1 question of the playground was put to it or judged by it." in client.get(at).text
    discarding.delete(story.session, story.seat, reward.id, "No more room")
    story.session.commit()
    assert "A circle." in client.get(f"{story.at}/playground/turns/{turn.id}").text


def test_who_is_not_blind_reads_the_opinion_at_once(client: TestClient, story: Story) -> None:
    reward = left_by(story, "reward", "a judge")
    turn = judged(story, answered(story, asked(story, reward=str(reward.id))), 2.0, 2.0)
    cast.sign_in(client, story.session, story.seat.user)
    text = client.get(f"{story.at}/playground/turns/{turn.id}").text
    assert "Quite round, the left." in text and "gives both the same score" in text and "from you" not in text


def test_the_sides_of_a_blind_question_are_drawn(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playground._draw, "shuffle", lambda sides: sides.reverse())
    turn = asked(story, blind=True)
    assert turn.left_id is None and turn.right_id is not None


def test_only_whole_answers_are_voted_on(client: TestClient, story: Story) -> None:
    turn = asked(story)
    with pytest.raises(playground.NotAnswered):
        playground.vote(story.session, story.seat, turn.id, "left", "")


def test_the_stream_tells_everything_from_where_the_viewer_stopped(client: TestClient, story: Story) -> None:
    turn = answered(story, asked(story))
    cast.sign_in(client, story.session, story.seat.user)
    whole = client.get(f"{story.at}/playground/turns/{turn.id}/events").text
    assert "A circle." in whole and "A square." in whole and whole.rstrip().endswith("data: {}")
    first = story.session.scalars(sa.select(Piece.id).order_by(Piece.id)).first()
    later = client.get(f"{story.at}/playground/turns/{turn.id}/events", headers={"last-event-id": str(first)}).text
    assert "A circle." not in later and "A square." in later
    assert playground_live.POLL < 1


def test_a_picture_of_the_project_is_found_by_its_words_and_the_form_stays_as_it_was(
    client: TestClient, story: Story
) -> None:
    left_by(story, "policy", "first policy")
    dog, cat = (cast.sample(story.session, story.project, f"What does the {each} do?") for each in ("dog", "cat"))
    cast.sign_in(client, story.session, story.seat.user)
    found = client.get(
        f"{story.at}/playground", params={"question": "Is it asleep?", "text": "cat", "blind": "true"}
    ).text
    assert f"/media/{cat.media[0].id}?" in found and f"/media/{dog.media[0].id}?" not in found
    assert "Is it asleep?" in found
    turn = asked(story, medium_id=cat.media[0].id)
    assert turn.blob_sha256 == cat.media[0].blob_sha256


def test_votes_enter_a_dataset_where_they_are_wished_and_its_card_says_so(client: TestClient, story: Story) -> None:
    sample = cast.sample(story.session, story.project, "What does the dog do?")
    turn = answered(story, asked(story, medium_id=sample.media[0].id))
    playground.vote(story.session, story.seat, turn.id, "right", "It has corners.")
    story.session.commit()
    cast.sign_in(client, story.session, story.seat.user)
    without = client.post(f"/projects/{story.project.slug}/datasets", data={"name": "none", "held_out_share": 0})
    assert without.status_code == 409 and "Nothing was frozen" in without.text
    form = {"name": "votes", "held_out_share": 0, "playground": "true"}
    page = client.post(f"/projects/{story.project.slug}/datasets", data=form)
    assert page.status_code == 200 and "asked in the playground" in page.text
    assert "Votes of the playground are in it too" in page.text
    folder = storage.dataset_folder(int(str(page.url).rsplit("/", 1)[1]))
    data = read_dataset(folder)
    (pair,) = data.pairs[f"t{turn.id}"]
    responses = data.samples[f"t{turn.id}"]
    assert (responses.response(pair.chosen).text, responses.response(pair.rejected).text) == ("A square.", "A circle.")
    assert json.loads((folder / "card.json").read_text())["counts"]["playground"] == 1
    assert responses.media[0].path.exists()
    for format in export.FORMATS:
        assert client.get(f"{page.url}/download", params={"format": format}).content[:2] == b"PK", format
