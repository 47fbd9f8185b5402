"""Attention of packed rows in two calls: what the block mask hides is not computed.

Under the mask a row of T tokens costs T² products, most of them hidden: responses do not see one another. Here the
prefix attends to itself, and the responses, as a batch, to the prefix and themselves: P² + K · L · (P + L). The keys
and values of the prefix are read K times for it, which is the price; the numbers are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    for row, each in enumerate(layouts):
        one = [tensor[row] for tensor in parts]
        found = [_attend(module, _prefix(one, each), None, more)]
        if each.lengths:
            found.append(_in_order(_attend(module, _responses(one, each), each.visible, more), each))
        rows.append(_filled(torch.cat(found, dim=1), parts[0].shape[2]))
    return torch.cat(rows)


def _attend(module: Any, part: Sequence[Tensor], mask: Tensor | None, more: dict[str, Any]) -> Tensor:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    query, key, value = part
    found: Tensor = sdpa_attention_forward(module, query, key, value, mask, **more)[0]
    return found


def _prefix(one: Sequence[Tensor], each: Layout) -> Any:
    """The prefix's part of a row's (H, T, d): (1, H, P, d)."""
    return tuple(tensor[None, :, : each.prefix] for tensor in one)


def _responses(one: Sequence[Tensor], each: Layout) -> Any:
    """Queries (K, H, L, d); keys and values (K, G, P + L, d)."""
    query, *others = (tensor[:, each.places].transpose(0, 1) for tensor in one)
    before = [tensor[:, : each.prefix].expand(len(query), -1, -1, -1) for tensor in one[1:]]
    return (query, *(torch.cat([first, own], dim=2) for first, own in zip(before, others, strict=True)))


def _in_order(found: Tensor, each: Layout) -> Tensor:
    """(K, L, H, d) → (1, ΣL, H, d), as the tokens stand in the row."""
    return found.flatten(0, 1)[each.back][None]


def _filled(found: Tensor, width: int) -> Tensor:
    """Padding gets zeros, which nobody reads."""
    return torch.nn.functional.pad(found, (0, 0, 0, 0, 0, width - found.shape[1]))
