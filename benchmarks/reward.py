"""The reward model on all pairs with given critiques, and scores with critiques of its own: packed, and one by one.

    python -m benchmarks.reward [--tokens 190 1024] [--responses 2 3 4 5] [--repeats 2]

Same model, samples, losses and optimiser. Training: a sample's responses behind one prefix, against a pair at a time
(two padded rows with their picture each, gradients accumulated over the sample's pairs). Scoring: critiques written and
read for a sample's responses together, against a response at a time by transformers' own generation. Each side has a
process of its own, in turns; losses and rewards must agree to 1e-4, or no figures are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import measuring, preference_data

RATE = 1e-4


class Setting:
    """Model, head and dataset of one side. `alone` gives every response a row and a prefix of its own."""

    def __init__(self, asked: dict[str, Any], alone: bool) -> None:
        from ml import critiques, heads, models
        from ml.adapters import adapt
        from ml.config import validate
        from ml.data import Dataset, read_dataset
        from ml.folder import RunFolder
        from ml.recipes.reward import Learner
        from ml.reward_model import RewardModel

        config: Any = validate("reward", _config(asked))
        whole = read_dataset(Path(asked["data"]))
        self.steps = [
            _apart(whole, sample, asked["work"]) if alone else _together(whole, sample)
            for sample in whole.samples.values()
        ]
        self.steps = self.steps[: 1 if asked["count"] else None]
        samples = {sample.id: sample for step in self.steps for sample, _ in step}
        dataset = Dataset(samples, {sample.id: pairs for step in self.steps for sample, pairs in step})
        self.model = models.load(asked["model"], config, master=True)
        self.model.unpackable = "measured one by one" if alone else ""
        adapt(self.model, config)
        self.head = heads.score_head(self.model, 0.0)
        self.judge = RewardModel(self.model, self.head, config, critical=True)
        folder = RunFolder(Path(asked["place"]) / f"run-{os.getpid()}")
        self.learner = Learner(folder, config, dataset, self.judge, critiques.human(dataset), {})

    def train(self) -> list[float]:
        """A step a sample; its parts count by their pairs."""
        import torch

        from ml import adapters

        weights = [*adapters.trainable(self.model).values(), *self.head.parameters()]
        optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.0)
        self.model.train()
        told = []
        for step in self.steps:
            sizes = [self.learner.size_of([sample]) for sample, _ in step]
            totals = {name: sum(size[name] for size in sizes) for name in sizes[0]}
            losses = []
            for sample, _ in step:
                sums = self.learner.loss_of([sample]).sums
                loss = torch.stack([each / max(1, totals[name]) for name, each in sums.items()]).sum()
                torch.autograd.backward(loss)
                losses.append(float(loss.detach()))
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            told.append(sum(losses))
        return told

    def score(self) -> list[float]:
        """Rewards of all responses, each after a greedy critique that runs to its full length."""
        self.model.ends = set()
        self.model.eval()
        groups = [[sample] for step in self.steps for sample, _ in step]
        rewards, _ = self.judge.rewards(groups, None)
        return list(rewards.values())


def _config(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "device": asked["device"],
        "precision": asked["precision"],
        "adapter": "full",
        "critiques": "human",
        "max_critique_tokens": asked["words"] * 2 if asked["work"] == "train" else asked["words"],
        "max_pixels": 4096 * 256,
    }


def _together(dataset: Any, sample: Any) -> list[Any]:
    return [(sample, dataset.pairs[sample.id])]


def _apart(dataset: Any, sample: Any, work: str) -> list[Any]:
    """The sample as several that share nothing: one for each pair, or to be scored one for each response."""
    from ml.data import Pair

    if work == "score":
        return [(replace(sample, id=f"{sample.id}-{each.id}", responses=(each,)), ()) for each in sample.responses]
    found = []
    for pair in dataset.pairs[sample.id]:
        own = f"{sample.id}-{pair.chosen}-{pair.rejected}"
        both = (sample.response(pair.chosen), sample.response(pair.rejected))
        found.append((replace(sample, id=own, responses=both), (Pair(own, pair.chosen, pair.rejected),)))
    return found


def one_side(asked: dict[str, Any], alone: bool) -> dict[str, Any]:
    setting = Setting(asked, alone)
    told: list[float] = []
    found: dict[str, Any] = measuring.measured(lambda: told.extend(getattr(setting, asked["work"])()), asked)
    return found | {"told": told}


def compare(asked: dict[str, Any], repeats: int) -> dict[str, Any]:
    """Both sides in turns; floating-point operations over the first sample alone. Exits where they disagree."""
    runs: dict[str, list[dict[str, Any]]] = {"packed": [], "alone": []}
    for _ in range(repeats):
        for name, found in runs.items():
            found.append(measuring.side("benchmarks.reward", name, asked | {"count": False}))
    told = [runs[name][0]["told"] for name in runs]
    apart = max(abs(one - other) for one, other in zip(*told, strict=True))
    if asked["precision"] == "fp32" and apart > 1e-4:
        sys.exit(f"they differ by {apart}: {told[0]} against {told[1]}")
    counted = {name: measuring.side("benchmarks.reward", name, asked | {"count": True}) for name in runs}
    found = {name: measuring.medians(each) | {"flops": counted[name]["flops"]} for name, each in runs.items()}
    return asked | found | {"ratio": measuring.ratios(found["alone"], found["packed"]), "apart": apart}


def table(found: list[dict[str, Any]]) -> str:
    lines = [
        "| work | image tokens | K | CPU s a sample: packed | one by one | ratio | FLOPs | peak memory | wall time "
        "| apart |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        packed, alone = (one[name]["cpu_seconds"] / one["samples"] for name in ("packed", "alone"))
        ratio = {name: f"{value:.1f}" for name, value in one["ratio"].items()}
        lines.append(
            f"| {one['work']} | {one['tokens']} | {one['responses']} | {packed:.2f} | {alone:.2f} "
            f"| {ratio['cpu_seconds']} | {ratio['flops']} | {ratio['peak_mib']} | {ratio['wall_seconds']} "
            f"| {one['apart']:.1e} |"
        )
    return "\n".join(lines)


def main() -> int:
    given = arguments()
    if given.side:
        print(json.dumps(one_side(json.loads(given.asked), given.side == "alone")))
        return 0
    found = []
    with tempfile.TemporaryDirectory() as folder:
        weights = preference_data.model(Path(folder) / "model", width=given.width, layers=given.layers)
        for tokens in given.tokens:
            for responses in given.responses:
                data = Path(folder) / f"data-{tokens}-{responses}"
                preference_data.write(data, given.samples, responses, tokens, given.words)
                asked = {"place": folder, "model": f"{folder}/model", "data": str(data), "tokens": tokens}
                asked |= {"responses": responses, "samples": given.samples, "words": given.words}
                asked |= {"device": given.device, "precision": given.precision}
                for work in given.work:
                    found.append(compare(asked | {"work": work}, given.repeats))
                    print(table(found[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(found))
    rows = [{k: v for k, v in one.items() if k not in ("place", "model", "data")} for one in found]
    about = {"benchmark": "reward", "weights": weights, "repeats": given.repeats}
    measuring.note(given.out, about | measuring.machine("torch", "transformers") | {"rows": rows})
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=["packed", "alone"], help=argparse.SUPPRESS)
    parser.add_argument("asked", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--work", nargs="+", default=["train", "score"], choices=["train", "score"])
    parser.add_argument("--tokens", type=int, nargs="+", default=[190, 1024], help="of each picture, about")
    parser.add_argument("--responses", type=int, nargs="+", default=[2, 3, 4, 5])
    parser.add_argument("--samples", type=int, default=2, help="one a step")
    parser.add_argument("--words", type=int, default=30, help="of a response and of a critique, about")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/reward.jsonl"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
