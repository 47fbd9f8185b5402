"""Weights of four bits, for QLoRA, where bitsandbytes is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch

from ml.errors import NoQuantiser


def four_bits(dtype: torch.dtype) -> dict[str, Any]:
    """What from_pretrained takes: normal floats of four bits, doubly quantised. Raises NoQuantiser."""
    if find_spec("bitsandbytes") is None:
        raise NoQuantiser("adapter 'qlora' needs bitsandbytes, which is not installed here; 'lora' needs nothing more")
    from transformers import BitsAndBytesConfig

    how: Any = BitsAndBytesConfig
    kind = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": dtype}
    return {"quantization_config": how(load_in_4bit=True, **kind)}
