"""Samples share a batch by the tokens that they take; what fits in none is named, and pictures are never cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ml.batching import batches_of, fitting
from ml.config import MmDpo, Reward, Score
from ml.data import Sample, read_dataset
from ml.errors import TooLong
from ml.folder import RunFolder
from ml.heads import score_head
from ml.models import VisionLanguage
from ml.policy import Policy
from ml.reward_model import RewardModel
from ml.schedule import plan_of
from tests.ml import cast


def many(lengths: Mapping[str, int]) -> list[Sample]:
    return [Sample(id, "train", "image", "short", "", (), ()) for id in lengths]


LENGTHS = {f"s{number}": 10 + 37 * number % 90 for number in range(40)}


def test_a_plan_by_tokens_holds_every_sample_once_an_epoch_within_the_budget() -> None:
    config = MmDpo(batch_tokens=200, accumulate=1, epochs=2, seed=3)
    plan = plan_of(many(LENGTHS), config, LENGTHS)
    batches = [batch for step in plan for batch in step]
    assert all(len(batch) * max(LENGTHS[each.id] for each in batch) <= 200 for batch in batches)
    seen = [sample.id for batch in batches for sample in batch]
    assert sorted(seen) == sorted([*LENGTHS, *LENGTHS])
    other = plan_of(many(LENGTHS), replace(config, seed=4), LENGTHS)
    assert seen != [sample.id for step in other for batch in step for sample in batch]
    assert plan == plan_of(many(LENGTHS), config, LENGTHS)


def test_samples_of_like_length_share_a_batch_so_little_is_padding() -> None:
    batches = batches_of(many(LENGTHS), Score(batch_tokens=400), LENGTHS)
    tokens = [[LENGTHS[each.id] for each in batch] for batch in batches]
    padded = sum(len(each) * max(each) for each in tokens)
    assert sum(LENGTHS.values()) / padded > 0.85


def test_without_a_budget_samples_keep_their_order_and_number() -> None:
    batches = batches_of(many(LENGTHS), Score(samples_per_batch=16), {})
    assert [len(each) for each in batches] == [16, 16, 8]
    assert [each.id for batch in batches for each in batch] == list(LENGTHS)


def test_samples_that_no_batch_holds_are_named_with_their_tokens(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    kept = fitting(folder, many(LENGTHS), MmDpo(batch_tokens=95), LENGTHS)
    over = {id for id, length in LENGTHS.items() if length > 95}
    assert over and {each.id for each in kept} == LENGTHS.keys() - over
    assert {row["sample"] for row in cast.lines(tmp_path / "too_long.jsonl")} == over
    (note,) = cast.lines(tmp_path / "metrics.jsonl", "note")
    assert all(f"{id} ({LENGTHS[id]})" in note["text"] for id in over)
    with pytest.raises(TooLong, match=r"40 samples are longer than batch_tokens, 5: s0 \(10\)"):
        fitting(folder, many(LENGTHS), MmDpo(batch_tokens=5), LENGTHS)


def test_lengths_are_the_tokens_that_the_model_reads(model: VisionLanguage, data: Path) -> None:
    dataset = read_dataset(data)
    samples = list(dataset.samples.values())[:5]
    policy = Policy(model, MmDpo())
    judge = RewardModel(model, score_head(model, 0.0), Reward(), critical=True)
    given = {(s.id, r.id): r.critique for s in samples for r in s.responses}
    with torch.no_grad():
        for sample in samples:
            assert policy.lengths([sample]) == {sample.id: policy.tell([sample]).tokens}
            assert judge.lengths([sample], given) == {sample.id: judge.judge([sample], given).tokens}


def test_cutting_a_response_leaves_every_token_of_the_picture(model: VisionLanguage, data: Path) -> None:
    sample = next(iter(read_dataset(data).samples.values()))
    whole, cut = (Policy(model, MmDpo(max_response_tokens=most)) for most in (99, 1))
    with torch.no_grad():
        counts = cut.tell([sample]).counts
    assert counts.tolist() == [1 + len(model.encoder.end)] * 4
    assert cut.prompts.length(sample) == whole.prompts.length(sample) > 4
    assert str(model.encoder.cuts)
