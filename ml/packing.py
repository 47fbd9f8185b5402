"""Prefixes and responses laid out as rows for the model, either way with the same meaning.

Plain: a row for each response, the prefix before each. Packed: a row for each *sample*, its prefix once and behind it
all its responses, each of which sees the prefix and itself only, at the positions it would have right behind the
prefix. Four responses to a picture of 190 tokens then cost 190 + 4·n tokens rather than 4·(190 + n), and every pair of
the sample is read off them; the plain computation pair by pair reads 12·(190 + n).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ml import attention
from ml.encoding import Prefix, Suffix

PADDING = -1
PREFIX = 0
"""Segments: the prefix is 0, a sample's responses are 1, 2, …"""
BOTH_WAYS = ("gemma3", "paligemma")
"""Families in which a picture's tokens see one another both ways, which a causal mask of ours would undo."""


@dataclass
class Rows:
    """B rows of length T on the model's device, holding R responses with N tokens whose log-probability is wanted.

    Places are flat indices into B · T.
    """

    input_ids: Tensor
    """(B, T)"""
    attention_mask: Tensor
    """(B, T), 0 at padding; or (B, 1, T, T), True where a token (third) sees another (fourth)."""
    positions: Tensor | None
    """(B, T), or (3, B, T) for the families that turn by time, height and width; None: the family's own."""
    token_types: Tensor | None
    """Which tokens are pictures (B, T), for the families that ask."""
    before: Tensor
    """Place of the state that predicts each wanted token (N)."""
    wanted: Tensor
    """The wanted tokens (N)."""
    response: Tensor
    """Which response each belongs to (N)."""
    ends: Tensor
    """Place of each response's last token (R)."""
    read: Tensor
    """The places of both kinds, each once."""
    owners: list[int]
    """Which prefix each row begins with (B)."""
    prefixes: list[Prefix]
    tokens: int
    """Tokens without padding."""


def plain(prefixes: list[Prefix], suffixes: list[list[Suffix]], pad: int, device: Any, left: bool = False) -> Rows:
    """One row for each suffix of each prefix, padded on the right (on the left for generation)."""
    owners = [owner for owner, each in enumerate(suffixes) for _ in each]
    flat = [suffix for each in suffixes for suffix in each]
    ids = [[*prefixes[owner].ids.tolist(), *suffix.ids] for owner, suffix in zip(owners, flat, strict=True)]
    width = max(len(row) for row in ids)
    starts = [width - len(row) if left else 0 for row in ids]
    lengths = [len(prefixes[owner].ids) for owner in owners]
    reads = _Reads()
    for row, (suffix, start, length) in enumerate(zip(flat, starts, lengths, strict=True)):
        at = row * width + start + length
        reads.add(suffix, at, at - 1)
    return Rows(
        input_ids=padded(ids, width, pad, device, left),
        attention_mask=padded([[1] * len(row) for row in ids], width, 0, device, left),
        positions=None,
        token_types=_types(prefixes, owners, [len(row) for row in ids], width, device, left),
        owners=owners,
        prefixes=prefixes,
        tokens=sum(len(row) for row in ids),
        **reads.tensors(device),
    )


def packed(
    prefixes: list[Prefix], suffixes: list[list[Suffix]], positions: Sequence[Tensor], pad: int, device: Any
) -> Rows:
    """One row for each prefix with all its suffixes behind it.

    positions: each prefix's own (A, P), where A is 1 or, with M-RoPE, 3.
    """
    lengths = [[len(suffix.ids) for suffix in each] for each in suffixes]
    ids = [
        [*prefix.ids.tolist(), *(token for suffix in each for token in suffix.ids)]
        for prefix, each in zip(prefixes, suffixes, strict=True)
    ]
    width = max(len(row) for row in ids)
    layouts = [attention.layout(len(p.ids), each, device) for p, each in zip(prefixes, lengths, strict=True)]
    segments = torch.stack([segments_of(len(p.ids), each, width) for p, each in zip(prefixes, lengths, strict=True)])
    reads = _Reads()
    for row, (prefix, each) in enumerate(zip(prefixes, suffixes, strict=True)):
        at = row * width + len(prefix.ids)
        end_of_prefix = at - 1
        for suffix in each:
            reads.add(suffix, at, end_of_prefix)
            at += len(suffix.ids)
    owners = list(range(len(prefixes)))
    return Rows(
        input_ids=padded(ids, width, pad, device),
        attention_mask=attention.attach(visible(segments).to(device), layouts),
        positions=stacked([behind(own, each, width) for own, each in zip(positions, lengths, strict=True)], device),
        token_types=_types(prefixes, owners, [len(row) for row in ids], width, device),
        owners=owners,
        prefixes=prefixes,
        tokens=sum(len(row) for row in ids),
        **reads.tensors(device),
    )


def segments_of(prefix: int, lengths: Sequence[int], width: int) -> Tensor:
    """Which part of a packed row each token belongs to (T): 0 the prefix, k the k-th response, −1 padding."""
    counts = torch.tensor([prefix, *lengths, width - prefix - sum(lengths)])
    return torch.repeat_interleave(torch.tensor([PREFIX, *range(1, len(lengths) + 1), PADDING]), counts)


def visible(segments: Tensor) -> Tensor:
    """What each token of packed rows sees: (B, T) → (B, 1, T, T).

    Earlier tokens of the prefix and of its own response. Padding sees the prefix, since a row of the softmax that sees
    nothing is not a number; nobody sees padding.
    """
    one, other = segments[:, :, None], segments[:, None, :]
    width = segments.shape[1]
    earlier = torch.ones(width, width, dtype=torch.bool).tril()
    return (((other == PREFIX) | ((other == one) & (other != PADDING))) & earlier)[:, None]


def behind(prefix: Tensor, lengths: Sequence[int], width: int) -> Tensor:
    """Positions of a packed row, (A, P) → (A, T): every response begins one behind the prefix's furthest position.

    That is where each family goes on after a prefix, M-RoPE too: text behind pictures turns alike in all three ways.
    """
    first = int(prefix.max()) + 1 if prefix.numel() else 0
    restarted = [torch.arange(first, first + length) for length in lengths]
    filled = torch.cat([*restarted, torch.zeros(width - prefix.shape[1] - sum(lengths), dtype=torch.long)])
    return torch.cat([prefix, filled.expand(prefix.shape[0], -1)], dim=1)


class _Reads:
    """Collects which states and tokens are read off the rows."""

    def __init__(self) -> None:
        self.before: list[int] = []
        self.wanted: list[int] = []
        self.response: list[int] = []
        self.ends: list[int] = []

    def add(self, suffix: Suffix, at: int, end_of_prefix: int) -> None:
        """A response whose tokens stand from place `at` on; the state before its first one ends the prefix."""
        for offset, (token, target) in enumerate(zip(suffix.ids, suffix.target, strict=True)):
            if target:
                self.before.append(at + offset - 1 if offset else end_of_prefix)
                self.wanted.append(token)
                self.response.append(len(self.ends))
        self.ends.append(at + len(suffix.ids) - 1 if suffix.ids else end_of_prefix)

    def tensors(self, device: Any) -> dict[str, Tensor]:
        read = sorted({*self.before, *self.ends})
        lists = vars(self) | {"read": read}
        return {name: torch.tensor(each, dtype=torch.long, device=device) for name, each in lists.items()}


def padded(rows: list[list[int]], width: int, fill: int, device: Any, left: bool = False) -> Tensor:
    """Rows of token ids filled up to one width (B, T)."""
    full = [[fill] * (width - len(r)) + r if left else r + [fill] * (width - len(r)) for r in rows]
    return torch.tensor(full, dtype=torch.long, device=device)


def _types(
    prefixes: list[Prefix], owners: list[int], lengths: list[int], width: int, device: Any, left: bool = False
) -> Tensor | None:
    known = [prefix.token_types for prefix in prefixes if prefix.token_types is not None]
    if len(known) < len(prefixes):
        return None
    own = [known[owner].tolist() for owner in owners]
    full = [types + [0] * (length - len(types)) for types, length in zip(own, lengths, strict=True)]
    return padded(full, width, 0, device, left)


def stacked(rows: list[Tensor], device: Any) -> Tensor:
    """Positions (A, T) of each row as the model takes them: (B, T), or (A, B, T) where A is 3."""
    whole = torch.stack(rows, dim=1).to(device)
    return whole[0] if whole.shape[0] == 1 else whole


def by_tokens(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Items grouped so that no group's padded size (items × longest) passes the budget, those of like length together.

    Returns indices. An item longer than the budget stands alone: it is the caller's to refuse it.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    groups: list[list[int]] = []
    for index in order:
        longest = lengths[groups[-1][0]] if groups else 0
        if groups and (len(groups[-1]) + 1) * longest <= budget:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def why_not(net: Any) -> str:
    """Attention that is more than causal over all earlier tokens would see other responses, or lose the prefix."""
    config = net.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or []) - {"full_attention"}
    if kinds:
        return f"its layers attend otherwise ({', '.join(sorted(kinds))})"
    if getattr(config, "use_bidirectional_attention", None) or not getattr(config, "is_causal", True):
        return "pictures or prefixes attend both ways"
    if net.config.model_type in BOTH_WAYS:
        return "its pictures attend both ways"
    implementation = net.config._attn_implementation
    if implementation not in ("sdpa", "eager"):
        return f"its attention ({implementation}) takes no mask of our own"
    return ""
