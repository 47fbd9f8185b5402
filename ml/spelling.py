"""Tokens one by one as text: a letter that is spelt by several tokens is held back until it is whole."""

from __future__ import annotations

from ml.encoding import Encoder

BROKEN = "\ufffd"
"""What a decoder writes for bytes that are no letter yet."""


class Spelling:
    """`said` is all that was given out."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.said = ""
        self._ids: list[int] = []

    @property
    def count(self) -> int:
        return len(self._ids)

    def add(self, token: int) -> str:
        """What can be read since; empty while a letter is not whole."""
        self._ids.append(token)
        text = self._text()
        return "" if text.endswith(BROKEN) else self._given(text)

    def rest(self) -> str:
        """What was held back, once no token follows."""
        return self._given(self._text())

    def _text(self) -> str:
        """Without the space that a response begins with."""
        text: str = self.encoder.tokenizer.decode(
            self._ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text.lstrip()

    def _given(self, text: str) -> str:
        new = text[len(self.said) :]
        self.said = text
        return new
