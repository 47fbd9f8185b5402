"""Train the critique-based reward model, eq. (2) + eq. (3) of arXiv 2502.10391; then count ACC and ACC+."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ml import accuracy, checkpoints, critiques, heads, losses, models, parallel, pictures, sharding
from ml.adapters import adapt
from ml.base import base_of
from ml.batching import Batch, batches_of, fitting
from ml.config import Reward
from ml.data import Dataset, Pair, Sample, need_pairs, read_dataset
from ml.folder import RunFolder, as_json, write_folder, write_text
from ml.leaving import leave
from ml.reward_model import Judged, Key, RewardModel
from ml.schedule import plan_of
from ml.training import Loss, Sizes, Trainer


def run(folder: RunFolder, config: Reward) -> None:
    parallel.start(config.device)
    base = base_of(config.base)
    dataset = read_dataset(folder.input("dataset"))
    train = need_pairs(dataset, "train")[: config.train_limit or None]
    held_out = dataset.paired("held_out")
    given = critiques.to_learn(config.critiques, dataset, train, folder)
    pictures.check([*train, *held_out])

    model = models.load(base, config, master=config.adapter == "full")
    adapt(model, config)
    head = heads.score_head(model, config.head_dropout)
    judge = RewardModel(model, head, config, config.critiques != "none", config.logit_chunk)
    trainer = Trainer(folder, config, model, head)
    lengths = judge.lengths([*train, *held_out], given) if config.batch_tokens else {}
    learner = Learner(folder, config, dataset, judge, given, lengths)
    train = fitting(folder, [sample for sample in train if learner.pairs_of([sample])], config, lengths)
    held_out = [sample for sample in held_out if lengths.get(sample.id, 0) <= config.batch_tokens]
    plan = plan_of(train, config, lengths)

    if not trainer.resume():
        learner.evaluate(0, held_out)
    trainer.run(plan, learner.loss_of, learner.size_of, lambda step: learner.watch(step, len(plan), held_out))
    last = learner.evaluate(trainer.step, held_out)
    trainer.settle(learner.accuracy_of(last))
    learner.finish(trainer, last, held_out)
    parallel.end()


class Learner:
    """What the loop asks of this recipe: the loss of a batch, and evaluations on the way."""

    def __init__(
        self,
        folder: RunFolder,
        config: Reward,
        dataset: Dataset,
        judge: RewardModel,
        given: dict[Key, str],
        lengths: dict[str, int],
    ) -> None:
        self.folder = folder
        self.config = config
        self.dataset = dataset
        self.judge = judge
        self.given = given
        self.lengths = lengths

    def loss_of(self, batch: Batch) -> Loss:
        """Each response goes through the model once; every pair's loss is read off the rewards."""
        judged = self.judge.judge(batch, self.given)
        pairs = self.pairs_of(batch)
        chosen, rejected = self._rewards(judged, [((p.sample, p.chosen), (p.sample, p.rejected)) for p in pairs])
        asked = torch.tensor([self.config.margin * self.dataset.rank_distance(pair) for pair in pairs])
        score = losses.scoring_loss(chosen, rejected, asked.to(chosen.device)).mean()
        critique = losses.critique_loss(judged.sums, judged.counts, self.config.critique_reduction)
        centred = self.config.centring * losses.centring_loss(chosen, rejected).mean()
        sizes = self.size_of(batch)
        sums = {
            "pairs": (self.config.score_weight * score + centred) * sizes["pairs"],
            "critiques": self.config.critique_weight * critique * sizes["critiques"],
            "ties": self._ties(batch, judged) * sizes["ties"],
        }
        values = {
            "critique_loss": float(critique.detach()),
            "score_loss": float(score.detach()),
            "accuracy": float((chosen > rejected).float().mean()),
            "margin": float((chosen - rejected).detach().mean()),
        }
        return Loss(sums, values, judged.tokens, {}, {}, {"critique_loss": "critiques"}, judged.places)

    def size_of(self, batch: Batch) -> Sizes:
        """Pairs, critiques that are learnt, and ties: what the parts of the loss are means over."""
        keys = [(sample.id, each.id) for sample in batch for each in sample.responses]
        critiques = sum(key in self.given for key in keys) if self.judge.critical else 0
        return {"pairs": len(self.pairs_of(batch)), "critiques": critiques, "ties": len(self._tied(batch))}

    def pairs_of(self, batch: Batch) -> list[Pair]:
        """The pairs of which both responses can be judged: they have a critique, where the model wants one."""
        pairs = [pair for sample in batch for pair in self.dataset.pairs[sample.id]]
        return [p for p in pairs if self._known((p.sample, p.chosen)) and self._known((p.sample, p.rejected))]

    def _known(self, key: Key) -> bool:
        return not self.judge.critical or key in self.given

    def _rewards(self, judged: Judged, keys: list[tuple[Key, Key]]) -> tuple[Tensor, Tensor]:
        first = torch.tensor([judged.index[one] for one, _ in keys])
        second = torch.tensor([judged.index[other] for _, other in keys])
        return judged.rewards[first], judged.rewards[second]

    def _tied(self, batch: Batch) -> list[tuple[Key, Key]]:
        ties = [((s.id, a), (s.id, b)) for s in batch for a, b in self.dataset.ties(s)]
        return [(one, other) for one, other in ties if self._known(one) and self._known(other)]

    def _ties(self, batch: Batch, judged: Judged) -> Tensor:
        known = self._tied(batch)
        if not self.config.tie_weight or not known:
            return judged.rewards.sum() * 0.0
        return self.config.tie_weight * losses.tie_loss(*self._rewards(judged, known)).mean()

    def watch(self, step: int, total: int, held_out: list[Sample]) -> float | None:
        """What is due after a step. The held-out accuracy, if it was looked at."""
        every, show = self.config.evaluate_every, self.config.sample_every
        due = every and step % every == 0 and step < total
        found = self.evaluate(step, held_out) if due else {}
        if show and step % show == 0:
            self.show(step, held_out)
        return self.accuracy_of(found)

    def accuracy_of(self, found: dict[str, Any]) -> float | None:
        """ACC in the first of the ways that critiques come, of an evaluation."""
        first = next(iter(found.values()), None)
        accuracy: float | None = first["overall"]["acc"] if first else None
        return accuracy

    def evaluate(self, step: int, held_out: list[Sample]) -> dict[str, Any]:
        """ACC and ACC+ on held-out samples, with the critiques that the config names."""
        if not held_out:
            return {}
        modes = ["given", "own"] if self.config.evaluate_with == "both" else [self.config.evaluate_with]
        modes = modes if self.judge.critical else ["none"]
        whole = self.judge.model.whole
        found = {mode: sharding.at_hand(whole, partial(self._evaluated, mode, held_out)) for mode in modes}
        values: dict[str, float | None] = {}
        for mode, (accuracies, _) in found.items():
            end, overall = "" if mode == modes[0] else f"_{mode}", accuracies["overall"]
            values |= {f"accuracy{end}": overall["acc"], f"acc_plus{end}": overall["acc_plus"]}
            values |= {f"margin{end}": overall["mean_margin"]}
        self.folder.metric(step, "held_out", {name: value for name, value in values.items() if value is not None})
        return {mode: {**accuracies, "contradicted": wrong} for mode, (accuracies, wrong) in found.items()}

    def _evaluated(self, mode: str, held_out: list[Sample]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        critiques = {"given": self.given, "own": None, "none": {}}[mode]
        groups = batches_of(held_out, self.config, self.lengths)
        rewards, _ = self.judge.rewards(groups, critiques, self._progress)
        margins = accuracy.margins_of(self.dataset, held_out, rewards)
        wrong = [
            {"sample": pair.sample, "chosen": pair.chosen, "rejected": pair.rejected, "margin": margin}
            for pair, margin in margins.items()
            if margin <= 0
        ]
        return accuracy.accuracies(margins, self.dataset.samples), wrong

    def _progress(self, done: int, total: int) -> None:
        self.folder.progress("evaluate", done, total)
        self.folder.halt()

    def show(self, step: int, held_out: list[Sample]) -> None:
        """One held-out sample with the model's own critique and reward of each response."""
        for sample in held_out[:1]:
            rewards, used = sharding.at_hand(self.judge.model.whole, partial(self.judge.rewards, [[sample]], None))
            texts = {key: sample.response(key[1]).text for key in rewards}
            lines = [f"{value:+.3f}  {texts[key]}\n        {used.get(key, '')}" for key, value in rewards.items()]
            self.folder.sample(step, sample.prompt, "\n".join(lines), sample_id=sample.id)

    def finish(self, trainer: Trainer, last: dict[str, Any], held_out: list[Sample]) -> None:
        """The reward checkpoint, and the numbers of the run page; evaluated again where earlier weights were kept."""
        step = trainer.kept_step
        found = last if step == trainer.step else self.evaluate(step, held_out)
        self.show(step, held_out)
        model = trainer.whole_model()
        if not self.folder.leads:
            return
        meta = {"kind": "reward", "recipe": "reward", "critiques": self.config.critiques, "step": step}
        output = self.folder.output
        head = self.judge.head
        write_folder(output / "checkpoint", lambda path: checkpoints.save(path, model, meta, head))
        write_text(output / "evaluation.json", as_json(found) + "\n")
        cuts = str(self.judge.model.encoder.cuts)
        if cuts:
            self.folder.note(f"texts longer than allowed were cut: {cuts} (counted each time they are read)", "warning")
        result: dict[str, Any] = {"steps": step}
        for mode, each in found.items():
            result |= {f"acc_{mode}": each["overall"]["acc"], f"acc_plus_{mode}": each["overall"]["acc_plus"]}
        first = next(iter(found.values()), None)
        result = {"accuracy": first["overall"]["acc"] if first else None, **result}
        self.folder.result(result)
        leave(self.folder, model, meta, result, self.config)
