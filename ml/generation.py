"""Generation with the prefix read once: its keys and values serve every response of its sample.

A picture and a question of 200 tokens with four responses to criticise are 200 tokens to read, not 800, and rows that
have ended are dropped instead of being carried to the longest one's end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ml import packing
from ml.encoding import Prefix, Suffix

if TYPE_CHECKING:
    from ml.models import VisionLanguage


@torch.no_grad()
def continued(
    model: VisionLanguage,
    prefixes: list[Prefix],
    suffixes: list[list[Suffix]],
    seen: Sequence[Any],
    longest: int,
    temperature: float = 0.0,
) -> list[list[int]]:
    """What follows each suffix of each prefix, without the token that ends the turn; greedy at temperature 0."""
    owners = torch.tensor([i for i, each in enumerate(suffixes) for _ in each], device=model.device)
    behind = _Behind(model, prefixes, seen)
    behind.take(owners)
    flat = [suffix.ids for each in suffixes for suffix in each]
    if any(flat):
        behind.read(flat)
    ends = torch.tensor(sorted({*model.ends, model.pad}), device=model.device)
    found: list[list[int]] = [[] for _ in flat]
    going = torch.arange(len(flat), device=model.device)
    for _ in range(longest):
        tokens = _choose(model.logits(behind.state), temperature)
        ended = torch.isin(tokens, ends)
        for row, token in zip(going[~ended].tolist(), tokens[~ended].tolist(), strict=True):
            found[row].append(token)
        if bool(ended.all()):
            break
        if bool(ended.any()):
            kept = (~ended).nonzero()[:, 0]
            behind.take(kept)
            going, tokens = going[kept], tokens[kept]
        behind.read([[token] for token in tokens.tolist()])
    return found


@torch.no_grad()
def streamed(
    model: VisionLanguage, prefix: Prefix, suffix: Suffix, seen: Any, longest: int, temperature: float = 0.0
) -> Iterator[int]:
    """`continued` for one suffix, each token given as soon as it is there."""
    behind = _Behind(model, [prefix], [seen])
    if suffix.ids:
        behind.read([suffix.ids])
    ends = {*model.ends, model.pad}
    for place in range(longest):
        token = int(_choose(model.logits(behind.state), temperature)[0])
        if token in ends:
            return
        yield token
        if place + 1 < longest:
            behind.read([[token]])


class _Behind:
    """B rows that have been read so far: keys and values, what is padding, where the next token stands, and its state.

    Rows are padded on the right each time something is read, so padding may lie inside; it is masked.
    """

    def __init__(self, model: VisionLanguage, prefixes: list[Prefix], seen: Sequence[Any]) -> None:
        self.model = model
        rows = packing.plain(prefixes, [[Suffix([], [])]] * len(prefixes), model.pad, model.device)
        own = [model.positions(prefix) for prefix in prefixes]
        width = rows.input_ids.shape[1]
        rows.positions = packing.stacked([packing.behind(each, [], width) for each in own], model.device)
        self.axes = own[0].shape[0]
        self.mask = rows.attention_mask
        self.next = torch.tensor([int(each.max()) + 1 for each in own], device=model.device)
        states, self.cache = model.read(rows, seen)
        self.state = states.flatten(0, 1)[rows.ends]

    def take(self, rows: Tensor) -> None:
        """Go on with these rows, some of them perhaps several times."""
        self.cache.batch_select_indices(rows)
        self.mask, self.next, self.state = self.mask[rows], self.next[rows], self.state[rows]

    def read(self, ids: list[list[int]]) -> None:
        """Read these tokens behind each row; a row without any stays where it is."""
        lengths = torch.tensor([len(each) for each in ids], device=self.model.device)
        width = int(lengths.max())
        steps = torch.arange(width, device=self.model.device)
        self.mask = torch.cat([self.mask, (steps < lengths[:, None]).long()], dim=1)
        positions = self.next[:, None] + steps
        tokens = packing.padded(ids, width, self.model.pad, self.model.device)
        turned = positions if self.axes == 1 else positions.expand(self.axes, -1, -1)
        states = self.model.read_on(tokens, self.mask, turned, self.cache)
        last = states[torch.arange(len(ids), device=states.device), (lengths - 1).clamp(min=0)]
        self.state = torch.where((lengths > 0)[:, None], last, self.state)
        self.next = self.next + lengths


def _choose(logits: Tensor, temperature: float) -> Tensor:
    """One token for each row of logits (B, V)."""
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1)[:, 0]


@torch.no_grad()
def plainly(
    model: VisionLanguage,
    prefixes: list[Prefix],
    suffixes: list[list[Suffix]],
    seen: Sequence[Any],
    longest: int,
    temperature: float = 0.0,
) -> list[list[int]]:
    """The same by the family's own generation, a row a response: for families whose cache is not ours to share."""
    rows = packing.plain(prefixes, suffixes, model.pad, model.device, left=True)
    with model.precision():
        out = model.net.generate(**model.inputs(rows, seen), **_how(model, longest, temperature))
    new = out[:, rows.input_ids.shape[1] :].tolist()
    return [_until(row, {*model.ends, model.pad}) for row in new]


def streamed_plainly(
    model: VisionLanguage, prefix: Prefix, suffix: Suffix, seen: Any, longest: int, temperature: float = 0.0
) -> Iterator[int]:
    """`plainly` for one suffix: the family's own generation goes on in a thread, and hands over token by token."""
    stream = _Stream()
    rows = packing.plain([prefix], [[suffix]], model.pad, model.device, left=True)

    def work() -> None:
        try:
            with torch.no_grad(), model.precision():
                how = _how(model, longest, temperature)
                model.net.generate(**model.inputs(rows, [seen]), **how, streamer=stream)
        except BaseException as error:
            stream.queue.put(error)
        else:
            stream.queue.put(None)

    Thread(target=work, daemon=True).start()
    ends = {*model.ends, model.pad}
    try:
        while (token := stream.queue.get()) is not None:
            if isinstance(token, BaseException):
                raise token
            if token not in ends:
                yield token
    finally:
        stream.left = True


class _Left(Exception):
    """Nobody reads what a thread still generates."""


class _Stream:
    """What transformers hands tokens to; the prompt comes first."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[int | BaseException | None] = SimpleQueue()
        self.left = False
        self._prompt = True

    def put(self, tokens: Tensor) -> None:
        if self.left:
            raise _Left
        if self._prompt:
            self._prompt = False
            return
        for token in tokens.flatten().tolist():
            self.queue.put(token)

    def end(self) -> None:
        """Said by the thread itself, which knows of errors too."""


def _how(model: VisionLanguage, longest: int, temperature: float) -> dict[str, Any]:
    how: dict[str, Any] = {"do_sample": temperature > 0, "temperature": temperature or None}
    if temperature == 0:
        how |= {"top_p": None, "top_k": None}
    return how | {"max_new_tokens": longest, "eos_token_id": sorted(model.ends), "pad_token_id": model.pad}


def _until(ids: list[int], ends: set[int]) -> list[int]:
    return ids[: next((index for index, token in enumerate(ids) if token in ends), len(ids))]
