"""The fields that several recipes share: those of every one, and of the two that change weights."""

from __future__ import annotations

from dataclasses import dataclass

from ml.fields import option


# A field is one or two lines: value, help, group and bounds; spread over eight they cannot be compared.
# fmt: off
@dataclass(frozen=True)
class Config:
    """What every recipe has."""

    base: str = option("",
        "A transformers id or the path of a local folder. Empty: BASE_MODEL of the environment.",
        "Model", label="Base model")
    max_pixels: int = option(401_408,
        "Larger pictures are shrunk to this many pixels before the processor sees them (401408 is 512 patches of 28 "
        "× 28).", "Data", min=784, max=16_777_216, advanced=True)
    max_frames: int = option(8,
        "Frames of a video that the model sees, evenly spaced.", "Data", min=1, max=256, advanced=True)
    keep_features: int = option(0,
        "MiB of disk for what a frozen vision encoder says of pictures: kept by content for later runs, the least "
        "recently used go first. 0 keeps nothing.", "Compute", min=0, max=100_000_000, advanced=True)
    seed: int = option(0, "Same seed, same data, same device: same numbers.", "Compute", min=0, max=2**31 - 1)
    device: str = option("auto",
        "auto takes CUDA, then Apple's MPS, then the CPU.", "Compute", choices=("auto", "cpu", "cuda", "mps"))
    precision: str = option("auto",
        "auto is bf16 on CUDA and fp32 elsewhere.", "Compute", choices=("auto", "fp32", "bf16"), advanced=True)


@dataclass(frozen=True)
class Training(Config):
    """What the two recipes that change weights share."""

    adapter: str = option("lora",
        "LoRA trains small matrices beside frozen weights, QLoRA beside weights of four bits (needs bitsandbytes); "
        "full trains the weights themselves.",
        "Adapter", choices=("lora", "qlora", "full"))
    lora_rank: int = option(16, "Rank of the LoRA matrices.", "Adapter", min=1, max=1024, label="LoRA rank")
    lora_alpha: float = option(32.0,
        "LoRA's output is scaled by alpha / rank.", "Adapter", min=0.01, max=4096, label="LoRA alpha")
    lora_dropout: float = option(0.0,
        "Dropout before the LoRA matrices.", "Adapter", min=0.0, max=0.9, advanced=True, label="LoRA dropout")
    lora_targets: str = option("all",
        "Linear layers of the language model that get an adapter.",
        "Adapter", choices=("attention", "all"), advanced=True, label="LoRA targets")
    freeze_vision: bool = option(True,
        "Keep the vision encoder as it is, as the paper does. Its projector stays frozen under LoRA.",
        "Adapter", advanced=True)
    train_projector: bool = option(True,
        "Full fine-tuning: the projector between vision encoder and language model learns.", "Adapter", advanced=True)
    train_language: bool = option(True,
        "Full fine-tuning: the language model learns.", "Adapter", advanced=True)
    learning_rate: float = option(1e-5, "Peak learning rate of AdamW.", "Optimisation", min=0.0, max=1.0)
    vision_learning_rate: float = option(0.0,
        "Learning rate of the vision encoder, where it is not frozen; 0 is the same as the rest.",
        "Optimisation", min=0.0, max=1.0, advanced=True)
    epochs: int = option(1, "Times that each training sample is seen.", "Optimisation", min=1, max=1000)
    max_steps: int = option(0,
        "Stop after this many optimiser steps; 0 is no limit.", "Optimisation", min=0, max=10_000_000)
    samples_per_batch: int = option(1,
        "Samples, with all their responses, that go through the model at once.", "Optimisation", min=1, max=256)
    batch_tokens: int = option(0,
        "Tokens at once, padding included: samples of like length share a batch; one that alone is longer is left out "
        "and named. 0: a fixed number of samples.", "Optimisation", min=0, max=10_000_000, advanced=True)
    accumulate: int = option(8,
        "Batches whose gradients are averaged into one optimiser step.", "Optimisation", min=1, max=4096)
    schedule: str = option("cosine",
        "Learning rate after the warm-up.", "Optimisation", choices=("cosine", "linear", "constant"), advanced=True)
    warmup: float = option(0.1,
        "Share of the steps in which the learning rate rises.", "Optimisation", min=0.0, max=0.9)
    weight_decay: float = option(0.0, "AdamW's weight decay.", "Optimisation", min=0.0, max=1.0, advanced=True)
    adam_beta1: float = option(0.9,
        "AdamW's memory of the gradient.", "Optimisation", min=0.0, max=0.9999, advanced=True, label="Adam β₁")
    adam_beta2: float = option(0.999,
        "AdamW's memory of its square.", "Optimisation", min=0.0, max=0.999999, advanced=True, label="Adam β₂")
    adam_epsilon: float = option(1e-8,
        "Added to AdamW's divisor.", "Optimisation", min=1e-16, max=1.0, advanced=True, label="Adam ε")
    max_grad_norm: float = option(1.0,
        "Longer gradients are shortened to this norm.", "Optimisation", min=1e-4, max=1e4, advanced=True)
    gradient_checkpointing: bool = option(False,
        "Recompute activations in the backward pass: less memory, more time.", "Compute", advanced=True)
    shard: bool = option(False,
        "Started by torchrun or accelerate: each process holds a share of the language model, of its gradients and of "
        "the optimiser's moments (FSDP2), not all of them (DDP).", "Compute", advanced=True)
    logit_chunk: int = option(1024,
        "Tokens whose logits are held at once: bounds memory for large vocabularies.",
        "Compute", min=1, max=1_048_576, advanced=True)
    max_response_tokens: int = option(1024,
        "Longer responses are cut, and a note says how many.", "Data", min=1, max=32_768)
    train_limit: int = option(0,
        "Use only the first samples of the training split; 0 is all.", "Data", min=0, max=10_000_000, advanced=True)
    evaluate_every: int = option(0,
        "Steps between evaluations on held-out samples; 0 is only before and after training.",
        "Reporting", min=0, max=10_000_000)
    sample_every: int = option(0,
        "Steps between sample outputs; 0 is only after training.", "Reporting", min=0, max=10_000_000)
    early_stop: int = option(0,
        "Stop after this many evaluations in a row without a better held-out accuracy; 0 never. Needs evaluate_every.",
        "Reporting", min=0, max=10_000, advanced=True)
    keep_best: bool = option(False,
        "Leave the weights of the evaluation with the best held-out accuracy, not the last. Needs evaluate_every.",
        "Reporting", advanced=True)
    ema: float = option(0.0,
        "Weight of the past in smoothed curves of loss and accuracy beside the plain ones; 0 draws none.",
        "Reporting", min=0.0, max=0.9999, advanced=True, label="EMA of metrics")
    merge: bool = option(False,
        "Leave a merged model beside the adapter, for programs that know no adapters.", "Reporting", advanced=True)
    checkpoint_every: int = option(50, "Steps between checkpoints to resume from.", "Reporting", min=1, max=10_000_000)
    keep_checkpoints: int = option(2,
        "Older checkpoints than this many are removed.", "Reporting", min=1, max=1000, advanced=True)
