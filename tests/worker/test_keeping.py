"""The jobs around checkpoints, called as a worker would."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.db import now
from app.core.settings import settings
from app.runs import pushing, registry, retention
from app.runs.retention import Rule
from app.runs.tables import Checkpoint
from tests.app.runs import stories
from tests.app.runs.test_checkpoints import checkpoint
from worker import keeping


def test_tidying_takes_what_no_rule_keeps_and_offers_copies_that_were_not_made(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSH_TO", str(tmp_path / "models"))
    settings.cache_clear()
    offered: list[int] = []
    monkeypatch.setattr(keeping.push_checkpoint, "apply_async", lambda arguments, queue: offered.append(*arguments))
    story = stories.begin(session)
    old, new = checkpoint(story), checkpoint(story)
    session.execute(sa.update(Checkpoint).values(created_at=now() - dt.timedelta(days=60)))
    push = pushing.ask(session, story.seat, new.id, str(tmp_path / "models"), "reward")
    retention.decide(session, story.seat, Rule(True, 1, 0, 7))
    session.commit()
    keeping.tidy_checkpoints()
    assert (registry.folder_of(old).exists(), registry.folder_of(new).exists()) == (False, True)
    assert offered == [push.id]
    keeping.push_checkpoint(push.id)
    assert (tmp_path / "models" / "reward" / "SHA256SUMS").is_file()
