"""Weights of four bits, for QLoRA. The command has refused it where bitsandbytes is not installed."""

from __future__ import annotations

from typing import Any

import torch


def four_bits(dtype: torch.dtype) -> dict[str, Any]:
    """What from_pretrained takes: normal floats of four bits, doubly quantised."""
    from transformers import BitsAndBytesConfig

    how: Any = BitsAndBytesConfig
    kind = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": dtype}
    return {"quantization_config": how(load_in_4bit=True, **kind)}
