"""The training loop that both recipes share: schedule, accumulation, clipping, checkpoints, resume, and stopping."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ml import adapters, gauges, parallel, sharding, states
from ml.batching import Batch
from ml.config import MmDpo, Reward
from ml.errors import BadCheckpoint, Diverged, Stopped
from ml.folder import RunFolder, as_json, write_folder, write_text
from ml.models import VisionLanguage, load
from ml.progress import Curves
from ml.schedule import Plan, rate_at
from ml.states import WEIGHTS

HEAD = "head."
BEST = "best"
UNTOUCHED = {"device", "evaluate_every", "sample_every", "checkpoint_every", "keep_checkpoints", "logit_chunk", "base"}
UNTOUCHED |= {"merge", "keep_best", "early_stop", "keep_features"}
"""Fields that may change between a stop and going on."""


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
    places: int = 0
    """Tokens with padding."""


Sizes = Mapping[str, int]
"""How much of each kind a batch holds: always pairs; critiques and ties for the reward model."""


@dataclass(frozen=True)
class Figures:
    """A batch's part in what the step reports: values weighed by the batch's share, so that their sum is the mean."""

    values: Mapping[str, float]
    lows: Mapping[str, float]
    highs: Mapping[str, float]
    load: gauges.Load


class Trainer:
    """Holds what a checkpoint holds: the learning weights, the optimiser's moments, the random state, and the step."""

    def __init__(
        self, folder: RunFolder, config: Reward | MmDpo, model: VisionLanguage, head: nn.Module | None = None
    ) -> None:
        self.folder = folder
        self.config = config
        self.model = model
        self.head = head
        if config.shard and parallel.world() > 1:
            model.whole = sharding.shard(model.net.get_decoder(), model.net.get_output_embeddings(), model.device)
        self.weights: dict[str, nn.Parameter] = adapters.trainable(model)
        self.weights |= {HEAD + name: each for name, each in head.named_parameters()} if head else {}
        betas, epsilon = (config.adam_beta1, config.adam_beta2), config.adam_epsilon
        how: dict[str, Any] = {"betas": betas, "eps": epsilon, "weight_decay": config.weight_decay}
        fused = model.whole is None and model.device.type in ("cpu", "cuda")  # a pass over the weights instead of seven
        self.optimizer = torch.optim.AdamW(self._groups(), **how, fused=fused)
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
        except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
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
        for name, each in load_file(path).items():
            sharding.put(self.weights[name], each)
        self.kept_step = self.curves.best_step
        self.folder.note(f"kept the weights of step {self.curves.best_step}, whose held-out accuracy is {best:.4f}")

    def _judge(self, accuracy: float | None) -> None:
        if accuracy is None or not (self.config.keep_best or self.config.early_stop):
            return
        better = self.curves.judge(self.step, accuracy)
        if better and self.config.keep_best:
            weights = self._gathered()
            if parallel.leads():
                write_folder(self.folder.path / BEST, lambda path: save_file(weights, path / WEIGHTS))
        if self._stale():
            held = f"{self.config.early_stop} evaluations were no better than {self.curves.best:.4f}"
            self.folder.note(f"stopped early after step {self.step}: {held} at step {self.curves.best_step}")

    def _stale(self) -> bool:
        return bool(self.config.early_stop) and self.curves.stale >= self.config.early_stop

    def save(self) -> None:
        """A checkpoint to resume from. Of a shared model each process writes its share, then the first joins them."""
        if self.model.whole is not None:
            write_folder(self._shares / states.share_of(parallel.rank()), self._write_state)
            parallel.meet()
        self.folder.save_checkpoint(self.step, self._write, self.config.keep_checkpoints)

    def whole_model(self) -> VisionLanguage:
        """The model as one process can save it. Of a shared one, the first puts a copy together; all have to ask."""
        if self.model.whole is None:
            return self.model
        weights = self._gathered()
        if not parallel.leads():
            return self.model
        config = replace(self.config, device="cpu", precision="bf16" if self.model.autocast else "fp32")
        model = load(self.model.source, config, master=config.adapter == "full")
        adapters.adapt(model, config)
        for name, each in adapters.trainable(model).items():
            sharding.put(each, weights[name])
        return model

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
        if self.model.whole is not None and len(figures) * parallel.world() < len(batches):
            self._keep_pace(batches[0], loss_of)
        parallel.sum_gradients(each for each in self.weights.values() if not sharding.is_share(each))
        norm = sharding.clip(self.weights.values(), self.config.max_grad_norm)
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
        one = self._lost(batch, loss_of)
        loss = torch.stack([each / max(1, totals[name]) for name, each in one.sums.items()]).sum()
        self._guard(loss, "loss", batch)
        torch.autograd.backward(loss)
        share = {name: size[name] / max(1, total) for name, total in totals.items()}
        values = {name: value * share[one.counted_by.get(name, "pairs")] for name, value in one.values.items()}
        return Figures(
            {"loss": float(loss.detach()), **values},
            one.lows,
            one.highs,
            gauges.Load(len(batch), one.tokens, one.places),
        )

    def _lost(self, batch: Batch, loss_of: Callable[[Batch], Loss]) -> Loss:
        """The batch's loss. Its sums leave through `Whole`, so that going backward gathers the weights again."""
        found: list[Loss] = []

        def work() -> list[Tensor]:
            found.append(loss_of(batch))
            return list(found[0].sums.values())

        sharding.at_hand(self.model.whole, work)
        return found[0]

    def _keep_pace(self, batch: Batch, loss_of: Callable[[Batch], Loss]) -> None:
        """Where others have one batch more: gather and let go with them, for a gradient of 0."""
        sums = self._lost(batch, loss_of).sums.values()
        torch.autograd.backward(torch.stack([each * 0.0 for each in sums]).sum())

    def _report(self, mine: list[Figures], norm: float, seconds: float) -> None:
        found = [each for some in parallel.gathered(mine) for each in cast(list[Figures], some)]
        values = {name: sum(one.values[name] for one in found) for name in found[0].values}
        values |= {name: min(one.lows[name] for one in found) for name in found[0].lows}
        values |= {name: max(one.highs[name] for one in found) for name in found[0].highs}
        values |= {"lr": self.optimizer.param_groups[0]["lr"], "grad_norm": norm}
        values |= self.curves.smoothed(values, self.config.ema)
        values |= gauges.read([one.load for one in found], seconds)
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
        """Weights of one learning rate together; shares and whole ones apart, since AdamW takes no group of both."""
        vision = {id(each) for each in self.model.net.get_encoder(modality="image").parameters()}
        groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
        for name, each in self.weights.items():
            part = "head" if name.startswith(HEAD) else "vision" if id(each) in vision else ""
            rate = getattr(self.config, f"{part}_learning_rate", 0.0) or self.config.learning_rate
            groups.setdefault((rate, sharding.is_share(each)), []).append(each)
        return [{"params": some, "lr": rate, "peak": rate} for (rate, _), some in groups.items()]

    @property
    def _shares(self) -> Path:
        """Where processes leave their shares of a checkpoint until it is joined."""
        return self.folder.checkpoints / f"shares-{self.step:08d}"

    def _write_state(self, path: Path) -> None:
        states.write(path, self.weights, self.optimizer, self.model.device)

    def _write(self, path: Path) -> None:
        if self.model.whole is None:
            self._write_state(path)
        else:
            for share in self._shares.iterdir():
                share.replace(path / share.name)
            shutil.rmtree(self._shares)
        told = {"step": self.step, "config": asdict(self.config), "processes": parallel.world()}
        write_text(path / "trainer.json", as_json({**told, "curves": self.curves.as_dict()}) + "\n")

    def _gathered(self) -> dict[str, Tensor]:
        """Every learning weight, whole. All processes have to ask."""
        return {name: sharding.gathered(each).contiguous() for name, each in self.weights.items()}

    def _restore(self, path: Path) -> None:
        told = json.loads((path / "trainer.json").read_text(encoding="utf-8"))
        before = asdict(type(self.config)()) | told["config"]  # a newer field had its default then
        changed = [n for n, v in asdict(self.config).items() if n not in UNTOUCHED and before.get(n) != v]
        if changed:
            raise ValueError(f"the config has changed since: {', '.join(changed)}; start a new run instead")
        if told.get("processes", 1) != parallel.world():
            raise ValueError(f"it was made by {told.get('processes', 1)} processes, not {parallel.world()}")
        self.curves = Curves(**told.get("curves", {}))
        mine = path if self.model.whole is None else path / states.share_of(parallel.rank())
        states.read(mine, self.weights, self.optimizer, self.model.device)
