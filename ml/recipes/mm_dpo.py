"""Align the policy by MM-DPO: eq. (4) of arXiv 2502.10391 with β(δ) from the reward margins, and its baselines."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ml import accuracy, checkpoints, losses, models, parallel, pictures, sharding
from ml.adapters import adapt
from ml.base import base_of
from ml.batching import Batch, batches_of, fitting
from ml.config import MmDpo
from ml.data import Dataset, Pair, Sample, need_pairs, read_dataset, read_margins
from ml.errors import ConfigError, NoScores
from ml.folder import RunFolder, as_json, write_folder, write_text
from ml.leaving import leave
from ml.policy import Policy, Told
from ml.reference import reference_of
from ml.schedule import plan_of
from ml.training import Loss, Sizes, Trainer

Key = tuple[str, str]


def run(folder: RunFolder, config: MmDpo) -> None:
    if config.label_smoothing and config.loss != "sigmoid":
        raise ConfigError("label_smoothing", f"smooths the sigmoid's labels; the loss {config.loss!r} has none")
    parallel.start(config.device)
    base = base_of(config.base)
    dataset = read_dataset(folder.input("dataset"))
    train = need_pairs(dataset, "train")[: config.train_limit or None]
    held_out = dataset.paired("held_out")
    margins = margins_for(folder, config, dataset, train)
    pictures.check([*train, *held_out])

    model = models.load(base, config, master=config.adapter == "full")
    policy = Policy(model, config, config.logit_chunk)
    lengths = policy.lengths([*train, *held_out]) if config.batch_tokens else {}
    train = fitting(folder, train, config, lengths)
    held_out = [sample for sample in held_out if lengths.get(sample.id, 0) <= config.batch_tokens]
    reference = reference_of(folder, policy, batches_of([*train, *held_out], config, lengths))
    adapt(model, config)
    trainer = Trainer(folder, config, model)
    learner = Learner(folder, config, dataset, policy, reference, margins, lengths)
    plan = plan_of(train, config, lengths)

    if not trainer.resume():
        learner.evaluate(0, held_out)
        learner.show(0, held_out)
    trainer.run(plan, learner.loss_of, learner.size_of, lambda step: learner.watch(step, len(plan), held_out))
    last = learner.evaluate(trainer.step, held_out)
    trainer.settle(learner.accuracy_of(last))
    learner.finish(trainer, last, held_out)
    parallel.end()


def margins_for(folder: RunFolder, config: MmDpo, dataset: Dataset, train: list[Sample]) -> dict[Pair, float]:
    """δ of every training pair. Raises NoScores where MM-DPO lacks one; the baselines need none."""
    if config.objective != "mm_dpo" or config.margins == "none":
        return {}
    pairs = [pair for sample in train for pair in dataset.pairs[sample.id]]
    if config.margins == "human":
        return human_margins(dataset, pairs)
    if not folder.has("scores/margins.jsonl"):
        raise NoScores("inputs/scores/margins.jsonl is not there: score the dataset with a reward model first")
    margins = read_margins(folder.input("scores/margins.jsonl"))
    lacking = [pair for pair in pairs if pair not in margins]
    if lacking:
        one = lacking[0]
        raise NoScores(
            f"{len(lacking)} of {len(pairs)} training pairs have no margin, such as {one.chosen} over {one.rejected} "
            f"of sample {one.sample}: score this dataset again"
        )
    return margins


def human_margins(dataset: Dataset, pairs: list[Pair]) -> dict[Pair, float]:
    """δ as the difference of the people's own scores. Raises NoScores where no pair has them on both sides."""
    found = {pair: dataset.score_difference(pair) for pair in pairs}
    margins = {pair: value for pair, value in found.items() if value is not None}
    if not margins:
        raise NoScores("no training pair has human scores on both sides: take margins from a reward model, or none")
    return margins


class Learner:
    """What the loop asks of this recipe: the loss of a batch, and evaluations on the way."""

    def __init__(
        self,
        folder: RunFolder,
        config: MmDpo,
        dataset: Dataset,
        policy: Policy,
        reference: dict[Key, float],
        margins: dict[Pair, float],
        lengths: dict[str, int],
    ) -> None:
        self.folder = folder
        self.config = config
        self.dataset = dataset
        self.policy = policy
        self.reference = reference
        self.margins = margins
        self.lengths = lengths

    def size_of(self, batch: Batch) -> Sizes:
        return {"pairs": sum(len(self.dataset.pairs[sample.id]) for sample in batch)}

    def loss_of(self, batch: Batch) -> Loss:
        """Each response goes through the model once; every pair's loss is read off K log-probabilities."""
        told = self.policy.tell(batch)
        pairs = [pair for sample in batch for pair in self.dataset.pairs[sample.id]]
        preference, betas, sft = self.preference(told, pairs)
        dpo, sft_mean = preference.losses.mean(), sft.mean()
        chosen, rejected = preference.chosen_rewards, preference.rejected_rewards
        values = {
            "dpo_loss": float(dpo.detach()),
            "sft_loss": float(sft_mean.detach()),
            "accuracy": float((chosen > rejected).float().mean()),
            "chosen_reward": float(chosen.mean()),
            "rejected_reward": float(rejected.mean()),
            "reward_margin": float((chosen - rejected).mean()),
            "beta": float(betas.mean()),
        }
        lows, highs = {"beta_min": float(betas.min())}, {"beta_max": float(betas.max())}
        loss = self.config.dpo_weight * preference.losses + self.config.sft_weight * sft
        return Loss({"pairs": loss.sum()}, values, told.tokens, lows, highs, places=told.places)

    def preference(self, told: Told, pairs: list[Pair]) -> tuple[losses.Preference, Tensor, Tensor]:
        """Eq. (4) of the pairs, the β of each, and the supervised loss of each."""
        device = told.sums.device
        chosen = torch.tensor([told.index[p.sample, p.chosen] for p in pairs], device=device)
        rejected = torch.tensor([told.index[p.sample, p.rejected] for p in pairs], device=device)
        reference = torch.tensor([self.reference[key] for key in told.index], device=device)
        betas = self._betas(told.sums, reference, chosen, rejected, pairs)
        shape, smoothing = self.config.loss, self.config.label_smoothing
        preference = losses.dpo_loss(told.sums, reference, chosen, rejected, betas, self.config.beta, shape, smoothing)
        return preference, betas, losses.sft_loss(told.sums, told.counts, chosen)

    def _betas(self, sums: Tensor, reference: Tensor, chosen: Tensor, rejected: Tensor, pairs: list[Pair]) -> Tensor:
        beta, w, k = self.config.beta, self.config.w, self.config.k
        if self.config.objective == "mm_dpo":
            margin = torch.tensor([self.margins.get(pair, 0.0) for pair in pairs], device=sums.device)
            margin = margin * self.config.margin_scale
            if limit := self.config.margin_limit:
                margin = margin.clamp(-limit, limit)
            return losses.beta_of(margin, beta, w, k)
        if self.config.objective == "implicit":
            logits = losses.log_ratio_differences(sums, reference, chosen, rejected)
            return losses.implicit_beta(logits, beta, w, k)
        return torch.full((len(pairs),), beta, device=sums.device)

    def watch(self, step: int, total: int, held_out: list[Sample]) -> float | None:
        """What is due after a step. The held-out accuracy, if it was looked at."""
        every, show = self.config.evaluate_every, self.config.sample_every
        due = every and step % every == 0 and step < total
        found = self.evaluate(step, held_out) if due else {}
        if show and step % show == 0 and step < total:
            self.show(step, held_out)
        return self.accuracy_of(found)

    def accuracy_of(self, found: dict[str, Any]) -> float | None:
        """ACC of the implicit rewards, of an evaluation."""
        accuracy: float | None = found["implicit_reward"]["overall"]["acc"] if found else None
        return accuracy

    def evaluate(self, step: int, held_out: list[Sample]) -> dict[str, Any]:
        """On held-out pairs: implicit reward accuracy, and how often the policy itself finds the chosen likelier."""
        if not held_out:
            return {}
        return sharding.at_hand(self.policy.model.whole, lambda: self._evaluated(step, held_out))

    def _evaluated(self, step: int, held_out: list[Sample]) -> dict[str, Any]:
        sums: dict[Key, float] = {}
        means: dict[Key, float] = {}
        loss, count = 0.0, 0
        for group in batches_of(held_out, self.config, self.lengths):
            self.folder.halt()
            pairs = [pair for sample in group for pair in self.dataset.pairs[sample.id]]
            with torch.no_grad():
                told = self.policy.tell(group)
                loss += float(self.preference(told, pairs)[0].losses.sum())
            count += len(pairs)
            sums |= {key: float(told.sums[place]) for key, place in told.index.items()}
            means |= {key: float(told.sums[place] / told.counts[place]) for key, place in told.index.items()}
        implicit = {key: self.config.beta * (value - self.reference[key]) for key, value in sums.items()}
        return self._reported(step, held_out, loss / count, implicit, means)

    def _reported(
        self, step: int, held_out: list[Sample], loss: float, implicit: dict[Key, float], means: dict[Key, float]
    ) -> dict[str, Any]:
        by_reward = self._accuracies(held_out, implicit)
        by_likelihood = self._accuracies(held_out, means)
        overall = by_reward["overall"]
        values = {"dpo_loss": loss, "policy_accuracy": by_likelihood["overall"]["acc"]}
        if step:  # before training policy and reference are one: every implicit reward is 0
            values |= {"accuracy": overall["acc"], "acc_plus": overall["acc_plus"]}
            values["reward_margin"] = overall["mean_margin"]
        self.folder.metric(step, "held_out", values)
        return {"implicit_reward": by_reward, "likelihood": by_likelihood, "dpo_loss": loss}

    def _accuracies(self, held_out: list[Sample], values: dict[Key, float]) -> dict[str, Any]:
        return accuracy.accuracies(accuracy.margins_of(self.dataset, held_out, values), self.dataset.samples)

    def show(self, step: int, held_out: list[Sample]) -> None:
        """The policy's own response to one held-out sample."""
        for sample in held_out[:1]:
            text = sharding.at_hand(self.policy.model.whole, partial(self._answer, sample))
            self.folder.sample(step, sample.prompt, text, sample_id=sample.id)

    def _answer(self, sample: Sample) -> str:
        return self.policy.respond([sample], self.config.sample_tokens)[0]

    def finish(self, trainer: Trainer, last: dict[str, Any], held_out: list[Sample]) -> None:
        """The policy checkpoint, and the numbers of the run page; evaluated again where earlier weights were kept."""
        step = trainer.kept_step
        found = last if step == trainer.step else self.evaluate(step, held_out)
        self.show(step, held_out)
        model = trainer.whole_model()
        if not self.folder.leads:
            return
        meta = {"kind": "policy", "recipe": "mm_dpo", "objective": self.config.objective, "step": step}
        write_folder(self.folder.output / "checkpoint", lambda path: checkpoints.save(path, model, meta))
        cuts = str(self.policy.model.encoder.cuts)
        if cuts:
            self.folder.note(f"texts longer than allowed were cut: {cuts} (counted each time they are read)", "warning")
        overall = found["implicit_reward"]["overall"] if found else {}
        result = {"accuracy": overall.get("acc"), "acc_plus": overall.get("acc_plus"), "steps": step}
        result["reward_margin"] = overall.get("mean_margin")
        result["policy_accuracy"] = found["likelihood"]["overall"]["acc"] if found else None
        write_text(self.folder.output / "evaluation.json", as_json(found) + "\n")
        self.folder.result(result)
        leave(self.folder, model, meta, result, self.config)
