"""Attention of packed rows in two calls: what the block mask hides is not computed.

Under the mask a row of T tokens costs T² products, most of them hidden: responses do not see one another. Here the
prefix attends to itself, and the responses, as a batch, to the prefix and themselves: P² + K · L · (P + L). The keys
and values of the prefix are read K times for it, which is the price; the numbers are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

NAME = "packed"
"""What transformers knows this attention by; for all other rows it is its own `sdpa`."""


@dataclass(frozen=True)
class Layout:
    """A packed row: P tokens of prefix, behind them K responses of up to L tokens."""

    prefix: int
    lengths: Sequence[int]
    places: Tensor
    """(K, L): where in the row each response's tokens stand; a shorter one repeats its last."""
    visible: Tensor
    """(1, 1, L, P + L): what a response's token sees of prefix and response."""
    back: Tensor
    """Where in the flat K · L the responses' tokens stand, in the row's order."""

    @property
    def tokens(self) -> int:
        return self.prefix + sum(self.lengths)


def layout(prefix: int, lengths: Sequence[int], device: Any) -> Layout:
    """Of a packed row with these lengths; responses without a token are passed over."""
    lengths = [length for length in lengths if length]
    longest = max(lengths, default=0)
    starts = torch.tensor([prefix + sum(lengths[:k]) for k in range(len(lengths))])
    counts = torch.tensor(lengths)
    steps = torch.arange(longest)
    places = starts[:, None] + torch.minimum(steps, counts[:, None] - 1) if lengths else torch.zeros(0, 0)
    own = torch.ones(longest, longest, dtype=torch.bool).tril()
    visible = torch.cat([torch.ones(longest, prefix, dtype=torch.bool), own], dim=1)[None, None]
    back = (steps < counts[:, None]).flatten().nonzero()[:, 0] if lengths else torch.zeros(0)
    return Layout(prefix, lengths, places.long().to(device), visible.to(device), back.long().to(device))


def attach(mask: Tensor, layouts: Sequence[Layout]) -> Tensor:
    """The block mask (B, 1, T, T), which whoever knows no layouts goes by."""
    mask.layouts = tuple(layouts)  # type: ignore[attr-defined]
    return mask


def use(net: Any) -> None:
    """Let the language model attend so, where it would by `sdpa`."""
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface

    decoder = net.get_decoder()
    if decoder.config._attn_implementation != "sdpa":
        return
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
    decoder.set_attn_implementation(NAME)


def attend(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **more: Any) -> Any:
    """transformers' attention function: query (B, H, T, d), key and value (B, G, T, d) → (B, T, H, d), no weights."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    layouts: Sequence[Layout] | None = getattr(attention_mask, "layouts", None)
    if layouts is None or query.shape[2] != key.shape[2] or len(layouts) != len(query):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **more)

    return attend_apart(module, (query, key, value), layouts, more), None


def attend_apart(module: Any, parts: Sequence[Tensor], layouts: Sequence[Layout], more: dict[str, Any]) -> Tensor:
    """Each row's prefix by itself, then its responses: (B, T, H, d)."""
    rows = []
    for one, each in zip(zip(*(tensor.unbind() for tensor in parts), strict=True), layouts, strict=True):
        cut = [tensor.split([each.prefix, tensor.shape[1] - each.prefix], dim=1) for tensor in one]  # goes back as one
        before, behind = [first for first, _ in cut], [second for _, second in cut]
        found = [_before(module, before, more)]
        if each.lengths:
            found.append(_in_order(_attend(module, _responses(before, behind, each), each.visible, more), each))
        rows.append(_filled(torch.cat(found, dim=1), parts[0].shape[2]))
    return torch.cat(rows)


@contextmanager
def only_ends(module: Any) -> Iterator[None]:
    """Within, this attention gives of each prefix its last token alone, and zeros for the others."""
    module.only_ends = True
    try:
        yield
    finally:
        del module.only_ends


def _attend(module: Any, part: Sequence[Tensor], mask: Tensor | None, more: dict[str, Any]) -> Tensor:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    query, key, value = part
    found: Tensor = sdpa_attention_forward(module, query, key, value, mask, **more)[0]
    return found


def _before(module: Any, before: Sequence[Tensor], more: dict[str, Any]) -> Tensor:
    """A prefix (H, P, d) by itself: (1, P, H, d)."""
    query, key, value = (tensor[None] for tensor in before)
    if not getattr(module, "only_ends", False):
        return _attend(module, (query, key, value), None, more)
    last = _attend(module, (query[:, :, -1:], key, value), None, more)
    return torch.nn.functional.pad(last, (0, 0, 0, 0, query.shape[2] - 1, 0))


def _responses(before: Sequence[Tensor], behind: Sequence[Tensor], each: Layout) -> Any:
    """Queries (K, H, L, d); keys and values (K, G, P + L, d)."""
    query, *others = (tensor[:, each.places - each.prefix].transpose(0, 1) for tensor in behind)
    first = [tensor.expand(len(query), -1, -1, -1) for tensor in before[1:]]
    return (query, *(torch.cat([one, own], dim=2) for one, own in zip(first, others, strict=True)))


def _in_order(found: Tensor, each: Layout) -> Tensor:
    """(K, L, H, d) → (1, ΣL, H, d), as the tokens stand in the row."""
    return found.flatten(0, 1)[each.back][None]


def _filled(found: Tensor, width: int) -> Tensor:
    """Padding gets zeros, which nobody reads."""
    return torch.nn.functional.pad(found, (0, 0, 0, 0, 0, width - found.shape[1]))
