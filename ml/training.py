"""The training loop that both recipes share: schedule, accumulation, clipping, checkpoints, resume, and stopping."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ml import adapters, parallel
from ml.batching import Batch, batches_of, chunks
from ml.config import MmDpo, Reward
from ml.data import Sample
from ml.errors import BadCheckpoint, ConfigError, Diverged, Stopped
from ml.folder import RunFolder, as_json, write_folder, write_text
from ml.models import VisionLanguage
from ml.progress import Curves
from ml.states import flat, nested, random_state, set_random_state

HEAD = "head."
WEIGHTS = "weights.safetensors"
BEST = "best"
UNTOUCHED = {"device", "evaluate_every", "sample_every", "checkpoint_every", "keep_checkpoints", "logit_chunk", "base"}
UNTOUCHED |= {"merge", "keep_best", "early_stop"}
"""Fields that may change between a stop and going on."""

Plan = list[list[Batch]]
"""Batches of every optimiser step."""


@dataclass(frozen=True)
class Loss:
    """A batch's loss and figures. Over a step `values` are averaged; of `lows` and `highs` the extreme stays.

    `sums` holds the loss as sums over what is counted (pairs, critiques, ties). Each is divided by the whole step's
    count, so a step's gradient is the same however its samples fall into batches, passes and processes.
    """

    sums: Mapping[str, Tensor]
    values: Mapping[str, float]
    tokens: int
    lows: Mapping[str, float]
    highs: Mapping[str, float]
    counted_by: Mapping[str, str] = field(default_factory=dict)
    """What a value is averaged over, where that is not the pairs."""


Sizes = Mapping[str, int]
"""How much of each kind a batch holds: always pairs; critiques and ties for the reward model."""


@dataclass(frozen=True)
class Figures:
    """A batch's part in what the step reports: values weighed by the batch's share, so that their sum is the mean."""

    values: Mapping[str, float]
    lows: Mapping[str, float]
    highs: Mapping[str, float]
    tokens: int


def plan_of(samples: Sequence[Sample], config: Reward | MmDpo, lengths: Mapping[str, int] | None = None) -> Plan:
    """Every step in order: a fixed function of the samples, their lengths, the seed and the number of processes."""
    steps: Plan = []
    for epoch in range(config.epochs):
        batches = batches_of(samples, config, lengths or {}, config.seed * 1_000_003 + epoch)
        steps += chunks(batches, config.accumulate * parallel.world())
    return steps[: config.max_steps or None]


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
    if config.adapter != "full":
        adapters.add_lora(model, config.lora_rank, config.lora_alpha, config.lora_dropout, config.lora_targets)
    else:
        adapters.train_fully(model, config.freeze_vision, config.train_projector, config.train_language)
        if not adapters.trainable(model):
            raise ConfigError("train_language", "nothing learns: language model, projector and vision are all frozen")
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
        betas, epsilon = (config.adam_beta1, config.adam_beta2), config.adam_epsilon
        self.optimizer = torch.optim.AdamW(self._groups(), betas=betas, eps=epsilon, weight_decay=config.weight_decay)
        self.step = self.kept_step = 0
        self.curves = Curves()

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
        size_of: Callable[[Batch], Sizes],
        watch: Callable[[int], float | None],
    ) -> None:
        """Train to the end of the plan. watch is told each step's number, and answers its held-out accuracy, if any.

        Raises Diverged at the first loss or gradient that is not finite, Stopped after saving when asked to stop.
        """
        while self.step < len(plan) and not self._stale():
            self._one_step(plan, loss_of, size_of)
            self.folder.progress("train", self.step, len(plan))
            try:
                self.folder.stopping = parallel.anyone(self.folder.stopping, self.model.device)
                self.folder.halt()
                self._judge(watch(self.step))
            except Stopped:
                self.save()
                raise
            if self.step % self.config.checkpoint_every == 0:
                self.save()

    def settle(self, last: float | None) -> None:
        """After training: put back the weights of the best evaluation, if the config says so and the last is worse."""
        self.kept_step = self.step
        path = self.folder.path / BEST / WEIGHTS
        best = self.curves.best
        if not self.config.keep_best or best is None or not path.exists() or (last is not None and last >= best):
            return
        self._put(load_file(path))
        self.kept_step = self.curves.best_step
        self.folder.note(f"kept the weights of step {self.curves.best_step}, whose held-out accuracy is {best:.4f}")

    def _judge(self, accuracy: float | None) -> None:
        if accuracy is None or not (self.config.keep_best or self.config.early_stop):
            return
        better = self.curves.judge(self.step, accuracy)
        if better and self.config.keep_best and parallel.leads():
            write_folder(self.folder.path / BEST, lambda path: save_file(self._weights(), path / WEIGHTS))
        if self._stale():
            held = f"{self.config.early_stop} evaluations were no better than {self.curves.best:.4f}"
            self.folder.note(f"stopped early after step {self.step}: {held} at step {self.curves.best_step}")

    def _stale(self) -> bool:
        return bool(self.config.early_stop) and self.curves.stale >= self.config.early_stop

    def save(self) -> None:
        self.folder.save_checkpoint(self.step, self._write, self.config.keep_checkpoints)

    def _one_step(self, plan: Plan, loss_of: Callable[[Batch], Loss], size_of: Callable[[Batch], Sizes]) -> None:
        began = time.perf_counter()
        rate = rate_at(self.step, len(plan), self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        self._training_mode(True)
        batches = plan[self.step]
        sizes = [size_of(batch) for batch in batches]
        totals = {name: sum(size[name] for size in sizes) for name in sizes[0]}
        mine = range(parallel.rank(), len(batches), parallel.world())
        self._stir()
        figures = [self._one_batch(batches[place], sizes[place], totals, loss_of) for place in mine]
        parallel.sum_gradients(self.weights.values())
        norm = nn.utils.clip_grad_norm_(self.weights.values(), self.config.max_grad_norm)
        self._guard(norm, "gradient", [sample for batch in batches for sample in batch])
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._training_mode(False)
        self.step += 1
        self._report(figures, float(norm), time.perf_counter() - began)

    def _stir(self) -> None:
        """Several processes draw unlike dropout: each a fixed function of seed, step and rank, so resuming is exact."""
        if parallel.world() > 1:
            torch.manual_seed((self.config.seed * 1_000_003 + self.step) * 4096 + parallel.rank())

    def _one_batch(self, batch: Batch, size: Sizes, totals: Sizes, loss_of: Callable[[Batch], Loss]) -> Figures:
        one = loss_of(batch)
        loss = torch.stack([each / max(1, totals[name]) for name, each in one.sums.items()]).sum()
        self._guard(loss, "loss", batch)
        torch.autograd.backward(loss)
        share = {name: size[name] / max(1, total) for name, total in totals.items()}
        values = {name: value * share[one.counted_by.get(name, "pairs")] for name, value in one.values.items()}
        return Figures({"loss": float(loss.detach()), **values}, one.lows, one.highs, one.tokens)

    def _report(self, mine: list[Figures], norm: float, seconds: float) -> None:
        found = [each for some in parallel.gathered(mine) for each in cast(list[Figures], some)]
        values = {name: sum(one.values[name] for one in found) for name in found[0].values}
        values |= {name: min(one.lows[name] for one in found) for name in found[0].lows}
        values |= {name: max(one.highs[name] for one in found) for name in found[0].highs}
        values |= {"lr": self.optimizer.param_groups[0]["lr"], "grad_norm": norm}
        values |= self.curves.smoothed(values, self.config.ema)
        values["tokens_per_second"] = sum(one.tokens for one in found) / seconds
        self.folder.metric(self.step, "train", values)

    def _guard(self, value: Tensor, what: str, batch: Batch) -> None:
        if not bool(torch.isfinite(value).all()):
            names = ", ".join(sample.id for sample in batch)
            where = f"the {what} of step {self.step + 1} is not finite (samples {names})"
            self.folder.metric(self.step + 1, "train", {"loss" if what == "loss" else "grad_norm": float("nan")})
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
        save_file(self._weights(), path / WEIGHTS)
        save_file(flat(self.optimizer.state_dict()["state"]), path / "optimizer.safetensors")
        save_file(random_state(self.model.device), path / "random.safetensors")
        told = {"step": self.step, "config": asdict(self.config), "processes": parallel.world()}
        write_text(path / "trainer.json", as_json({**told, "curves": self.curves.as_dict()}) + "\n")

    def _weights(self) -> dict[str, Tensor]:
        return {name: each.detach().contiguous() for name, each in self.weights.items()}

    def _put(self, saved: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, each in self.weights.items():
                each.copy_(saved[name])

    def _restore(self, path: Path) -> None:
        told = json.loads((path / "trainer.json").read_text(encoding="utf-8"))
        before = asdict(type(self.config)()) | told["config"]  # a newer field had its default then
        changed = [n for n, v in asdict(self.config).items() if n not in UNTOUCHED and before.get(n) != v]
        if changed:
            raise ValueError(f"the config has changed since: {', '.join(changed)}; start a new run instead")
        if told.get("processes", 1) != parallel.world():
            raise ValueError(f"it was made by {told.get('processes', 1)} processes, not {parallel.world()}")
        self.curves = Curves(**told.get("curves", {}))
        self._put(load_file(path / WEIGHTS))
        state = nested(load_file(path / "optimizer.safetensors"))
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})
        set_random_state(load_file(path / "random.safetensors"), self.model.device)
