"""From words and pictures to token ids: one prefix a sample, one suffix a response, and rows of both for the model.

The prefix (pictures and question) is encoded once for all responses of its sample. Text that merely looks like a
special token stays text: a response cannot end its own turn or add a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from torch import Tensor

from ml.errors import BaseModelNotFound

JUDGE = "Judge the response above. Say what it gets right and what it gets wrong about the image and the question."
FIRST, SECOND = "QZRESPONSEZQ", "QZCRITIQUEZQ"
"""Words that stand in the chat template where a response and a critique will stand."""


@dataclass(frozen=True)
class Prefix:
    """One sample's pictures and question as the processor expands them. ids (T)."""

    ids: Tensor
    token_types: Tensor | None
    """Which tokens are pictures (T), for the families that ask."""
    vision: dict[str, Tensor]
    """What the vision encoder takes: pixel values and their shapes; empty without pictures."""
    images: int


@dataclass(frozen=True)
class Suffix:
    """What follows the prefix. `target` marks the tokens whose log-probabilities are wanted."""

    ids: list[int]
    target: list[bool]


@dataclass
class Cuts:
    """How many texts were longer than allowed, by what they are."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def __str__(self) -> str:
        return ", ".join(f"{count} {what}" for what, count in self.counts.items())


class Encoder:
    """A processor and its chat template, read once. Raises BaseModelNotFound where there is no chat template."""

    def __init__(self, processor: Any, ends: set[int]) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.cuts = Cuts()
        self._specials = sorted(self._special_tokens(), key=len, reverse=True)
        _, between, after = self._render("", 0)
        self.judge = self.ids(between)
        self.end = self._end_of_turn(self.ids(after), ends)
        self.between = self._after_end(self.judge)

    def ids(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def plain(self, text: str) -> str:
        """The text with a space inside whatever looks like a special token."""
        for token in self._specials:
            if token in text:
                text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    def prefix(self, prompt: str, images: Sequence[Image.Image]) -> Prefix:
        """Pictures and question, up to where the response begins."""
        before, _, _ = self._render(self.plain(prompt), len(images))
        bos = self.tokenizer.bos_token
        inputs = self.processor(
            text=[before],
            images=list(images) or None,
            return_tensors="pt",
            add_special_tokens=not (bos and before.startswith(bos)),
        )
        rest = {n: v for n, v in inputs.items() if n not in ("input_ids", "attention_mask", "mm_token_type_ids")}
        types = inputs.get("mm_token_type_ids")
        return Prefix(inputs["input_ids"][0], None if types is None else types[0], rest, len(images))

    def response(self, text: str, limit: int) -> list[int]:
        """A response's tokens and the end of its turn."""
        return self._cut(self.ids(self.plain(text)), limit, "responses") + self.end

    def critique(self, text: str, limit: int) -> list[int]:
        return self._cut(self.ids(self.plain(text)), limit, "critiques") + self.end

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text.strip()

    def _cut(self, ids: list[int], limit: int, what: str) -> list[int]:
        if len(ids) > limit:
            self.cuts.add(what)
        return ids[:limit]

    def _render(self, prompt: str, images: int) -> tuple[str, str, str]:
        """The chat template's words before the response, between it and the critique, and after the critique."""
        pictures = [{"type": "image"}] * images
        turns = [
            {"role": "user", "content": [*pictures, {"type": "text", "text": prompt}]},
            {"role": "assistant", "content": [{"type": "text", "text": FIRST}]},
            {"role": "user", "content": [{"type": "text", "text": JUDGE}]},
            {"role": "assistant", "content": [{"type": "text", "text": SECOND}]},
        ]
        if not self.processor.chat_template:
            raise BaseModelNotFound("the base model has no chat template, so its turns are unknown")
        text: str = self.processor.apply_chat_template(turns, tokenize=False)
        before, rest = text.split(FIRST, 1)
        between, after = rest.split(SECOND, 1)
        return before, between, after

    def _end_of_turn(self, after: list[int], ends: set[int]) -> list[int]:
        """The tokens that close a turn: up to the first at which generation stops."""
        for index, token in enumerate(after):
            if token in ends:
                return after[: index + 1]
        return [self.tokenizer.eos_token_id]

    def _after_end(self, judge: list[int]) -> list[int]:
        """The judge's turn without the end of the response's turn, which `response` already holds."""
        return judge[len(self.end) :] if judge[: len(self.end)] == self.end else judge

    def _special_tokens(self) -> set[str]:
        added = self.tokenizer.added_tokens_decoder.values()
        return {str(each) for each in added if each.special} | set(self.tokenizer.all_special_tokens)
