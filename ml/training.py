"""The training loop that both recipes share: schedule, accumulation, clipping, checkpoints, resume, and stopping."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ml import adapters
from ml.config import MmDpo, Reward
from ml.data import Sample
from ml.errors import BadCheckpoint, Diverged, Stopped
from ml.folder import RunFolder, as_json, write_text
from ml.models import VisionLanguage

HEAD = "head."
UNTOUCHED = {"device", "evaluate_every", "sample_every", "checkpoint_every", "keep_checkpoints", "logit_chunk", "base"}
"""Fields that may change between a stop and going on."""

Batch = list[Sample]
Plan = list[list[Batch]]
"""Batches of every optimiser step."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Loss:
    """A batch's loss and figures. Over a step `values` are averaged; of `lows` and `highs` the extreme stays."""

    loss: Tensor
    values: Mapping[str, float]
    tokens: int
    lows: Mapping[str, float]
    highs: Mapping[str, float]


def plan_of(samples: Sequence[Sample], config: Reward | MmDpo) -> Plan:
    """Every step of the training in order: a fixed function of the samples and the seed."""
    steps: Plan = []
    for epoch in range(config.epochs):
        order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(config.seed * 1_000_003 + epoch))
        shuffled = [samples[i] for i in order.tolist()]
        steps += chunks(chunks(shuffled, config.samples_per_batch), config.accumulate)
    return steps[: config.max_steps or None]


def chunks(items: Sequence[Item], size: int) -> list[list[Item]]:
    """The items in their order, that many at a time."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def rate_at(step: int, total: int, config: Reward | MmDpo) -> float:
    """The share of the peak learning rate at a step counted from 0."""
    warm = math.ceil(config.warmup * total)
    if step < warm:
        return (step + 1) / warm
    along = (step - warm) / max(1, total - warm)
    shapes = {"cosine": 0.5 * (1 + math.cos(math.pi * along)), "linear": 1 - along, "constant": 1.0}
    return shapes[config.schedule]


def adapt(model: VisionLanguage, config: Reward | MmDpo) -> None:
    """LoRA or full fine-tuning, as the config says."""
    torch.manual_seed(config.seed)
    if config.adapter == "lora":
        adapters.add_lora(model, config.lora_rank, config.lora_alpha, config.lora_dropout, config.lora_targets)
    else:
        adapters.train_fully(model, config.freeze_vision)
    if config.gradient_checkpointing:
        model.net.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


class Trainer:
    """Holds what a checkpoint holds: the learning weights, the optimiser's moments, the random state, and the step."""

    def __init__(
        self, folder: RunFolder, config: Reward | MmDpo, model: VisionLanguage, head: nn.Module | None = None
    ) -> None:
        self.folder = folder
        self.config = config
        self.model = model
        self.head = head
        self.weights: dict[str, nn.Parameter] = adapters.trainable(model)
        self.weights |= {HEAD + name: each for name, each in head.named_parameters()} if head else {}
        self.optimizer = torch.optim.AdamW(self._groups(), weight_decay=config.weight_decay)
        self.step = 0

    def resume(self) -> bool:
        """Go on from the last complete checkpoint, if there is one. Raises BadCheckpoint."""
        found = self.folder.latest_checkpoint()
        if found is None:
            return False
        self.step, path = found
        try:
            self._restore(path)
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise BadCheckpoint(f"{path.name} cannot be resumed: {error}") from None
        self.folder.note(f"resumed after step {self.step}")
        return True

    def run(
        self,
        plan: Plan,
        loss_of: Callable[[Batch], Loss],
        size_of: Callable[[Batch], int],
        watch: Callable[[int], None],
    ) -> None:
        """Train to the end of the plan. A batch counts by its size, its pairs; watch is told each step's number.

        Raises Diverged at the first loss or gradient that is not finite, Stopped after saving when asked to stop.
        """
        while self.step < len(plan):
            self._one_step(plan, loss_of, size_of)
            self.folder.progress("train", self.step, len(plan))
            try:
                self.folder.halt()
                watch(self.step)
            except Stopped:
                self.save()
                raise
            if self.step % self.config.checkpoint_every == 0:
                self.save()

    def save(self) -> None:
        self.folder.save_checkpoint(self.step, self._write, self.config.keep_checkpoints)

    def _one_step(self, plan: Plan, loss_of: Callable[[Batch], Loss], size_of: Callable[[Batch], int]) -> None:
        began = time.perf_counter()
        rate = rate_at(self.step, len(plan), self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        self._training_mode(True)
        batches = plan[self.step]
        shares = [size_of(batch) / sum(size_of(each) for each in batches) for batch in batches]
        found = [self._one_batch(batch, share, loss_of) for batch, share in zip(batches, shares, strict=True)]
        norm = nn.utils.clip_grad_norm_(self.weights.values(), self.config.max_grad_norm)
        self._guard(norm, "gradient", [sample for batch in batches for sample in batch])
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._training_mode(False)
        self.step += 1
        self._report(found, shares, float(norm), time.perf_counter() - began)

    def _one_batch(self, batch: Batch, share: float, loss_of: Callable[[Batch], Loss]) -> Loss:
        one = loss_of(batch)
        self._guard(one.loss, "loss", batch)
        torch.autograd.backward(one.loss * share)
        return replace(one, loss=one.loss.detach())

    def _report(self, found: list[Loss], shares: list[float], norm: float, seconds: float) -> None:
        values = {"loss": _mean([float(one.loss) for one in found], shares)}
        values |= {name: _mean([one.values[name] for one in found], shares) for name in found[0].values}
        values |= {name: min(one.lows[name] for one in found) for name in found[0].lows}
        values |= {name: max(one.highs[name] for one in found) for name in found[0].highs}
        values |= {"lr": self.optimizer.param_groups[0]["lr"], "grad_norm": norm}
        values["tokens_per_second"] = sum(one.tokens for one in found) / seconds
        self.folder.metric(self.step, "train", values)

    def _guard(self, value: Tensor, what: str, batch: Batch) -> None:
        if not bool(torch.isfinite(value).all()):
            names = ", ".join(sample.id for sample in batch[:8])
            where = f"the {what} of step {self.step + 1} is not finite (samples {names})"
            raise Diverged(f"{where}; try a lower learning rate")

    def _training_mode(self, on: bool) -> None:
        self.model.train() if on else self.model.eval()
        if self.head is not None:
            self.head.train(on)

    def _groups(self) -> list[dict[str, Any]]:
        own = self.config.learning_rate
        head = getattr(self.config, "head_learning_rate", 0.0) or own
        body = [each for name, each in self.weights.items() if not name.startswith(HEAD)]
        top = [each for name, each in self.weights.items() if name.startswith(HEAD)]
        groups = [{"params": body, "lr": own, "peak": own}, {"params": top, "lr": head, "peak": head}]
        return [group for group in groups if group["params"]]

    def _write(self, path: Path) -> None:
        weights = {name: each.detach().contiguous() for name, each in self.weights.items()}
        save_file(weights, path / "weights.safetensors")
        save_file(_flat(self.optimizer.state_dict()["state"]), path / "optimizer.safetensors")
        save_file(_random_state(self.model.device), path / "random.safetensors")
        write_text(path / "trainer.json", as_json({"step": self.step, "config": asdict(self.config)}) + "\n")

    def _restore(self, path: Path) -> None:
        before = json.loads((path / "trainer.json").read_text(encoding="utf-8"))["config"]
        changed = [n for n, v in asdict(self.config).items() if n not in UNTOUCHED and before.get(n) != v]
        if changed:
            raise ValueError(f"the config has changed since: {', '.join(changed)}; start a new run instead")
        saved = load_file(path / "weights.safetensors")
        with torch.no_grad():
            for name, each in self.weights.items():
                each.copy_(saved[name])
        state = _nested(load_file(path / "optimizer.safetensors"))
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})
        _set_random_state(load_file(path / "random.safetensors"), self.model.device)


def _mean(values: list[float], shares: list[float]) -> float:
    return sum(value * share for value, share in zip(values, shares, strict=True))


def _flat(state: Mapping[int, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The optimiser's moments as named tensors, which need no pickle."""
    return {f"{index}.{name}": each for index, moments in state.items() for name, each in moments.items()}


def _nested(flat: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, each in flat.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = each
    return state


def _random_state(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _set_random_state(states: Mapping[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
