"""One frozen dataclass a recipe: names, defaults, bounds and help that the web form shows.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_type_hints

from ml.errors import ConfigError, NoExpander
from ml.fields import GROUPS, FieldSpec, checked, option, parsed, spec_of
from ml.presets import PRESETS

__all__ = ["GROUPS", "PRESETS", "RECIPES", "Config", "ConfigError", "Evaluate", "Expand", "FieldSpec", "MmDpo"]
__all__ += ["NoExpander", "Reward", "Score", "expander_of", "fields_of", "from_form", "preset", "validate"]


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
    seed: int = option(0, "Same seed, same data, same device: same numbers.", "Compute", min=0, max=2**31 - 1)
    device: str = option("auto",
        "auto takes CUDA, then Apple's MPS, then the CPU.", "Compute", choices=("auto", "cpu", "cuda", "mps"))
    precision: str = option("auto",
        "auto is bf16 on CUDA and fp32 elsewhere.", "Compute", choices=("auto", "fp32", "bf16"), advanced=True)


@dataclass(frozen=True)
class _Training(Config):
    """What the two recipes that change weights share."""

    adapter: str = option("lora",
        "LoRA trains small matrices beside frozen weights; full trains the whole language model.",
        "Adapter", choices=("lora", "full"))
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
    learning_rate: float = option(1e-5, "Peak learning rate of AdamW.", "Optimisation", min=0.0, max=1.0)
    epochs: int = option(1, "Times that each training sample is seen.", "Optimisation", min=1, max=1000)
    max_steps: int = option(0,
        "Stop after this many optimiser steps; 0 is no limit.", "Optimisation", min=0, max=10_000_000)
    samples_per_batch: int = option(1,
        "Samples, with all their responses, that go through the model at once.", "Optimisation", min=1, max=256)
    accumulate: int = option(8,
        "Batches whose gradients are averaged into one optimiser step.", "Optimisation", min=1, max=4096)
    schedule: str = option("cosine",
        "Learning rate after the warm-up.", "Optimisation", choices=("cosine", "linear", "constant"), advanced=True)
    warmup: float = option(0.1,
        "Share of the steps in which the learning rate rises.", "Optimisation", min=0.0, max=0.9)
    weight_decay: float = option(0.0, "AdamW's weight decay.", "Optimisation", min=0.0, max=1.0, advanced=True)
    max_grad_norm: float = option(1.0,
        "Longer gradients are shortened to this norm.", "Optimisation", min=1e-4, max=1e4, advanced=True)
    gradient_checkpointing: bool = option(False,
        "Recompute activations in the backward pass: less memory, more time.", "Compute", advanced=True)
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
    checkpoint_every: int = option(50, "Steps between checkpoints to resume from.", "Reporting", min=1, max=10_000_000)
    keep_checkpoints: int = option(2,
        "Older checkpoints than this many are removed.", "Reporting", min=1, max=1000, advanced=True)


@dataclass(frozen=True)
class Expand(Config):
    """Rewrite each terse human reason as a fuller critique."""

    expander: str = option("auto",
        "auto takes the endpoint if one is set, else the local base model.",
        "Model", choices=("auto", "endpoint", "local"))
    base: str = option("",
        "A local vision-language model: transformers id or path. Used where no endpoint is set.",
        "Model", label="Local model")
    endpoint_model: str = option("",
        "The model's name at OPENAI_BASE_URL. Empty: OPENAI_MODEL of the environment.", "Endpoint")
    send_images: bool = option(True, "Send the sample's pictures to the endpoint with the question.", "Endpoint")
    concurrency: int = option(4, "Requests that are under way at once.", "Endpoint", min=1, max=64)
    retries: int = option(5,
        "Tries after a failed request, each after a longer pause.", "Endpoint", min=0, max=20, advanced=True)
    timeout: float = option(120.0, "Seconds to wait for one answer.", "Endpoint", min=1.0, max=3600.0, advanced=True)
    temperature: float = option(0.0, "0 takes the likeliest token each time.", "Generation", min=0.0, max=2.0)
    max_new_tokens: int = option(400, "Longest critique.", "Generation", min=8, max=8192)
    split: str = option("all", "Samples whose reasons are expanded.", "Data", choices=("all", "train", "held_out"))
    limit: int = option(0, "Expand only this many reasons; 0 is all.", "Data", min=0, max=10_000_000)


@dataclass(frozen=True)
class Reward(_Training):
    """The critique-based reward model: eq. (2) + eq. (3)."""

    critiques: str = option("expanded",
        "Critiques that the model learns to write and to score with: none, the human reasons, or the approved "
        "expanded ones.", "Objective", choices=("none", "human", "expanded"))
    critique_weight: float = option(1.0, "Weight of the critique loss, eq. (2).", "Objective", min=0.0, max=100.0)
    critique_reduction: str = option("mean",
        "Eq. (2) sums over a critique's tokens; their mean keeps long critiques from drowning the score.",
        "Objective", choices=("mean", "sum"), advanced=True)
    score_weight: float = option(1.0, "Weight of the scoring loss, eq. (3).", "Objective", min=0.0, max=100.0)
    centring: float = option(0.01,
        "Weight of mean((r_w + r_l)²), which keeps rewards around zero. The released code has 0.01, the paper's "
        "equations none.", "Objective", min=0.0, max=10.0, advanced=True)
    margin: float = option(0.0,
        "Reward distance asked for per step of rank; 0 is eq. (3).", "Objective", min=0.0, max=100.0, advanced=True)
    tie_weight: float = option(0.0,
        "Weight of the squared reward difference between responses of equal rank.",
        "Objective", min=0.0, max=100.0, advanced=True)
    head_dropout: float = option(0.0, "Dropout inside the scoring head.", "Model", min=0.0, max=0.9, advanced=True)
    head_learning_rate: float = option(0.0,
        "Learning rate of the scoring head, which starts from random weights; 0 is the same as the rest.",
        "Optimisation", min=0.0, max=1.0, advanced=True)
    learning_rate: float = option(1e-6, "Peak learning rate of AdamW.", "Optimisation", min=0.0, max=1.0)
    max_critique_tokens: int = option(512,
        "Longer critiques are cut, and a note says how many; generated ones end here too.", "Data", min=1, max=8192)
    evaluate_with: str = option("both",
        "Critiques at the held-out evaluation: the given ones, the model's own, or both.",
        "Reporting", choices=("given", "own", "both"))


@dataclass(frozen=True)
class Score(Config):
    """Rewards for every response and a margin for every pair."""

    base: str = option("",
        "Only where the base model has moved since the reward model was trained. Empty: the one it was trained from.",
        "Model", label="Base model", advanced=True)
    critiques: str = option("auto",
        "Critiques to score with: generated by the reward model, the given ones (approved, else human), or none. "
        "auto follows the reward model.", "Objective", choices=("auto", "own", "given", "none"))
    split: str = option("all", "Samples to score.", "Data", choices=("all", "train", "held_out"))
    samples_per_batch: int = option(1,
        "Samples, with all their responses, that go through the model at once.", "Compute", min=1, max=256)
    max_response_tokens: int = option(1024,
        "Longer responses are cut, and a note says how many.", "Data", min=1, max=32_768)
    max_critique_tokens: int = option(512, "Longest critique that is generated or read.", "Generation", min=1, max=8192)


@dataclass(frozen=True)
class MmDpo(_Training):
    """Direct preference optimisation with dynamic reward scaling, and its baselines."""

    objective: str = option("mm_dpo",
        "mm_dpo scales β by the reward margin; dpo keeps β; implicit scales it by the batch's own implicit rewards.",
        "Objective", choices=("mm_dpo", "dpo", "implicit"))
    beta: float = option(0.1,
        "β_ori: how far the policy may leave its reference.", "Objective", min=1e-4, max=10.0, label="β_ori")
    w: float = option(0.5, "β grows to at most (1 + w) · β_ori.", "Objective", min=0.0, max=10.0, label="w")
    k: float = option(0.5,
        "How fast β grows with the margin δ: β(δ) = β_ori · (1 + w · (1 − e^(−kδ))).",
        "Objective", min=0.0, max=100.0, label="k")
    sft_weight: float = option(0.1,
        "Weight of the supervised loss on chosen responses; the paper tries 0, 0.1, 0.25, 0.5 and 1.",
        "Objective", min=0.0, max=100.0, label="SFT weight")
    learning_rate: float = option(1e-6,
        "Peak learning rate of AdamW; the paper tries 1e-7 to 1e-5.", "Optimisation", min=0.0, max=1.0)
    sample_tokens: int = option(96,
        "Length of the sample outputs shown as training goes on.", "Reporting", min=1, max=4096, advanced=True)


@dataclass(frozen=True)
class Evaluate(Config):
    """The aligned policy against its base on held-out samples."""

    base: str = option("",
        "Only where the base model has moved since the policy was trained. Empty: the one it was trained from.",
        "Model", label="Base model", advanced=True)
    split: str = option("held_out", "Samples to compare on.", "Data", choices=("held_out", "train", "all"))
    limit: int = option(0, "Compare on only this many samples; 0 is all.", "Data", min=0, max=10_000_000)
    max_response_tokens: int = option(1024,
        "Longer responses are cut, and a note says how many.", "Data", min=1, max=32_768)
    max_new_tokens: int = option(256, "Longest response that is generated.", "Generation", min=1, max=8192)
    temperature: float = option(0.0, "0 takes the likeliest token each time.", "Generation", min=0.0, max=2.0)
    critiques: str = option("auto",
        "Whether the reward model writes a critique before it scores; auto follows how it was trained.",
        "Objective", choices=("auto", "own", "none"))
    max_critique_tokens: int = option(512, "Longest critique of the reward model.", "Generation", min=1, max=8192)
    samples_per_batch: int = option(1, "Samples that go through the model at once.", "Compute", min=1, max=256)


# fmt: on
RECIPES: dict[str, type[Config]] = {
    "expand": Expand,
    "reward": Reward,
    "score": Score,
    "mm_dpo": MmDpo,
    "evaluate": Evaluate,
}


def fields_of(recipe: str) -> list[FieldSpec]:
    """The recipe's fields, ordered by group and then as they are declared."""
    cls = _class_of(recipe)
    hints = get_type_hints(cls)
    specs = [spec_of(each, hints[each.name]) for each in fields(cls)]
    return sorted(specs, key=lambda spec: GROUPS.index(spec.group))


def preset(recipe: str, name: str) -> dict[str, Any]:
    """Every field's value under a preset: the defaults, with the preset's own laid over."""
    defaults = {spec.name: spec.default for spec in fields_of(recipe)}
    return defaults | PRESETS[recipe][name]


def validate(recipe: str, values: Mapping[str, Any]) -> Config:
    """The recipe's config from plain values, absent fields at their defaults.

    Raises ConfigError naming the field: unknown, wrong type, not finite, out of bounds, or no such choice.
    """
    specs = {spec.name: spec for spec in fields_of(recipe)}
    given = {name: value for name, value in values.items() if name != "recipe"}
    if values.get("recipe", recipe) != recipe:
        raise ConfigError("recipe", f"is {values['recipe']!r}, but this is a run of {recipe!r}")
    for name in given:
        if name not in specs:
            raise ConfigError(str(name), f"is no field of the recipe {recipe}")
    ready: dict[str, Any] = {name: checked(specs[name], value) for name, value in given.items()}
    return _class_of(recipe)(**ready)


def from_form(recipe: str, strings: Mapping[str, str]) -> Config:
    """The same from a form's strings: empty numbers stand for the default, an absent bool for False."""
    values: dict[str, Any] = {spec.name: False for spec in fields_of(recipe) if spec.kind == "bool"}
    specs = {spec.name: spec for spec in fields_of(recipe)}
    for name, text in strings.items():
        if name not in specs:
            raise ConfigError(name, f"is no field of the recipe {recipe}")
        if text.strip() or specs[name].kind == "str":
            values[name] = parsed(specs[name], text.strip())
    return validate(recipe, values)


def expander_of(config: Expand, environ: Mapping[str, str]) -> Literal["endpoint", "local"]:
    """Who expands: an endpoint (OPENAI_BASE_URL and a model's name) or a local model.

    Raises NoExpander with the sentence that says what to set.
    """
    url = environ.get("OPENAI_BASE_URL", "").strip()
    model = config.endpoint_model or environ.get("OPENAI_MODEL", "").strip()
    if config.expander != "local" and url and model:
        return "endpoint"
    if config.expander != "endpoint" and config.base:
        return "local"
    raise NoExpander(_what_to_set(config.expander, bool(url), bool(model)))


def _what_to_set(expander: str, has_url: bool, has_model: bool) -> str:
    local = "the field base to the id or path of a local vision-language model"
    if expander == "local":
        return f"set {local}"
    missing = [] if has_url else ["OPENAI_BASE_URL"]
    missing += [] if has_model else ["OPENAI_MODEL (or the field endpoint_model)"]
    endpoint = f"set {' and '.join(missing)} to use an OpenAI-compatible endpoint"
    return endpoint if expander == "endpoint" else f"{endpoint}, or {local}"


def _class_of(recipe: str) -> type[Config]:
    if recipe not in RECIPES:
        raise ConfigError("recipe", f"{recipe!r} is none of {', '.join(RECIPES)}")
    return RECIPES[recipe]
