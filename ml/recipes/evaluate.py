"""The aligned policy against its base: reward-model win rate, log-probability accuracy, and outputs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from ml import accuracy, checkpoints, pictures
from ml.base import base_of
from ml.batching import chunks
from ml.config import Evaluate
from ml.data import Dataset, Response, Sample, read_dataset
from ml.errors import BadSample
from ml.folder import RunFolder, as_json, write_jsonl, write_text
from ml.length_control import length_controlled
from ml.models import VisionLanguage, load
from ml.policy import Policy
from ml.reward_model import Key, RewardModel

SIDES = ("policy", "base")


def run(folder: RunFolder, config: Evaluate) -> None:
    dataset = read_dataset(folder.input("dataset"))
    samples = dataset.of(config.split)[: config.limit or None]
    if not samples:
        raise BadSample(f"samples.jsonl has no sample of the split {config.split!r} to evaluate on")
    pictures.check(samples)
    meta = checkpoints.read_meta(folder.input("policy"), "policy")

    model = checkpoints.open_model(folder.input("policy"), meta, config)
    found = {"policy": measure(folder, config, model, samples, "policy")}
    if model.lora is None:
        model = load(base_of(config.base or meta["base"]), config)
    with model.as_reference():
        found["base"] = measure(folder, config, model, samples, "base")
    del model

    scores = judged(folder, config, samples, {side: found[side]["outputs"] for side in SIDES})
    write_jsonl(folder.output / "outputs.jsonl", side_by_side(samples, found, scores))
    evaluation = {
        "log_probability": compare(dataset, samples, {side: found[side]["sums"] for side in SIDES}),
        "likelihood": compare(dataset, samples, {side: found[side]["means"] for side in SIDES}),
        "wins": wins(samples, scores, {side: found[side]["outputs"] for side in SIDES}),
    }
    write_text(folder.output / "evaluation.json", as_json(evaluation) + "\n")
    finish(folder, samples, found, scores, evaluation)


def measure(
    folder: RunFolder, config: Evaluate, model: VisionLanguage, samples: list[Sample], side: str
) -> dict[str, Any]:
    """One side's log-probabilities of all given responses, their means per token, and a response of its own."""
    policy = Policy(model, config)
    sums: dict[Key, float] = {}
    means: dict[Key, float] = {}
    outputs: list[str] = []
    torch.manual_seed(config.seed)
    groups = chunks(samples, config.samples_per_batch)
    for done, group in enumerate(groups, 1):
        outputs += policy.respond(group, config.max_new_tokens, config.temperature)
        if with_responses := [sample for sample in group if sample.responses]:
            with torch.no_grad():
                told = policy.tell(with_responses)
            sums |= {key: float(told.sums[place]) for key, place in told.index.items()}
            means |= {key: float(told.sums[place] / told.counts[place]) for key, place in told.index.items()}
        folder.progress(side, done, len(groups))
        folder.halt()
    return {"sums": sums, "means": means, "outputs": outputs}


def judged(
    folder: RunFolder, config: Evaluate, samples: list[Sample], outputs: dict[str, list[str]]
) -> dict[Key, tuple[float, str]]:
    """The reward model's reward and critique of each side's output, by (sample, side). Empty without a reward model."""
    if not folder.has("reward"):
        folder.note("no reward model is given, so there is no win rate", "warning")
        return {}
    judge = RewardModel.open(folder.input("reward"), config)
    if config.critiques == "none":
        judge.critical = False
    to_judge = [replace(sample, responses=_as_responses(outputs, place)) for place, sample in enumerate(samples)]

    def watch(done: int, total: int) -> None:
        folder.progress("judge", done, total)
        folder.halt()

    rewards, used = judge.rewards(chunks(to_judge, config.samples_per_batch), None, watch)
    return {key: (value, used.get(key, "")) for key, value in rewards.items()}


def _as_responses(outputs: dict[str, list[str]], place: int) -> tuple[Response, ...]:
    return tuple(Response(side, texts[place], None, "", side, "model") for side, texts in outputs.items())


def compare(dataset: Dataset, samples: list[Sample], values: dict[str, dict[Key, float]]) -> dict[str, Any]:
    """ACC and ACC+ of each side, and of the policy's gain over its base, which is the implicit reward."""
    gain = {key: value - values["base"][key] for key, value in values["policy"].items()}
    each = {**values, "gain": gain}
    return {
        name: accuracy.accuracies(accuracy.margins_of(dataset, samples, found), dataset.samples)
        for name, found in each.items()
    }


def wins(
    samples: Sequence[Sample], scores: dict[Key, tuple[float, str]], outputs: dict[str, list[str]]
) -> dict[str, Any]:
    """How often the reward model prefers the policy's output, and if both were as long; a tie counts half."""
    if not scores:
        return {}
    differences = [scores[sample.id, "policy"][0] - scores[sample.id, "base"][0] for sample in samples]
    won, lost = sum(each > 0 for each in differences), sum(each < 0 for each in differences)
    ties = len(differences) - won - lost
    rate = (won + ties / 2) / len(differences)
    marks = [0.5 if not each else float(each > 0) for each in differences]
    fair = length_controlled(marks, list(zip(*([len(text) for text in outputs[side]] for side in SIDES), strict=True)))
    gain = sum(differences) / len(differences)
    return {"win": won, "tie": ties, "loss": lost, "win_rate": rate, "length_controlled": fair, "mean_gain": gain}


def side_by_side(
    samples: list[Sample], found: dict[str, dict[str, Any]], scores: dict[Key, tuple[float, str]]
) -> list[dict[str, Any]]:
    """A row a sample: both outputs with their reward and critique."""
    rows = []
    for place, sample in enumerate(samples):
        row: dict[str, Any] = {"sample": sample.id, "prompt": sample.prompt}
        for side in SIDES:
            reward, critique = scores.get((sample.id, side), (None, ""))
            row[side] = {"text": found[side]["outputs"][place], "reward": reward, "critique": critique}
        rows.append(row)
    return rows


def finish(
    folder: RunFolder,
    samples: list[Sample],
    found: dict[str, dict[str, Any]],
    scores: dict[Key, tuple[float, str]],
    evaluation: dict[str, Any],
) -> None:
    """Curves have one point; the page shows the numbers and the first outputs."""
    likelihood, gain = evaluation["likelihood"], evaluation["log_probability"]["gain"]["overall"]
    result = {
        "accuracy": gain["acc"],
        "acc_plus": gain["acc_plus"],
        "policy_accuracy": likelihood["policy"]["overall"]["acc"],
        "base_accuracy": likelihood["base"]["overall"]["acc"],
        "win_rate": evaluation["wins"].get("win_rate"),
        "samples": len(samples),
    }
    folder.metric(0, "held_out", {name: value for name, value in result.items() if isinstance(value, float)})
    for row in side_by_side(samples[:8], found, scores):
        text = f"policy: {row['policy']['text']}\nbase: {row['base']['text']}"
        folder.sample(0, row["prompt"], text, sample_id=row["sample"])
    folder.result(result)
