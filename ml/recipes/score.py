"""Rewards for every response and δ for every pair: critiques are generated first, then scored."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from ml import accuracy, critiques, pictures
from ml.batching import batches_of, fitting
from ml.config import Score
from ml.critic_server import CriticServer
from ml.data import Dataset, Pair, Sample, read_dataset
from ml.folder import RunFolder, as_json, ends_whole, read_lines, write_jsonl, write_text
from ml.reward_model import Key, RewardModel


def run(folder: RunFolder, config: Score) -> None:
    dataset = read_dataset(folder.input("dataset"))
    samples = [sample for sample in dataset.of(config.split) if sample.responses]
    pictures.check(samples)
    judge = RewardModel.open(folder.input("reward"), config)
    known = given_to(judge, folder, config, dataset)

    def watch(done: int, total: int) -> None:
        folder.progress("score", done, total)
        folder.halt()

    if known is None and config.writer == "server":
        known = written_by_server(folder, config, judge, samples)
    lengths = judge.lengths(samples, known) if config.batch_tokens else {}
    samples = fitting(folder, samples, config, lengths)
    rewards, used = judge.rewards(batches_of(samples, config, lengths), known, watch)
    lacking = sum(len(sample.responses) for sample in samples) - len(rewards)
    if lacking:
        folder.note(f"responses that have no given critique, without a score, as are their pairs: {lacking}", "warning")
    margins = accuracy.margins_of(dataset, samples, rewards)

    write_jsonl(folder.output / "rewards.jsonl", (reward_row(key, value, used) for key, value in rewards.items()))
    write_jsonl(folder.output / "margins.jsonl", (margin_row(dataset, p, value) for p, value in margins.items()))
    finish(folder, dataset, margins, len(rewards))


def written_by_server(folder: RunFolder, config: Score, judge: RewardModel, samples: list[Sample]) -> dict[Key, str]:
    """Critiques by a server of the model's weights, kept as they come: a stopped run asks for the rest alone."""
    path = folder.path / "critiques.jsonl"
    kept = {(row["sample"], row["response"]): row["text"] for row in read_lines(path)}
    left = [(s, each) for s in samples for each in s.responses if (s.id, each.id) not in kept]
    server = CriticServer.from_environment(config, judge.model.encoder, os.environ)
    with path.open("ab") as file:
        file.write(b"" if ends_whole(path) else b"\n")
        for done, ((sample, response), text) in enumerate(server.write(left), len(kept) + 1):
            kept[sample.id, response.id] = text
            file.write((as_json({"sample": sample.id, "response": response.id, "text": text}) + "\n").encode())
            file.flush()
            folder.progress("critiques", done, len(kept) + len(left))
            folder.halt()
    return kept


def reward_row(key: Key, reward: float, critiques: dict[Key, str]) -> dict[str, Any]:
    return {"sample": key[0], "response": key[1], "critique": critiques.get(key, ""), "reward": reward}


def margin_row(dataset: Dataset, pair: Pair, margin: float) -> dict[str, Any]:
    return {**asdict(pair), "margin": margin, "split": dataset.samples[pair.sample].split}


def given_to(judge: RewardModel, folder: RunFolder, config: Score, dataset: Dataset) -> dict[Key, str] | None:
    """The critiques to score with; None lets the model write its own."""
    if config.critiques == "none" and judge.critical:
        folder.note("the reward model was trained with critiques but scores without: rewards will be poor", "warning")
        judge.critical = False
    if not judge.critical:
        if config.critiques in ("own", "given"):
            folder.note("the reward model was trained without critiques, so it scores without", "warning")
        return {}
    return critiques.given(dataset, folder) if config.critiques == "given" else None


def finish(folder: RunFolder, dataset: Dataset, margins: dict[Pair, float], responses: int) -> None:
    """ACC and ACC+ of the scored pairs by split, and the numbers of the run page."""
    samples = dataset.samples
    by_split = {
        split: accuracy.accuracies({p: v for p, v in margins.items() if samples[p.sample].split == split}, samples)
        for split in sorted({samples[pair.sample].split for pair in margins})
    }
    write_text(folder.output / "evaluation.json", as_json(by_split) + "\n")
    values = sorted(margins.values())
    folder.result(
        {
            "responses": responses,
            "pairs": len(values),
            "contradicted": sum(value <= 0 for value in values),
            "accuracy": sum(value > 0 for value in values) / len(values) if values else None,
            "mean_margin": sum(values) / len(values) if values else None,
            "smallest_margin": values[0] if values else None,
            "largest_margin": values[-1] if values else None,
            **{f"acc_{split}": each["overall"]["acc"] for split, each in by_split.items()},
        }
    )
