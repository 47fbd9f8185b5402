"""The shape of one line of an import file, and the kind of question that it asks."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from app.core.language import N_

LONG_ANSWER = 128
"""Characters of a reference response over which a question is long (arXiv 2502.10391, section 2)."""
ANSWER = re.compile(r"(?:(?<=\n)|(?<=\s)|^)\(?([A-H])[.):][ \t]*(.*?)(?=\s+\(?[B-H][.):]|\n|$)")
VIDEO_ENDINGS = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg")
OPTION = re.compile(r"(?:^|\n|\s)\(?([A-H])[.):]\s*\S")


class ReplyLine(BaseModel):
    model_config = ConfigDict(extra="forbid")
    model: str = Field(min_length=1, max_length=200)
    text: str = Field(min_length=1, max_length=100_000)


Place = Annotated[int, Field(ge=0, le=11)]
"""Of a response among its sample's."""


class Judgement(BaseModel):
    """What people said of a sample elsewhere: lists in the order of its responses, empty where nothing was said."""

    model_config = ConfigDict(extra="forbid")
    scores: list[dict[str, Annotated[int, Field(ge=1, le=5)]]] = Field(default=[], max_length=12)
    reasons: list[str] = Field(default=[], max_length=12)
    ranks: list[int] = Field(max_length=12)
    """1 for the best; equal ranks are a tie."""
    rank_reason: str = Field(default="", max_length=10_000)
    margins: list[tuple[Place, Place, FiniteFloat]] = Field(default=[], max_length=66)
    """The better response, the worse one, and the reward margin δ that somebody's reward model gave the two."""


class SampleLine(BaseModel):
    """One sample: a prompt, its picture(s) or video frames, and the replies. Paths are relative to the media."""

    model_config = ConfigDict(extra="forbid")
    id: str | int | None = None
    prompt: str = Field(min_length=1, max_length=100_000)
    image: str | None = None
    images: list[str] = Field(default=[], max_length=64)
    video: str | list[str] | None = None
    """A video file, a folder of frames (taken in the order of their names), or the frames themselves."""
    frames: str | list[str] | None = None
    """Beside a video file: the frames that models saw, as a folder or one by one. Sampled where they are absent."""
    domain: Literal["image", "video", "safety"] | None = None
    danger: Literal["jailbreak", "privacy", "hacking", "violence", "self_injury", "adversarial"] | None = None
    """What a safety sample is about; such a sample is of the domain safety where no other is named."""
    question_type: Literal["mcq", "long", "short"] | None = None
    responses: list[ReplyLine] = Field(default=[], max_length=12)
    """A sample with fewer than two waits for more before anybody can judge it."""
    reference: str = Field(default="", max_length=100_000)
    """A right answer, where one is known: its length tells long from short questions. Not kept."""
    language: str = Field(default="", max_length=35, pattern=r"^[A-Za-z0-9-]*$")
    cluster: str = Field(default="", max_length=100)
    alt: str = Field(default="", max_length=2000)
    credit: str = Field(default="", max_length=2000)
    judgement: Judgement | None = None

    @model_validator(mode="after")
    def _has_one_kind_of_medium(self) -> SampleLine:
        if sum(map(bool, (self.image, self.images, self.video))) != 1:
            raise ValueError(N_("give exactly one of image, images and video"))
        if self.frames and not self.has_video_file:
            raise ValueError(N_("frames stand beside a video file"))
        if self.judgement and len(self.judgement.ranks) != len(self.responses):
            raise ValueError(N_("a judgement ranks each response"))
        if self.judgement and any(max(one, other) >= len(self.responses) for one, other, _ in self.judgement.margins):
            raise ValueError(N_("a margin is between two of the responses"))
        return self

    @property
    def has_video_file(self) -> bool:
        return isinstance(self.video, str) and self.video.lower().endswith(VIDEO_ENDINGS)

    @property
    def named(self) -> list[str]:
        """Its media, as the line names them."""
        names = [self.image] if self.image else self.images or self.video or []
        return [names] if isinstance(names, str) else list(names)

    @property
    def kind_of_domain(self) -> str:
        return self.domain or ("safety" if self.danger else "video" if self.video else "image")

    @property
    def kind_of_question(self) -> str:
        first = self.responses[0].text if self.responses else ""
        return self.question_type or question_type(self.prompt, self.reference or first)


def question_type(prompt: str, reference: str) -> str:
    """mcq for two or more lettered options in a row; otherwise long or short by the reference response's length."""
    letters = OPTION.findall(prompt)
    if letters[:2] == ["A", "B"]:
        return "mcq"
    return "long" if len(reference) > LONG_ANSWER else "short"


def options(prompt: str) -> list[tuple[str, str]]:
    """The lettered options of a multiple-choice question, each with its text; none of any other question."""
    found = [(letter, text.strip()) for letter, text in ANSWER.findall(prompt) if text.strip()]
    in_order = [letter for letter, _ in found] == list("ABCDEFGH"[: len(found)])
    return found if len(found) > 1 and in_order else []
