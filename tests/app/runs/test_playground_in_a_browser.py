"""A researcher asks two policies about a picture, sees both write, reads the judgement, and votes without knowing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, expect
from sqlalchemy.orm import Session

from app.accounts.actions import sign_in
from app.accounts.guard import COOKIE
from app.core import storage
from app.core.settings import settings
from app.runs import registry
from app.runs.playground_tables import Vote
from app.runs.tables import Checkpoint
from ml import checkpoints, heads, tiny
from ml.config import Reward
from ml.models import load
from tests import cast
from tests.app.runs import stories
from tests.app.runs.test_playground import left_by
from tests.patience import patient
from worker import playing


def weigh(base: Path, *rows: Checkpoint) -> None:
    """Random weights for the checkpoints, of policies and of reward models."""
    sizes: dict[str, Any] = {
        "width": 48,
        "layers": 2,
        "vision_width": 32,
        "vision_layers": 1,
        "vocabulary": 500,
        "max_pixels": 4096,
    }
    tiny.build(base, **sizes)
    model = load(str(base), Reward(device="cpu"))
    for row in rows:
        folder = registry.folder_of(row)
        folder.mkdir(parents=True)
        critical = {"critiques": "human"} if row.kind == "reward" else {}
        meta = {"kind": row.kind, "recipe": "mm_dpo", "step": 0, **critical}
        checkpoints.save(folder, model, meta, heads.score_head(model, 0.0) if critical else None)


def test_two_policies_answer_side_by_side_are_judged_and_one_is_preferred_blindly(
    session: Session, browser: Browser, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = stories.begin(session)
    cast.sample(session, story.project, "What does the dog do?")
    rows = [left_by(story, "policy", "plain policy"), left_by(story, "reward", "strict judge")]
    weigh(storage.root() / "models" / "tiny", *rows)
    secret = sign_in(session, story.seat.user.email, cast.PASSWORD)
    session.commit()
    monkeypatch.setenv("PLAYGROUND_IDLE", "120")
    monkeypatch.setenv("PLAYGROUND_DEVICE", "cpu")
    settings.cache_clear()
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
    page = patient(context.new_page())
    problems: list[str] = []
    page.on("pageerror", lambda problem: problems.append(str(problem)))
    page.goto(f"{address}{story.at}")
    page.get_by_role("link", name="Playground").click()
    page.get_by_role("textbox", name="Question").fill("What colour is it?")
    page.get_by_role("radio", name="Picture of sample").check(force=True)
    page.get_by_label("Longest answer").select_option("64")
    page.get_by_label("Blind").check()
    page.get_by_role("textbox", name="Question").press("Control+Enter")
    expect(page.get_by_role("status")).to_contain_text("You are next.")
    done = threading.Event()
    work = threading.Thread(target=playing.see_through, args=("w:1", done.is_set))
    work.start()
    try:
        left = page.locator("[data-side=left]")
        expect(page.get_by_role("status")).to_contain_text("Which is better?", timeout=120_000)
        expect(left.locator("[data-text=answer]")).not_to_be_empty()
        expect(left).to_contain_text("What strict judge makes of it is shown once you have voted.")
        expect(left.locator("[data-score]")).to_have_count(0)
        expect(page.locator("main")).not_to_contain_text("plain policy")
        page.keyboard.press("2")
        expect(page.get_by_role("button", name="Right is better")).to_be_focused()
        page.get_by_label("Why").fill("It says less.")
        page.get_by_role("button", name="Right is better").click()
        expect(page.locator("[data-side=right]")).to_contain_text("preferred")
        expect(page.locator("main")).to_contain_text("plain policy")
        expect(left.locator("[data-score]")).not_to_have_text("–")
        expect(page.locator("main")).to_contain_text("The reward model")
    finally:
        done.set()
        work.join()
    assert session.scalars(sa.select(Vote.choice)).all() == ["right"]
    assert not problems
    context.close()
