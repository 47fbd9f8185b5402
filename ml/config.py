"""One frozen dataclass a recipe: names, defaults, bounds and help that the web form shows. Nothing here imports torch."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, Literal, cast, get_type_hints

from ml.errors import ConfigError, NoExpander

__all__ = [
    "PRESETS", "RECIPES", "Config", "ConfigError", "Evaluate", "Expand", "FieldSpec", "MmDpo", "NoExpander", "Reward", "Score",
    "expander_of", "fields_of", "from_form", "preset", "validate",
]  # fmt: skip

GROUPS = ("Model", "Objective", "Adapter", "Optimisation", "Data", "Generation", "Endpoint", "Reporting", "Compute")


def option(
    default: bool | int | float | str,
    help: str,
    group: str,
    *,
    label: str = "",
    min: float | None = None,
    max: float | None = None,
    choices: tuple[str, ...] = (),
    advanced: bool = False,
) -> Any:
    """A dataclass field with everything that a form needs to draw it."""
    return field(
        default=default,
        metadata=types.MappingProxyType(
            {"help": help, "group": group, "label": label, "min": min, "max": max, "choices": choices, "advanced": advanced}
        ),
    )


@dataclass(frozen=True)
class Config:
    """What every recipe has."""

    base: str = option("", "A transformers id or the path of a local folder. Empty: BASE_MODEL of the environment.", "Model", label="Base model")
    max_pixels: int = option(401_408, "Larger pictures are shrunk to this many pixels before the processor sees them (401408 is 512 patches of 28 × 28).", "Data", min=784, max=16_777_216, advanced=True)  # fmt: skip
    max_frames: int = option(8, "Frames of a video that the model sees, evenly spaced.", "Data", min=1, max=256, advanced=True)
    seed: int = option(0, "Same seed, same data, same device: same numbers.", "Compute", min=0, max=2**31 - 1)
    device: str = option("auto", "auto takes CUDA, then Apple's MPS, then the CPU.", "Compute", choices=("auto", "cpu", "cuda", "mps"))
    precision: str = option("auto", "auto is bf16 on CUDA and fp32 elsewhere.", "Compute", choices=("auto", "fp32", "bf16"), advanced=True)


@dataclass(frozen=True)
class _Training(Config):
    """What the two recipes that change weights share."""

    adapter: str = option("lora", "LoRA trains small matrices beside frozen weights; full trains the whole language model.", "Adapter", choices=("lora", "full"))
    lora_rank: int = option(16, "Rank of the LoRA matrices.", "Adapter", min=1, max=1024)
    lora_alpha: float = option(32.0, "LoRA's output is scaled by alpha / rank.", "Adapter", min=0.01, max=4096)
    lora_dropout: float = option(0.0, "Dropout before the LoRA matrices.", "Adapter", min=0.0, max=0.9, advanced=True)
    lora_targets: str = option("all", "Linear layers of the language model that get an adapter.", "Adapter", choices=("attention", "all"), advanced=True)
    freeze_vision: bool = option(True, "Keep the vision encoder as it is, as the paper does. Its projector stays frozen under LoRA.", "Adapter", advanced=True)
    learning_rate: float = option(1e-5, "Peak learning rate of AdamW.", "Optimisation", min=0.0, max=1.0)
    epochs: int = option(1, "Times that each training sample is seen.", "Optimisation", min=1, max=1000)
    max_steps: int = option(0, "Stop after this many optimiser steps; 0 is no limit.", "Optimisation", min=0, max=10_000_000)
    samples_per_batch: int = option(1, "Samples, with all their responses, that go through the model at once.", "Optimisation", min=1, max=256)
    accumulate: int = option(8, "Batches whose gradients are averaged into one optimiser step.", "Optimisation", min=1, max=4096)
    schedule: str = option("cosine", "Learning rate after the warm-up.", "Optimisation", choices=("cosine", "linear", "constant"), advanced=True)
    warmup: float = option(0.1, "Share of the steps in which the learning rate rises.", "Optimisation", min=0.0, max=0.9)
    weight_decay: float = option(0.0, "AdamW's weight decay.", "Optimisation", min=0.0, max=1.0, advanced=True)
    max_grad_norm: float = option(1.0, "Longer gradients are shortened to this norm.", "Optimisation", min=1e-4, max=1e4, advanced=True)
    gradient_checkpointing: bool = option(False, "Recompute activations in the backward pass: less memory, more time.", "Compute", advanced=True)
    logit_chunk: int = option(1024, "Tokens whose logits are held at once: bounds memory for large vocabularies.", "Compute", min=1, max=1_048_576, advanced=True)
    max_response_tokens: int = option(1024, "Longer responses are cut, and a note says how many.", "Data", min=1, max=32_768)
    train_limit: int = option(0, "Use only the first samples of the training split; 0 is all.", "Data", min=0, max=10_000_000, advanced=True)
    evaluate_every: int = option(0, "Steps between evaluations on held-out samples; 0 is only before and after training.", "Reporting", min=0, max=10_000_000)
    sample_every: int = option(0, "Steps between sample outputs; 0 is only after training.", "Reporting", min=0, max=10_000_000)
    checkpoint_every: int = option(50, "Steps between checkpoints to resume from.", "Reporting", min=1, max=10_000_000)
    keep_checkpoints: int = option(2, "Older checkpoints than this many are removed.", "Reporting", min=1, max=1000, advanced=True)


@dataclass(frozen=True)
class Expand(Config):
    """Rewrite each terse human reason as a fuller critique."""

    expander: str = option("auto", "auto takes the endpoint if one is set, else the local base model.", "Model", choices=("auto", "endpoint", "local"))
    base: str = option("", "A local vision-language model: transformers id or path. Used where no endpoint is set.", "Model", label="Local model")
    endpoint_model: str = option("", "The model's name at OPENAI_BASE_URL. Empty: OPENAI_MODEL of the environment.", "Endpoint")
    send_images: bool = option(True, "Send the sample's pictures to the endpoint with the question.", "Endpoint")
    concurrency: int = option(4, "Requests that are under way at once.", "Endpoint", min=1, max=64)
    retries: int = option(5, "Tries after a failed request, each after a longer pause.", "Endpoint", min=0, max=20, advanced=True)
    timeout: float = option(120.0, "Seconds to wait for one answer.", "Endpoint", min=1.0, max=3600.0, advanced=True)
    temperature: float = option(0.0, "0 takes the likeliest token each time.", "Generation", min=0.0, max=2.0)
    max_new_tokens: int = option(400, "Longest critique.", "Generation", min=8, max=8192)
    split: str = option("all", "Samples whose reasons are expanded.", "Data", choices=("all", "train", "held_out"))
    limit: int = option(0, "Expand only this many reasons; 0 is all.", "Data", min=0, max=10_000_000)


@dataclass(frozen=True)
class Reward(_Training):
    """The critique-based reward model: eq. (2) + eq. (3)."""

    critiques: str = option("expanded", "Critiques that the model learns to write and to score with: none, the human reasons, or the approved expanded ones.", "Objective", choices=("none", "human", "expanded"))
    critique_weight: float = option(1.0, "Weight of the critique loss, eq. (2).", "Objective", min=0.0, max=100.0)
    score_weight: float = option(1.0, "Weight of the scoring loss, eq. (3).", "Objective", min=0.0, max=100.0)
    centring: float = option(0.01, "Weight of mean((r_w + r_l)²), which keeps rewards around zero. The released code has 0.01, the paper's equations none.", "Objective", min=0.0, max=10.0, advanced=True)
    margin: float = option(0.0, "Reward distance asked for per step of rank; 0 is eq. (3).", "Objective", min=0.0, max=100.0, advanced=True)
    tie_weight: float = option(0.0, "Weight of the squared reward difference between responses of equal rank.", "Objective", min=0.0, max=100.0, advanced=True)
    head_dropout: float = option(0.0, "Dropout inside the scoring head.", "Model", min=0.0, max=0.9, advanced=True)
    head_learning_rate: float = option(0.0, "Learning rate of the scoring head, which starts from random weights; 0 is the same as the rest.", "Optimisation", min=0.0, max=1.0, advanced=True)
    learning_rate: float = option(1e-6, "Peak learning rate of AdamW.", "Optimisation", min=0.0, max=1.0)
    max_critique_tokens: int = option(512, "Longer critiques are cut, and a note says how many; generated ones end here too.", "Data", min=1, max=8192)
    evaluate_with: str = option("both", "Critiques at the held-out evaluation: the given ones, the model's own, or both.", "Reporting", choices=("given", "own", "both"))


@dataclass(frozen=True)
class Score(Config):
    """Rewards for every response and a margin for every pair."""

    base: str = option("", "Only where the base model has moved since the reward model was trained. Empty: the one it was trained from.", "Model", label="Base model", advanced=True)
    critiques: str = option("own", "Critiques to score with: generated by the reward model, the given ones (approved, else human), or none. auto follows the reward model.", "Objective", choices=("auto", "own", "given", "none"))
    split: str = option("all", "Samples to score.", "Data", choices=("all", "train", "held_out"))
    samples_per_batch: int = option(1, "Samples, with all their responses, that go through the model at once.", "Compute", min=1, max=256)
    max_response_tokens: int = option(1024, "Longer responses are cut, and a note says how many.", "Data", min=1, max=32_768)
    max_critique_tokens: int = option(512, "Longest critique that is generated or read.", "Generation", min=1, max=8192)


@dataclass(frozen=True)
class MmDpo(_Training):
    """Direct preference optimisation with dynamic reward scaling, and its baselines."""

    objective: str = option("mm_dpo", "mm_dpo scales β by the reward margin; dpo keeps β; implicit scales it by the batch's own implicit rewards.", "Objective", choices=("mm_dpo", "dpo", "implicit"))
    beta: float = option(0.1, "β_ori: how far the policy may leave its reference.", "Objective", min=1e-4, max=10.0)
    w: float = option(0.5, "β grows to at most (1 + w) · β_ori.", "Objective", min=0.0, max=10.0)
    k: float = option(0.5, "How fast β grows with the margin δ: β(δ) = β_ori · (1 + w · (1 − e^(−kδ))).", "Objective", min=0.0, max=100.0)
    sft_weight: float = option(0.1, "Weight of the supervised loss on chosen responses; the paper tries 0, 0.1, 0.25, 0.5 and 1.", "Objective", min=0.0, max=100.0)
    learning_rate: float = option(1e-6, "Peak learning rate of AdamW; the paper tries 1e-7 to 1e-5.", "Optimisation", min=0.0, max=1.0)
    sample_tokens: int = option(96, "Length of the sample outputs shown as training goes on.", "Reporting", min=1, max=4096, advanced=True)


@dataclass(frozen=True)
class Evaluate(Config):
    """The aligned policy against its base on held-out samples."""

    base: str = option("", "Only where the base model has moved since the policy was trained. Empty: the one it was trained from.", "Model", label="Base model", advanced=True)
    split: str = option("held_out", "Samples to compare on.", "Data", choices=("held_out", "train", "all"))
    limit: int = option(0, "Compare on only this many samples; 0 is all.", "Data", min=0, max=10_000_000)
    max_response_tokens: int = option(1024, "Longer responses are cut, and a note says how many.", "Data", min=1, max=32_768)
    max_new_tokens: int = option(256, "Longest response that is generated.", "Generation", min=1, max=8192)
    temperature: float = option(0.0, "0 takes the likeliest token each time.", "Generation", min=0.0, max=2.0)
    critiques: str = option("auto", "Whether the reward model writes a critique before it scores; auto follows how it was trained.", "Objective", choices=("auto", "own", "none"))
    max_critique_tokens: int = option(512, "Longest critique of the reward model.", "Generation", min=1, max=8192)
    samples_per_batch: int = option(1, "Samples that go through the model at once.", "Compute", min=1, max=256)


RECIPES: dict[str, type[Config]] = {"expand": Expand, "reward": Reward, "score": Score, "mm_dpo": MmDpo, "evaluate": Evaluate}

PAPER_BASE = "llava-hf/llava-onevision-qwen2-7b-ov-hf"
_PAPER: dict[str, Any] = {"base": PAPER_BASE, "adapter": "full", "epochs": 1, "warmup": 0.1, "schedule": "cosine"}
_TINY: dict[str, Any] = {"adapter": "full", "samples_per_batch": 2, "accumulate": 1, "evaluate_every": 10, "sample_every": 10, "checkpoint_every": 10, "max_pixels": 50_176}  # fmt: skip

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "expand": {
        "paper": {"expander": "endpoint"},
        "quick look": {"limit": 8},
        "tiny": {"expander": "auto", "max_new_tokens": 96, "max_pixels": 50_176},
    },
    "reward": {
        "paper": _PAPER | {"learning_rate": 1e-6, "critiques": "expanded", "centring": 0.0},
        "quick look": {"max_steps": 10, "accumulate": 1, "learning_rate": 1e-4, "critiques": "human", "evaluate_with": "given"},
        "tiny": _TINY | {"learning_rate": 1e-3, "epochs": 4, "critiques": "human", "max_critique_tokens": 48},
    },
    "score": {
        "paper": {"critiques": "own"},
        "quick look": {"critiques": "given", "split": "held_out"},
        "tiny": {"critiques": "own", "max_critique_tokens": 48, "samples_per_batch": 2, "max_pixels": 50_176},
    },
    "mm_dpo": {
        "paper": _PAPER | {"objective": "mm_dpo", "beta": 0.1, "w": 0.5, "k": 0.5, "sft_weight": 0.1, "learning_rate": 1e-6},
        "quick look": {"max_steps": 10, "accumulate": 1, "learning_rate": 1e-4},
        "tiny": _TINY | {"learning_rate": 5e-4, "epochs": 3, "sample_tokens": 32},
    },
    "evaluate": {
        "paper": {"critiques": "own"},
        "quick look": {"limit": 8, "max_new_tokens": 64},
        "tiny": {"max_new_tokens": 32, "max_critique_tokens": 48, "samples_per_batch": 4, "max_pixels": 50_176},
    },
}

Kind = Literal["bool", "int", "float", "str", "choice"]


@dataclass(frozen=True)
class FieldSpec:
    """One field as a form draws it. `min` and `max` are inclusive; `choices` is empty unless kind is "choice"."""

    name: str
    kind: Kind
    default: bool | int | float | str
    label: str
    help: str
    group: str
    min: float | None
    max: float | None
    choices: tuple[str, ...]
    advanced: bool


def fields_of(recipe: str) -> list[FieldSpec]:
    """The recipe's fields, ordered by group and then as they are declared."""
    cls = _class_of(recipe)
    hints = get_type_hints(cls)
    specs = [_spec(each, hints[each.name]) for each in fields(cls)]
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
    return _class_of(recipe)(**{name: _checked(specs[name], value) for name, value in given.items()})


def from_form(recipe: str, strings: Mapping[str, str]) -> Config:
    """The same from a form's strings: empty numbers stand for the default, an absent bool for False."""
    values: dict[str, Any] = {spec.name: False for spec in fields_of(recipe) if spec.kind == "bool"}
    specs = {spec.name: spec for spec in fields_of(recipe)}
    for name, text in strings.items():
        if name not in specs:
            raise ConfigError(name, f"is no field of the recipe {recipe}")
        if text.strip() or specs[name].kind == "str":
            values[name] = _parsed(specs[name], text.strip())
    return validate(recipe, values)


def expander_of(config: Expand, environ: Mapping[str, str]) -> Literal["endpoint", "local"]:
    """Who expands: an endpoint (OPENAI_BASE_URL and a model's name) or a local model. Raises NoExpander saying what to set."""
    url, model = environ.get("OPENAI_BASE_URL", "").strip(), config.endpoint_model or environ.get("OPENAI_MODEL", "").strip()
    if config.expander != "local" and url and model:
        return "endpoint"
    if config.expander != "endpoint" and config.base:
        return "local"
    if config.expander == "local":
        raise NoExpander("the field base is empty: give the id or path of a local vision-language model")
    missing = " and ".join([*([] if url else ["OPENAI_BASE_URL"]), *([] if model else ["OPENAI_MODEL (or the field endpoint_model)"])])
    raise NoExpander(f"set {missing} in the environment to use an OpenAI-compatible endpoint, or the field base to a local vision-language model")


def _class_of(recipe: str) -> type[Config]:
    if recipe not in RECIPES:
        raise ConfigError("recipe", f"{recipe!r} is none of {', '.join(RECIPES)}")
    return RECIPES[recipe]


def _spec(each: Field[Any], hint: type) -> FieldSpec:
    assert each.default is not MISSING
    meta = each.metadata
    kind = "choice" if meta["choices"] else hint.__name__
    label = meta["label"] or each.name.replace("_", " ").replace("lora", "LoRA").capitalize().replace("Lora", "LoRA")
    return FieldSpec(each.name, cast(Kind, kind), each.default, label, meta["help"], meta["group"], meta["min"], meta["max"], meta["choices"], meta["advanced"])


def _checked(spec: FieldSpec, value: Any) -> bool | int | float | str:
    if spec.kind in ("int", "float"):
        return _checked_number(spec, value)
    wanted = bool if spec.kind == "bool" else str
    if not isinstance(value, wanted):
        raise ConfigError(spec.name, f"must be {'true or false' if wanted is bool else 'text'}, not {_shown(value)}")
    if spec.kind == "choice" and value not in spec.choices:
        raise ConfigError(spec.name, f"{_shown(value)} is none of {', '.join(spec.choices)}")
    if spec.kind == "str" and (len(value) > 1000 or any(ord(letter) < 32 for letter in value)):
        raise ConfigError(spec.name, "must be at most 1,000 printable characters")
    return cast(bool | str, value)


def _checked_number(spec: FieldSpec, value: Any) -> int | float:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole and not (spec.kind == "float" and isinstance(value, float)):
        raise ConfigError(spec.name, f"must be {'a whole number' if spec.kind == 'int' else 'a number'}, not {_shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(spec.name, "must be a finite number")
    if spec.min is not None and value < spec.min or spec.max is not None and value > spec.max:
        raise ConfigError(spec.name, f"{_shown(value)} is not between {spec.min:g} and {spec.max:g}")
    return float(value) if spec.kind == "float" else cast(int, value)


def _parsed(spec: FieldSpec, text: str) -> bool | int | float | str:
    if spec.kind == "bool":
        return text.lower() in ("on", "true", "1", "yes")
    if spec.kind in ("int", "float"):
        try:
            return int(text) if spec.kind == "int" else float(text)
        except ValueError:
            raise ConfigError(spec.name, f"{_shown(text)} is not {'a whole number' if spec.kind == 'int' else 'a number'}") from None
    return text


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
