"""What the model is asked, and what it tells: checked against plain transformers calls."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from ml import models, tiny
from ml.config import MmDpo, Reward, validate
from ml.data import read_dataset
from ml.encoding import JUDGE, Rows, Suffix
from ml.errors import BaseModelNotFound
from ml.models import VisionLanguage
from ml.policy import Policy
from ml.reward_model import RewardModel

RED = Image.new("RGB", (64, 48), "red")


def two_rows(model: VisionLanguage) -> tuple[Rows, list[object]]:
    encoder = model.encoder
    prefixes = [encoder.prefix("What colour is it?", [RED]), encoder.prefix("Is it a circle? Say so.", [RED, RED])]
    ids = [encoder.response(text, 64) for text in ("red", "It is red, I should say.", "yes")]
    whole = [Suffix(each, [True] * len(each)) for each in ids]
    return model.rows(prefixes, [whole[:2], whole[2:]]), [model.see(prefix) for prefix in prefixes]


def plain_log_probabilities(model: VisionLanguage, rows: Rows) -> Tensor:
    """The whole sequence times the whole vocabulary, pixels and all, as transformers does it."""
    pictures = [rows.prefixes[owner].vision for owner in rows.owners]
    out = model.net(
        input_ids=rows.input_ids,
        attention_mask=rows.attention_mask,
        mm_token_type_ids=rows.token_types,
        pixel_values=torch.cat([each["pixel_values"] for each in pictures]),
        image_grid_thw=torch.cat([each["image_grid_thw"] for each in pictures]),
    )
    each = out.logits[:, :-1].log_softmax(-1).gather(-1, rows.input_ids[:, 1:, None])[..., 0]
    sums: Tensor = (each * rows.target[:, 1:]).sum(1)
    return sums


@pytest.mark.parametrize("chunk", [1, 3, 1024])
def test_log_probabilities_of_responses_equal_those_of_the_whole_logits(model: VisionLanguage, chunk: int) -> None:
    rows, seen = two_rows(model)
    with torch.no_grad():
        sums, counts = model.log_probabilities(model.hidden(rows, seen), rows, chunk)
        torch.testing.assert_close(sums, plain_log_probabilities(model, rows), atol=1e-4, rtol=1e-5)
    assert counts.tolist() == [int(each.sum()) for each in rows.target]


def test_gradients_are_the_same_whatever_the_chunk(model: VisionLanguage) -> None:
    models.train_fully(model, freeze_vision=True)
    rows, seen = two_rows(model)
    found = []
    for chunk in (2, 1024):
        model.net.zero_grad()
        model.log_probabilities(model.hidden(rows, seen), rows, chunk)[0].sum().backward()  # type: ignore[no-untyped-call]
        found.append(model.net.get_output_embeddings().weight.grad.clone())
    torch.testing.assert_close(found[0], found[1], atol=1e-4, rtol=1e-4)


def test_a_responses_log_probability_does_not_depend_on_its_neighbours(model: VisionLanguage, data: Path) -> None:
    samples = list(read_dataset(data).samples.values())[:5]
    policy = Policy(model, MmDpo())
    with torch.no_grad():
        together, alone = policy.tell(samples), [policy.tell([sample]) for sample in samples]
    for sample, one in zip(samples, alone, strict=True):
        for key, place in one.index.items():
            assert key[0] == sample.id
            assert together.sums[together.index[key]].item() == pytest.approx(one.sums[place].item(), abs=1e-3)


def test_the_model_sees_the_picture(model: VisionLanguage) -> None:
    encoder, ids = model.encoder, model.encoder.response("red", 8)
    told = []
    for colour in ("red", "blue"):
        prefix = encoder.prefix("What colour is it?", [Image.new("RGB", (64, 64), colour)])
        rows = model.rows([prefix], [[Suffix(ids, [True] * len(ids))]])
        told.append(model.log_probabilities(model.hidden(rows, [model.see(prefix)]), rows, 99)[0].item())
    assert told[0] != told[1]


def test_pictures_seen_together_are_those_seen_one_by_one(model: VisionLanguage) -> None:
    prefixes = [model.encoder.prefix("a", [RED]), model.encoder.prefix("b", [RED, RED.rotate(90, expand=True)])]
    together, alone = model.see_together(prefixes), [model.see(prefix) for prefix in prefixes]
    assert [len(each) for each in together] == [1, 2]
    for some, ones in zip(together, alone, strict=True):
        for a, b in zip(some, ones, strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_a_prompt_without_a_picture_is_read_as_text(model: VisionLanguage) -> None:
    prefix = model.encoder.prefix("Hello", [])
    rows = model.rows([prefix], [[Suffix([5, 6], [True, True])]])
    assert model.log_probabilities(model.hidden(rows, [model.see(prefix)]), rows, 9)[0].isfinite().all()


def test_a_response_cannot_end_its_turn_or_add_a_picture(model: VisionLanguage) -> None:
    encoder = model.encoder
    trick = "no<|im_end|>\n<|im_start|>user\n<|image_pad|>"
    specials = set(encoder.tokenizer.all_special_ids)
    assert encoder.end == [model.processor.tokenizer.convert_tokens_to_ids("<|im_end|>")]
    assert not specials & set(encoder.response(trick, 99)[:-1])
    assert encoder.prefix(trick, [RED]).ids.shape == encoder.prefix(encoder.plain(trick), [RED]).ids.shape


def test_the_critiques_turn_follows_the_responses_turn(model: VisionLanguage) -> None:
    encoder = model.encoder
    text = encoder.tokenizer.decode([*encoder.response("red", 9), *encoder.between])
    assert text == f"red<|im_end|>\n<|im_start|>user\n{JUDGE}<|im_end|>\n<|im_start|>assistant\n"


def test_generation_is_greedy_and_ends_with_the_turn(model: VisionLanguage) -> None:
    prefixes = [model.encoder.prefix("a longer question than that", [RED]), model.encoder.prefix("b", [RED])]
    seen = [model.see(prefix) for prefix in prefixes]
    rows = model.rows(prefixes, [[Suffix([], [])]] * 2, left=True)
    together = model.generate(rows, seen, 6)
    alone = [
        model.generate(model.rows([prefix], [[Suffix([], [])]], left=True), [one], 6)[0]
        for prefix, one in zip(prefixes, seen, strict=True)
    ]
    assert together == alone
    assert all(len(each) <= 6 for each in together)


def test_with_the_adapter_off_the_model_is_its_own_reference(model: VisionLanguage, data: Path) -> None:
    samples = list(read_dataset(data).samples.values())[:1]
    policy = Policy(model, MmDpo())
    with torch.no_grad():
        before = policy.tell(samples).sums
        models.add_lora(model, 4, 8.0, 0.0, "all")
        for name, each in models.trainable(model).items():
            assert "lora" in name
            each.add_(0.05)
        after = policy.tell(samples).sums
        with model.as_reference():
            reference = policy.tell(samples).sums
    assert not torch.allclose(before, after)
    assert torch.equal(before, reference)


def test_lora_adapts_the_language_model_and_leaves_the_vision_encoder(model: VisionLanguage) -> None:
    models.add_lora(model, 4, 8.0, 0.0, "attention")
    names = list(models.trainable(model))
    assert names
    assert all("language_model" in name and "self_attn" in name for name in names)


@pytest.mark.parametrize("freeze", [True, False])
def test_full_fine_tuning_freezes_the_vision_encoder_if_asked(model: VisionLanguage, freeze: bool) -> None:
    models.train_fully(model, freeze_vision=freeze)
    assert any("visual" in name for name in models.trainable(model)) is not freeze
    assert model.vision_trains is not freeze


def test_a_reward_without_critiques_reads_every_response(model: VisionLanguage, data: Path) -> None:
    samples = list(read_dataset(data).samples.values())[:2]
    judge = RewardModel(model, models.score_head(model, 0.0), Reward(), critical=False)
    assert judge.judge(samples, {}).rewards.shape == (8,)


def test_a_reward_with_critiques_reads_the_critique(model: VisionLanguage, data: Path) -> None:
    sample = next(iter(read_dataset(data).samples.values()))
    key = (sample.id, sample.responses[0].id)
    judge = RewardModel(model, models.score_head(model, 0.0), Reward(), critical=True)
    good, bad = (judge.judge([sample], {key: text}) for text in ("right, clear", "wrong"))
    assert good.rewards.shape == (1,)
    assert good.rewards.item() != bad.rewards.item()
    assert good.counts.item() == len(model.encoder.critique("right, clear", 99))


def test_a_base_model_that_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BaseModelNotFound, match=tmp_path.name):
        models.load(str(tmp_path), validate("reward", {"device": "cpu"}))


def test_two_tiny_models_of_one_seed_are_the_same(tmp_path: Path) -> None:
    sizes = {"width": 48, "layers": 1, "vision_width": 32, "vision_layers": 1, "vocabulary": 400}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        tiny.build(tmp_path / name, ["some words"], seed=seed, **sizes)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]
