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


def named(features: Any) -> dict[str, Tensor]:
    """Features as named tensors, which a file can hold: `whole`, or a picture's by its place and, if deep, layer."""
    if isinstance(features, Tensor):
        return {"whole": features.contiguous()}
    if isinstance(features, Deep):
        layers = {f"{one}.{n}": part for one, layer in enumerate(features.layers) for n, part in enumerate(layer)}
        return named(features.pooled) | {f"layer.{name}": part.contiguous() for name, part in layers.items()}
    return {f"picture.{place}": part.contiguous() for place, part in enumerate(features)}


def unnamed(tensors: dict[str, Tensor]) -> Any:
    """`named` undone; a tuple of pictures comes back as a list."""
    if "whole" in tensors:
        return tensors["whole"]
    pooled = _listed(tensors, "picture")
    depth = len({name.split(".")[1] for name in tensors if name.startswith("layer.")})
    return Deep(pooled, [_listed(tensors, f"layer.{one}") for one in range(depth)]) if depth else pooled


def _listed(tensors: dict[str, Tensor], name: str) -> list[Tensor]:
    count = sum(each.startswith(f"{name}.") for each in tensors)
    return [tensors[f"{name}.{place}"] for place in range(count)]
