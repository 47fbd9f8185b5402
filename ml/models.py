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
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ml import attention, generation, last_layer, packing, without_torchvision
from ml.config import Config
from ml.encoding import Encoder, Prefix, Suffix
from ml.errors import BaseModelNotFound, ConfigError
from ml.features import Deep, joined
from ml.packing import Rows
from ml.quantised import four_bits, keep_as_loaded
from ml.sharding import Whole


class VisionLanguage:
    """A vision-language model with its encoder of texts and pictures, on one device.

    `net` is the transformers model; with LoRA its layers are adapted in place and `lora` is peft's coat around it.
    """

    def __init__(self, base: str, net: Any, processor: Any, device: torch.device, autocast: bool) -> None:
        self.base = self.source = base
        """What was trained from; where the weights came from, which of a checkpoint is its own folder."""
        self.net = net.to(device).eval().requires_grad_(False)
        self.processor = processor
        self.device = device
        self.autocast = autocast
        self.lora: Any = None
        self.whole: Whole | None = None
        """Gathers the language model's weights, where each process holds a share of them."""
        self.ends = _ends_of(net, processor)
        """Tokens at which generation stops."""
        self.encoder = Encoder(processor, self.ends)
        self.pad = processor.tokenizer.pad_token_id or 0
        self._vision_takes = set(inspect.signature(net.get_image_features).parameters)
        self._forward_takes = set(inspect.signature(net.model.forward).parameters)
        self.unpackable = packing.why_not(net)
        """Why responses cannot share a row with this family, in words; empty where they can."""
        if not self.unpackable:
            attention.use(net)
        else:
            print(f"each response gets a row of its own: {self.unpackable}", file=sys.stderr)

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
            out = self.net.get_image_features(**inputs, return_dict=True)
        layers = getattr(out, "deepstack_features", None)
        return Deep(list(out.pooler_output), [list(each) for each in layers]) if layers else out.pooler_output

    def see_together(self, prefixes: Sequence[Prefix]) -> list[Any]:
        """`see` for several prefixes in one pass, where the family gives features picture by picture.

        The last bits may differ from one at a time, as they do for any batch.
        """
        counts = [prefix.images for prefix in prefixes]
        found = self._seen_at_once(prefixes) if all(counts) and len(counts) > 1 else None
        if isinstance(found, Deep) or not isinstance(found, list | tuple) or len(found) != sum(counts):
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
        """Last hidden states (B, T, D), which mean something where `rows.read` says that they are read.

        `seen` are the features of each prefix of the rows, as `see` gave them.
        """
        with self.precision(), last_layer.only(self.net.get_decoder(), rows.read):
            out = self.net.model(**self.inputs(rows, seen), use_cache=False, return_dict=True)
        hidden: Tensor = out.last_hidden_state
        return hidden

    def log_probabilities(self, hidden: Tensor, rows: Rows, chunk: int) -> tuple[Tensor, Tensor]:
        """Summed log-probability of each response's wanted tokens, and how many they are: (R), (R), fp32.

        Logits exist for wanted tokens only, `chunk` of them at once.
        """
        states = hidden.flatten(0, 1)[rows.before]
        parts = zip(torch.split(states, chunk), torch.split(rows.wanted, chunk), strict=True)
        each = [self._token_log_probabilities(state, token, len(states) > chunk) for state, token in parts]
        sums = torch.zeros(len(rows.ends), device=self.device)
        counts = torch.zeros(len(rows.ends), dtype=torch.long, device=self.device)
        if each:
            sums = sums.index_add(0, rows.response, torch.cat(each))
            counts = counts.index_add(0, rows.response, torch.ones_like(rows.response))
        return sums, counts

    def rows(self, prefixes: list[Prefix], suffixes: list[list[Suffix]]) -> Rows:
        """The prefixes once each with their responses packed behind them, where the family's attention allows it."""
        if self.unpackable:
            return packing.plain(prefixes, suffixes, self.pad, self.device)
        positions = [self.positions(prefix) for prefix in prefixes]
        return packing.packed(prefixes, suffixes, positions, self.pad, self.device)

    def tokens_of(self, prefix: int, suffixes: Sequence[int]) -> int:
        """Tokens that a sample's rows take, from the lengths of its prefix and of what follows."""
        if self.unpackable:
            return len(suffixes) * (prefix + max(suffixes, default=0))
        return prefix + sum(suffixes)

    def positions(self, prefix: Prefix) -> Tensor:
        """Where the family puts a prefix's tokens: (1, P), or with M-RoPE (3, P)."""
        own = getattr(self.net.model, "get_rope_index", None)
        if own is None:
            return torch.arange(len(prefix.ids))[None]
        if prefix.token_types is None or not prefix.images:
            return torch.arange(len(prefix.ids)).expand(3, -1)
        takes = set(inspect.signature(own).parameters)
        shapes = {name: each for name, each in prefix.vision.items() if name in takes}
        found: Tensor = own(prefix.ids[None], mm_token_type_ids=prefix.token_types[None], **shapes)[0]
        return found[:, 0]

    @torch.no_grad()
    def generate(
        self,
        prefixes: list[Prefix],
        suffixes: list[list[Suffix]],
        seen: Sequence[Any],
        longest: int,
        temperature: float = 0.0,
    ) -> list[list[int]]:
        """What follows each suffix of each prefix, without the tokens that end the turn."""
        how = generation.plainly if self.unpackable else generation.continued
        return how(self, prefixes, suffixes, seen, longest, temperature)

    def stream(
        self, prefix: Prefix, suffix: Suffix, seen: Any, longest: int, temperature: float = 0.0
    ) -> Iterator[int]:
        """`generate` for one suffix of one prefix, token by token."""
        how = generation.streamed_plainly if self.unpackable else generation.streamed
        return how(self, prefix, suffix, seen, longest, temperature)

    def read(self, rows: Rows, seen: Sequence[Any]) -> tuple[Tensor, Any]:
        """Last hidden states (B, T, D), and the keys and values of all layers to go on from."""
        with self.precision():
            out = self.net.model(**self.inputs(rows, seen), use_cache=True, return_dict=True)
        return out.last_hidden_state, out.past_key_values

    def read_on(self, tokens: Tensor, mask: Tensor, positions: Tensor, cache: Any) -> Tensor:
        """States of tokens (B, T) behind a cache, which grows by them. mask covers the cache too (B, C + T)."""
        inputs = {"input_ids": tokens, "attention_mask": mask, "position_ids": positions}
        with self.precision():
            out = self.net.model(**inputs, past_key_values=cache, use_cache=True, return_dict=True)
        states: Tensor = out.last_hidden_state
        return states

    def logits(self, states: Tensor) -> Tensor:
        """(N, D) → (N, V) in fp32."""
        with self.precision():
            logits = self.net.get_output_embeddings()(states).float()
        cap = getattr(self.net.config.get_text_config(), "final_logit_softcapping", None)
        found: Tensor = torch.tanh(logits / cap) * cap if cap else logits
        return found

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

    def inputs(self, rows: Rows, seen: Sequence[Any]) -> dict[str, Any]:
        """What the forward pass takes for these rows."""
        inputs: dict[str, Any] = {"input_ids": rows.input_ids, "attention_mask": rows.attention_mask}
        if rows.positions is not None:
            inputs["position_ids"] = rows.positions
        if rows.attention_mask.dim() == 4:
            inputs["attention_mask"] = self._mask(rows.attention_mask)
        if rows.token_types is not None and "mm_token_type_ids" in self._forward_takes:
            inputs["mm_token_type_ids"] = rows.token_types
        features = [seen[owner] for owner in rows.owners if seen[owner] is not None]
        if features:
            inputs["mm_encoder_outputs"] = {"image": joined(features)}
            inputs |= self._shapes(rows)
        return inputs

    def _mask(self, visible: Tensor) -> Tensor:
        """As the attention takes it: booleans for PyTorch's own, numbers to add for the one written out."""
        if self.net.config._attn_implementation != "eager":
            return visible
        dtype = torch.bfloat16 if self.autocast else self.net.dtype
        return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill(
            ~visible, torch.finfo(dtype).min
        )

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
        return -F.cross_entropy(self.logits(states), tokens, reduction="none")


def load(base: str, config: Config, master: bool = False) -> VisionLanguage:
    """The model and processor of a transformers id or local folder. Raises BaseModelNotFound.

    `master` keeps weights in fp32 under bf16 autocast: small steps of a full fine-tuning vanish in bf16 weights.
    """
    device = device_of(config.device)
    bf16 = config.precision == "bf16" or (config.precision == "auto" and device.type == "cuda")
    dtype = torch.bfloat16 if bf16 and not master else torch.float32
    net, processor = _from_pretrained(base, dtype, quantised=getattr(config, "adapter", "") == "qlora")
    return VisionLanguage(base, net, processor, device, bf16)


def device_of(name: str) -> torch.device:
    """The device that is meant; auto takes CUDA, then MPS, then the CPU. Raises ConfigError where it is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(each for each, found in there.items() if found))
    if not there[name]:
        raise ConfigError("device", f"{name} is not available on this machine")
    return torch.device(name)


def _from_pretrained(base: str, dtype: torch.dtype, quantised: bool) -> tuple[Any, Any]:
    without_torchvision.mend()
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from transformers.utils import logging

    quiet: Any = logging
    quiet.disable_progress_bar()
    auto: Any = AutoProcessor
    try:
        processor = auto.from_pretrained(base)
        more = four_bits(base, dtype) if quantised else {}
        net = keep_as_loaded(AutoModelForImageTextToText.from_pretrained(base, dtype=dtype, **more))
    except (OSError, ValueError, ImportError, KeyError) as error:
        print(error, file=sys.stderr)
        raise BaseModelNotFound(f"{base!r} cannot be loaded as a vision-language model: {_brief(error)}") from None
    if processor.tokenizer.pad_token_id is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    return net, processor


def _brief(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _ends_of(net: Any, processor: Any) -> set[int]:
    stops = net.generation_config.eos_token_id
    listed = stops if isinstance(stops, list) else [stops]
    return {each for each in [*listed, processor.tokenizer.eos_token_id] if each is not None}
