"""What the vision encoder says of pictures, as the families' forward passes take it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Deep(NamedTuple):
    """Features of the families that also hand pictures to their first layers (Qwen3-VL)."""

    pooled: list[Tensor]
    """By picture."""
    layers: list[list[Tensor]]
    """By layer, then by picture."""


def joined(features: list[Any]) -> Any:
    """Features of all rows, one after the other, in the shape in which the family gave them for one."""
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    if isinstance(features[0], Deep):
        pooled: Any = [part for each in features for part in each.pooled]
        out: Any = BaseModelOutputWithPooling(pooler_output=pooled)
        by_layer = zip(*(each.layers for each in features), strict=True)
        out.deepstack_features = [[part for some in layer for part in some] for layer in by_layer]
        return out
    as_tensor = isinstance(features[0], Tensor)
    whole: Any = torch.cat(features) if as_tensor else [part for each in features for part in each]
    return BaseModelOutputWithPooling(pooler_output=whole)
