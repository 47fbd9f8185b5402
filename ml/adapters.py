"""Which weights learn: low-rank matrices beside the frozen ones (LoRA), or the weights themselves."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ml.config import MmDpo, Reward
from ml.errors import ConfigError
from ml.models import VisionLanguage

LORA_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "qkv", "qkv_proj")


def adapt(model: VisionLanguage, config: Reward | MmDpo) -> None:
    """LoRA or full fine-tuning, as the config says."""
    torch.manual_seed(config.seed)
    if config.adapter != "full":
        add_lora(model, config.lora_rank, config.lora_alpha, config.lora_dropout, config.lora_targets)
    else:
        train_fully(model, config.freeze_vision, config.train_projector, config.train_language)
        if not trainable(model):
            raise ConfigError("train_language", "nothing learns: language model, projector and vision are all frozen")
    if config.gradient_checkpointing:
        model.net.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


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
