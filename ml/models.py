"""The vision-language model: load it, adapt it, and read log-probabilities, rewards and texts off it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ml import without_torchvision
from ml.config import Config
from ml.encoding import Encoder, Prefix, Rows, Suffix, rows_of
from ml.errors import BaseModelNotFound, ConfigError

LORA_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "qkv", "qkv_proj")


class VisionLanguage:
    """A vision-language model with its encoder of texts and pictures, on one device.

    `net` is the transformers model; with LoRA its layers are adapted in place and `lora` is peft's coat around it.
    """

    def __init__(self, base: str, net: Any, processor: Any, device: torch.device, autocast: bool) -> None:
        self.base = base
        self.net = net.to(device).eval().requires_grad_(False)
        self.processor = processor
        self.device = device
        self.autocast = autocast
        self.lora: Any = None
        self.encoder = Encoder(processor, _ends_of(net, processor))
        self.pad = processor.tokenizer.pad_token_id or 0
        self._vision_takes = set(inspect.signature(net.get_image_features).parameters)
        self._forward_takes = set(inspect.signature(net.model.forward).parameters)

    @property
    def vision_trains(self) -> bool:
        decoder = {id(each) for each in self.net.get_decoder().parameters()}
        decoder |= {id(each) for each in self.net.get_output_embeddings().parameters()}
        return any(each.requires_grad and id(each) not in decoder for each in self.net.parameters())

    def see(self, prefix: Prefix) -> Any:
        """The pictures' features as the language model takes them in, once for all rows of a sample; None without."""
        if "pixel_values" not in prefix.vision:
            return None
        inputs = {n: v.to(self.device) for n, v in prefix.vision.items() if n in self._vision_takes}
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.vision_trains), self.precision():
            return self.net.get_image_features(**inputs, return_dict=True).pooler_output

    def see_together(self, prefixes: Sequence[Prefix]) -> list[Any]:
        """`see` for several prefixes in one pass, where the family gives features picture by picture.

        The last bits may differ from one at a time, as they do for any batch.
        """
        counts = [prefix.images for prefix in prefixes]
        found = self._seen_at_once(prefixes) if all(counts) and len(counts) > 1 else None
        if not isinstance(found, list | tuple) or len(found) != sum(counts):
            return [self.see(prefix) for prefix in prefixes]
        ends = list(accumulate(counts))
        return [list(found[end - count : end]) for end, count in zip(ends, counts, strict=True)]

    def _seen_at_once(self, prefixes: Sequence[Prefix]) -> Any:
        names = list(prefixes[0].vision)
        parts = {name: [prefix.vision[name] for prefix in prefixes] for name in names}
        if any(len({each.shape[1:] for each in tensors}) > 1 for tensors in parts.values()):
            return None
        whole = {name: torch.cat(tensors) for name, tensors in parts.items()}
        return self.see(replace(prefixes[0], vision=whole, images=sum(each.images for each in prefixes)))

    def hidden(self, rows: Rows, seen: Sequence[Any]) -> Tensor:
        """Last hidden states (B, T, D). `seen` are the features of each prefix of the rows, as `see` gave them."""
        with self.precision():
            out = self.net.model(**self._inputs(rows, seen), use_cache=False, return_dict=True)
        hidden: Tensor = out.last_hidden_state
        return hidden

    def log_probabilities(self, hidden: Tensor, rows: Rows, chunk: int) -> tuple[Tensor, Tensor]:
        """Summed log-probability of each row's target tokens, and how many they are: (B), (B), fp32.

        Logits exist for target tokens only, `chunk` of them at once.
        """
        states = hidden[:, :-1][rows.target[:, 1:]]
        tokens = rows.input_ids[:, 1:][rows.target[:, 1:]]
        row = rows.target.nonzero()[:, 0]
        parts = zip(torch.split(states, chunk), torch.split(tokens, chunk), strict=True)
        each = [self._token_log_probabilities(state, token, len(states) > chunk) for state, token in parts]
        sums = torch.zeros(len(rows.owners), device=self.device).index_add(0, row, torch.cat(each))
        return sums, rows.target.sum(1)

    def rows(self, prefixes: list[Prefix], suffixes: list[list[Suffix]], left: bool = False) -> Rows:
        return rows_of(prefixes, suffixes, self.pad, self.device, left)

    @torch.no_grad()
    def generate(self, rows: Rows, seen: Sequence[Any], longest: int, temperature: float = 0.0) -> list[list[int]]:
        """What follows each left-padded row, without the tokens that end the turn."""
        how: dict[str, Any] = {"do_sample": temperature > 0, "temperature": temperature or None}
        if temperature == 0:
            how |= {"top_p": None, "top_k": None}
        ends = sorted(_ends_of(self.net, self.processor))
        how |= {"max_new_tokens": longest, "eos_token_id": ends, "pad_token_id": self.pad}
        with self.precision():
            out = self.net.generate(**self._inputs(rows, seen), **how)
        new = out[:, rows.input_ids.shape[1] :].tolist()
        return [_until(row, {*ends, self.pad}) for row in new]

    @contextmanager
    def as_reference(self) -> Iterator[None]:
        """Within, the model is the one that training began from: the adapter is off. Only with LoRA."""
        with self.lora.disable_adapter() if self.lora is not None else nullcontext():
            yield

    def precision(self) -> Any:
        """bf16 autocast, or nothing."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.autocast else nullcontext()

    def train(self) -> None:
        """Training mode for the language model alone: the frozen vision encoder stays without dropout."""
        self.net.get_decoder().train()

    def eval(self) -> None:
        self.net.eval()

    def _inputs(self, rows: Rows, seen: Sequence[Any]) -> dict[str, Any]:
        inputs: dict[str, Any] = {"input_ids": rows.input_ids, "attention_mask": rows.attention_mask}
        if rows.token_types is not None and "mm_token_type_ids" in self._forward_takes:
            inputs["mm_token_type_ids"] = rows.token_types
        features = [seen[owner] for owner in rows.owners if seen[owner] is not None]
        if features:
            inputs["mm_encoder_outputs"] = {"image": _features(features)}
            inputs |= self._shapes(rows)
        return inputs

    def _shapes(self, rows: Rows) -> dict[str, Tensor]:
        """What the forward pass wants to know of the pictures beside their features, such as Qwen's grid."""
        first = next(each for each in rows.prefixes if each.vision)
        names = [n for n in first.vision if not n.startswith("pixel") and n in self._forward_takes]
        with_pictures = [rows.prefixes[owner].vision for owner in rows.owners if rows.prefixes[owner].vision]
        return {n: torch.cat([vision[n] for vision in with_pictures]).to(self.device) for n in names}

    def _token_log_probabilities(self, states: Tensor, tokens: Tensor, recompute: bool) -> Tensor:
        """log π of each token (N) from its hidden state (N, D); logits are recomputed backward rather than kept."""
        if recompute and torch.is_grad_enabled():
            found: Tensor = checkpoint(self._picked, states, tokens, use_reentrant=False)
            return found
        return self._picked(states, tokens)

    def _picked(self, states: Tensor, tokens: Tensor) -> Tensor:
        with self.precision():
            logits = self.net.get_output_embeddings()(states)
        cap = getattr(self.net.config.get_text_config(), "final_logit_softcapping", None)
        logits = logits.float() if not cap else torch.tanh(logits.float() / cap) * cap
        return -F.cross_entropy(logits, tokens, reduction="none")


def load(base: str, config: Config, master: bool = False) -> VisionLanguage:
    """The model and processor of a transformers id or local folder. Raises BaseModelNotFound.

    `master` keeps weights in fp32 under bf16 autocast: small steps of a full fine-tuning vanish in bf16 weights.
    """
    device = device_of(config.device)
    bf16 = config.precision == "bf16" or (config.precision == "auto" and device.type == "cuda")
    net, processor = _from_pretrained(base, torch.bfloat16 if bf16 and not master else torch.float32)
    return VisionLanguage(base, net, processor, device, bf16)


def device_of(name: str) -> torch.device:
    """The device that is meant; auto takes CUDA, then MPS, then the CPU. Raises ConfigError where it is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(each for each, found in there.items() if found))
    if not there[name]:
        raise ConfigError("device", f"{name} is not available on this machine")
    return torch.device(name)


def add_lora(model: VisionLanguage, rank: int, alpha: float, dropout: float, targets: str) -> None:
    """Adapt the linear layers of the language model in place; everything else is frozen."""
    from peft import LoraConfig, get_peft_model

    prefix = next(name for name, module in model.net.named_modules() if module is model.net.get_decoder())
    linear = [name for name, module in model.net.get_decoder().named_modules() if isinstance(module, nn.Linear)]
    wanted = [n for n in linear if targets == "all" or n.rsplit(".", 1)[-1] in LORA_ATTENTION]
    settings: dict[str, Any] = {"r": rank, "lora_alpha": alpha, "lora_dropout": dropout}
    model.lora = get_peft_model(model.net, LoraConfig(**settings, target_modules=[f"{prefix}.{n}" for n in wanted]))


def train_fully(model: VisionLanguage, freeze_vision: bool) -> None:
    """Every weight learns, but the vision encoder's if it is frozen."""
    model.net.requires_grad_(True)
    if freeze_vision:
        model.net.get_encoder(modality="image").requires_grad_(False)


def trainable(model: VisionLanguage) -> dict[str, nn.Parameter]:
    """The weights that learn, by name."""
    return {name: each for name, each in model.net.named_parameters() if each.requires_grad}


class ScoreHead(nn.Module):
    """Linear, tanh, dropout, linear to one value, on the last hidden state of the last token. In fp32."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.outer = nn.Linear(width, 1)

    def forward(self, hidden: Tensor, last: Tensor) -> Tensor:
        """hidden (B, T, D), last (B): rewards (B)."""
        state = hidden[torch.arange(len(last), device=last.device), last].float()
        rewards: Tensor = self.outer(self.dropout(torch.tanh(self.inner(state)))).squeeze(-1)
        return rewards


def score_head(model: VisionLanguage, dropout: float) -> ScoreHead:
    return ScoreHead(model.net.config.get_text_config().hidden_size, dropout).to(model.device)


def _from_pretrained(base: str, dtype: torch.dtype) -> tuple[Any, Any]:
    without_torchvision.mend()
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from transformers.utils import logging

    quiet: Any = logging
    quiet.disable_progress_bar()
    auto: Any = AutoProcessor
    try:
        processor = auto.from_pretrained(base)
        net = AutoModelForImageTextToText.from_pretrained(base, dtype=dtype)
    except (OSError, ValueError, ImportError, KeyError) as error:
        print(error, file=sys.stderr)
        raise BaseModelNotFound(f"{base!r} cannot be loaded as a vision-language model: {_brief(error)}") from None
    if processor.tokenizer.pad_token_id is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    return net, processor


def _brief(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _ends_of(net: Any, processor: Any) -> set[int]:
    """Tokens at which generation stops."""
    stops = net.generation_config.eos_token_id
    listed = stops if isinstance(stops, list) else [stops]
    return {each for each in [*listed, processor.tokenizer.eos_token_id] if each is not None}


def _until(ids: list[int], ends: set[int]) -> list[int]:
    return ids[: next((index for index, token in enumerate(ids) if token in ends), len(ids))]


def _features(features: list[Any]) -> Any:
    """Features of all rows, one after the other, in the shape in which the family gave them for one."""
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    as_tensor = isinstance(features[0], Tensor)
    whole: Any = torch.cat(features) if as_tensor else [part for each in features for part in each]
    return BaseModelOutputWithPooling(pooler_output=whole)
