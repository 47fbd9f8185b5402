"""The demonstration's gold: samples at the end of its queue whose judgement is known, and the rules that use them."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from app.annotations.desk import LETTERS
from app.annotations.ranking import pairs
from app.core.db import Session
from app.demo.content import mention, samples
from app.demo.judging import content_of
from app.projects.guard import Seat
from app.samples.tables import Sample
from app.tasks import cutting, gold
from app.tasks.ruling import Rules

USES = {
    "cat-caption": "practice",
    "coin-grid": "practice",
    "garage": "qualification",
    "spoon-place": "qualification",
    "brick-direction": "hidden",
    "water-behind-tower": "hidden",
}
RULES = Rules(daily_quota=200, pause_below=60)
"""Nobody is gated and no gold is mixed in until an admin says so: the tour meets the samples in their order."""


def make_gold(session: Session, seat: Seat, ids: Mapping[str, int]) -> int:
    """Make gold of the known samples, as the admin; `ids` leads from a sample's key to its row. Returns how many."""
    written = {sample.key: sample for sample in samples()}
    for key, use in USES.items():
        sample = session.scalars(sa.select(Sample).filter_by(id=ids[key])).one()
        order = [response.id for response in sample.responses]
        content = content_of(written[key].truth, sample, order)
        letters = {response.model: letter for response, letter in zip(sample.responses, LETTERS, strict=False)}
        reason = mention(written[key].truth.rank_reason, letters)
        gold.make(session, seat, sample.id, use, content["scores"], pairs(content["ranking"]), 1, reason)
    cutting.change_rules(session, seat.user, seat.project, RULES)
    return len(USES)
