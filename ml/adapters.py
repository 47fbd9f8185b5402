"""Which weights learn: low-rank matrices beside the frozen ones (LoRA), or the weights themselves."""

from __future__ import annotations

from typing import Any

from torch import nn

from ml.models import VisionLanguage

LORA_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "qkv", "qkv_proj")


def add_lora(model: VisionLanguage, rank: int, alpha: float, dropout: float, targets: str) -> None:
    """Adapt the linear layers of the language model in place; everything else is frozen."""
    from peft import LoraConfig, get_peft_model

    prefix = next(name for name, module in model.net.named_modules() if module is model.net.get_decoder())
    linear = [name for name, module in model.net.get_decoder().named_modules() if isinstance(module, nn.Linear)]
    wanted = [n for n in linear if targets == "all" or n.rsplit(".", 1)[-1] in LORA_ATTENTION]
    settings: dict[str, Any] = {"r": rank, "lora_alpha": alpha, "lora_dropout": dropout}
    model.lora = get_peft_model(model.net, LoraConfig(**settings, target_modules=[f"{prefix}.{n}" for n in wanted]))


def train_fully(model: VisionLanguage, freeze_vision: bool, projector: bool = True, language: bool = True) -> None:
    """Every weight learns, but those of the vision encoder, projector or language model where that is frozen.

    The projector is what is neither the vision encoder nor the language model; Qwen's lies within its encoder.
    """
    model.net.requires_grad_(projector)
    model.net.get_encoder(modality="image").requires_grad_(not freeze_vision)
    model.net.get_decoder().requires_grad_(language)
    model.net.get_output_embeddings().requires_grad_(language)
    model.net.get_input_embeddings().requires_grad_(language)


def trainable(model: VisionLanguage) -> dict[str, nn.Parameter]:
    """The weights that learn, by name."""
    return {name: each for name, each in model.net.named_parameters() if each.requires_grad}
