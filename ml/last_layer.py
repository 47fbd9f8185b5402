"""The last layer computes only what is read off it.

Others look at a token's keys and values alone, so of the prefix, the longest part of a row, the last layer needs no
more: its queries, output and feed-forward part are run at the places that log-probabilities and rewards are read from,
which of a prefix is its last token. What stands elsewhere in the last hidden states then means nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ml import attention


@contextmanager
def only(decoder: nn.Module, places: Tensor) -> Iterator[None]:
    """Within, the last layer's parts run at these flat, distinct places of B · T alone; elsewhere they give zeros.

    Not under gradient checkpointing, which runs the layer again when this is over, nor with a mixture of experts,
    whose routing counts all tokens.
    """
    layer = _last(decoder)
    with ExitStack() as stack:
        for part in _parts(layer):
            stack.enter_context(_replaced(part, _at(part.forward, places)))
        if hasattr(layer, "self_attn"):
            stack.enter_context(attention.only_ends(layer.self_attn))
        yield


def _last(decoder: nn.Module) -> Any:
    """The last layer; None where it must run whole."""
    layers: Any = getattr(decoder, "layers", None)
    if not layers or (torch.is_grad_enabled() and getattr(layers[-1], "gradient_checkpointing", False)):
        return None
    return layers[-1]


def _parts(layer: Any) -> list[Any]:
    own, forward = (getattr(layer, name, None) for name in ("self_attn", "mlp"))
    found = [getattr(own, name, None) for name in ("q_proj", "o_proj")]
    found.append(None if hasattr(forward, "experts") else forward)
    return [part for part in found if isinstance(part, nn.Module)]


def _at(own: Callable[[Tensor], Tensor], places: Tensor) -> Callable[[Tensor], Tensor]:
    def forward(states: Tensor) -> Tensor:
        """(B, T, D) → (B, T, D')"""
        read = own(states.flatten(0, 1).index_select(0, places))
        whole = read.new_zeros(states.shape[0] * states.shape[1], read.shape[-1]).index_copy(0, places, read)
        return whole.view(*states.shape[:2], -1)

    return forward


@contextmanager
def _replaced(part: Any, forward: Callable[[Tensor], Tensor]) -> Iterator[None]:
    before = vars(part).get("forward")
    part.forward = forward
    try:
        yield
    finally:
        del part.forward
        if before is not None:
            part.forward = before
