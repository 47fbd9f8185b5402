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


def keep_as_loaded(net: nn.Module) -> nn.Module:
    """Let layers of four bits compute, and stay, as they were loaded, whatever the CPU is.

    Where a CPU has AVX512-BF16, bitsandbytes (0.50) packs a layer's weight anew once it is evaluated, for good. That is
    made for inference alone: it takes only multiples of 32 outputs, computes in bf16, has no gradient (training after
    an evaluation would go on with none below the layer), and its scales are not those of before once they are saved.
    """
    for each in net.modules():
        if hasattr(each, "support_avx512bf16_for_cpu"):
            each.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
    return net


def _elsewhere(base: str) -> list[str]:
    """The linear layers outside the language model's, by name, read off a model without memory."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    auto: Any = AutoModelForImageTextToText
    with torch.device("meta"):
        net = auto.from_config(AutoConfig.from_pretrained(base))
    within = {id(each) for each in net.get_decoder().modules()}
    return [name for name, each in net.named_modules() if isinstance(each, nn.Linear) and id(each) not in within]
