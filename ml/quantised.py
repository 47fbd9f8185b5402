"""Weights of four bits, for QLoRA. The command has refused it where bitsandbytes is not installed."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def four_bits(base: str, dtype: torch.dtype) -> dict[str, Any]:
    """What from_pretrained takes: normal floats of four bits, doubly quantised, in the language model's layers alone.

    Pictures are seen as by the base itself: its vision encoder and projector are small, and do not learn. Raises what
    from_pretrained raises.
    """
    from transformers import BitsAndBytesConfig

    how: Any = BitsAndBytesConfig
    kind = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": dtype}
    return {"quantization_config": how(load_in_4bit=True, llm_int8_skip_modules=_elsewhere(base), **kind)}


def _elsewhere(base: str) -> list[str]:
    """The linear layers outside the language model's, by name, read off a model without memory."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    auto: Any = AutoModelForImageTextToText
    with torch.device("meta"):
        net = auto.from_config(AutoConfig.from_pretrained(base))
    within = {id(each) for each in net.get_decoder().modules()}
    return [name for name, each in net.named_modules() if isinstance(each, nn.Linear) and id(each) not in within]
