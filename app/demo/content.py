"""The demonstration project's content: samples, responses, judgements and verdicts, written for it and kept as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FOLDER = Path(__file__).parent / "content"
ANA_HAS_JUDGED = 22
"""Of the samples in the order of the queue; Ben has judged those that hold a second judgement."""
QUALITIES = ("right", "incomplete", "hallucinating", "unhelpful")
MENTION = re.compile(r"\{(demo-[a-d])\}")


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DemoMedium(_Entry):
    """A picture or video that an installed package carries, with its author and licence."""

    key: str
    kind: Literal["image", "video"]
    package: str
    file: str
    """The end of the file's path among the package's installed files."""
    frames: int = Field(default=0, ge=0, le=16)
    """How many frames of a video are shown, evenly spaced from the first to the last."""
    alt: str = Field(min_length=1)
    author: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    source: str = Field(min_length=1)
    """Where the licence is stated."""

    @property
    def credit(self) -> str:
        return f"{self.author}, {self.licence}, carried by the package {self.package}"


class DemoReply(_Entry):
    model: str
    quality: Literal["right", "incomplete", "hallucinating", "unhelpful"]
    text: str = Field(min_length=1)


class DemoNegative(_Entry):
    base: str
    text: str = Field(min_length=1)


class DemoJudgement(_Entry):
    """The nine categories of one person for one sample; responses go by their model's name.

    Texts mention a response as {demo-a}: everybody saw the responses under letters of their own.
    """

    scores: dict[str, dict[str, int]]
    reasons: dict[str, str]
    ranking: list[list[str]]
    tie: bool
    rank_reason: str = Field(min_length=1)
    positive: str | None = None
    negative: DemoNegative | None = None


class DemoSample(_Entry):
    key: str
    media: list[str] = Field(min_length=1)
    domain: Literal["image", "video", "safety"]
    question_type: Literal["mcq", "long", "short"]
    prompt: str = Field(min_length=1)
    responses: list[DemoReply]
    truth: DemoJudgement
    """Ana's, and right unless the reviewer corrects it."""
    second: DemoJudgement | None = None
    """Ben's, where he has judged the sample too."""
    skip: str = ""
    """Why Ben passed the sample by, where he did."""


class DemoVerdict(_Entry):
    """Rosa's verdict on one annotation; a correction says what it changes."""

    sample: str
    annotator: Literal["ana", "ben"]
    verdict: Literal["accept", "correct", "return", "reject"]
    comment: str = ""
    remarks: dict[str, str] = {}
    """Place → comment, with a response's model for its id: reasons.demo-c."""
    changes: dict[str, Any] = {}


class DemoDecision(_Entry):
    """Rosa's decision over a sample on which Ana and Ben differ: what one of them answered, and why."""

    sample: str
    like: Literal["ana", "ben"]
    reason: str = Field(min_length=1)


@cache
def media() -> dict[str, DemoMedium]:
    """Every picture and video by its key."""
    return {entry.key: entry for entry in map(DemoMedium.model_validate, _read("media"))}


@cache
def samples() -> list[DemoSample]:
    """The samples in the order of the queue: those that are judged already come first."""
    return [DemoSample.model_validate(entry) for entry in _read("samples")]


@cache
def verdicts() -> list[DemoVerdict]:
    return [DemoVerdict.model_validate(entry) for entry in _read("reviews")]


@cache
def decisions() -> list[DemoDecision]:
    return [DemoDecision.model_validate(entry) for entry in _read("adjudications")]


def guidelines() -> str:
    return (FOLDER / "guidelines.md").read_text("utf-8")


def texts() -> list[str]:
    """Every sentence of the project, for a tokenizer that shall know its words."""
    written = []
    for sample in samples():
        written += [sample.prompt, *(reply.text for reply in sample.responses)]
        for judgement in filter(None, (sample.truth, sample.second)):
            written += [*judgement.reasons.values(), MENTION.sub("it", judgement.rank_reason)]
    return list(dict.fromkeys(written))


def mention(text: str, letters: Mapping[str, str]) -> str:
    """The text with each {demo-a} replaced by the letter under which the reader sees that response."""
    return MENTION.sub(lambda found: letters[found[1]], text)


def _read(name: str) -> list[Any]:
    entries: list[Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return entries
