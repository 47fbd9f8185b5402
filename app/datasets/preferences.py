"""Preferences that come from outside of the annotations: rooms above tell them here, and a freeze may take them in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from app.core.db import Session
from app.datasets.lines import Lines, medium_path
from app.datasets.pairs import Pair
from app.datasets.voting import Vote
from app.samples.tables import Medium, Sample

ORIGIN = "playground"
"""What a sample's line says of where it comes from; samples of annotations say nothing."""

BEHIND = 2**62
"""Added to a turn's number where samples are split: behind every sample, whose lot it shares where they share a
picture."""


class Answer(NamedTuple):
    text: str
    model: str


class Preference(NamedTuple):
    """One person's choice between two answers to a question about a picture. preferred: 0, 1, or None for a tie."""

    turn: int
    prompt: str
    blob_sha256: str
    media_type: str
    answers: tuple[Answer, Answer]
    preferred: int | None
    reason: str

    @property
    def number(self) -> int:
        return BEHIND + self.turn


TELLERS: list[Callable[[Session, int], list[Preference]]] = []
"""Each is asked with a project's id."""


def of(session: Session, project_id: int) -> list[Preference]:
    return [each for tell in TELLERS for each in tell(session, project_id)]


def lines_of(one: Preference, split: str) -> tuple[Sample, Lines]:
    """The preference as a judged sample: one that is in no table, and its lines in a dataset's files."""
    medium = Medium(position=0, kind="image", blob_sha256=one.blob_sha256, media_type=one.media_type)
    sample = Sample(prompt=one.prompt, domain="image", question_type="long", credit="", media=[medium])
    keys = [f"t{one.turn}-{side}" for side in ("left", "right")]
    line = {
        "id": f"t{one.turn}",
        "split": split,
        "domain": sample.domain,
        "question_type": sample.question_type,
        "prompt": one.prompt,
        "media": [{"kind": "image", "path": medium_path(medium)}],
        "responses": [_response(one, place, key) for place, key in enumerate(keys)],
        "tie": one.preferred is None,
        "rank_reason": one.reason,
        "origin": ORIGIN,
    }
    if one.preferred is None:
        return sample, Lines(line, [], Counter(), 0)
    chosen, rejected = keys[one.preferred], keys[1 - one.preferred]
    return sample, Lines(line, [Vote(Pair(chosen, rejected), 1, 0, 0, 1.0)], Counter(), 0)


def _response(one: Preference, place: int, key: str) -> dict[str, Any]:
    answer, rank = one.answers[place], 1 if one.preferred in (None, place) else 2
    row = {"id": key, "text": answer.text, "model": answer.model, "origin": "model", "rank": rank}
    return {**row, "scores": {}, "critique": ""}
