"""The recipes know no family by name: a LLaVA and an Idefics3 go the same way as the tiny Qwen2-VL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ml import models, tiny
from ml.config import MmDpo, Reward
from ml.data import read_dataset
from ml.models import VisionLanguage, load
from ml.policy import Policy
from ml.reward_model import RewardModel

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
)


def tokenizer(data: Path, *specials: str) -> Any:
    found = tiny._tokenizer([*tiny.texts_of([data / "samples.jsonl"])], 500)
    found.add_special_tokens({"additional_special_tokens": list(specials)})
    return found


def llava(folder: Path, data: Path) -> None:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    words = tokenizer(data, "<image>")
    token = words.convert_tokens_to_ids
    ends = {"eos_token_id": token("<|im_end|>"), "pad_token_id": token("<|endoftext|>")}
    config = LlavaConfig(
        text_config=LlamaConfig(**TEXT, vocab_size=len(words), **ends),
        vision_config=CLIPVisionConfig(**VISION, image_size=32, patch_size=8),
        image_token_index=token("<image>"),
        vision_feature_layer=-1,
    )
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    settings = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    LlavaProcessor(pictures, words, chat_template=TEMPLATE, **settings).save_pretrained(folder)


def idefics3(folder: Path, data: Path) -> None:
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    marks = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
    words = tokenizer(data, *marks)
    token = words.convert_tokens_to_ids
    config = Idefics3Config(
        text_config={"model_type": "llama", **TEXT, "vocab_size": len(words), "eos_token_id": token("<|im_end|>")},
        vision_config={**VISION, "image_size": 32, "patch_size": 8},
        image_token_id=token("<image>"),
        scale_factor=2,
        pad_token_id=token("<|endoftext|>"),
    )
    Idefics3ForConditionalGeneration(config).save_pretrained(folder)
    size = {"longest_edge": 32}
    pictures = Idefics3ImageProcessorPil(size=size, max_image_size=size, do_image_splitting=False)
    Idefics3Processor(pictures, words, image_seq_len=4, chat_template=TEMPLATE).save_pretrained(folder)


@pytest.fixture(params=[llava, idefics3], ids=["llava", "idefics3"])
def other(request: pytest.FixtureRequest, tmp_path: Path, data: Path) -> VisionLanguage:
    torch.manual_seed(0)
    request.param(tmp_path / "base", data)
    return load(str(tmp_path / "base"), Reward(device="cpu"))


def test_another_family_tells_responds_and_judges(other: VisionLanguage, data: Path) -> None:
    samples = list(read_dataset(data).samples.values())[:5]  # the fifth is a video of three frames
    policy = Policy(other, MmDpo())
    with torch.no_grad():
        together, alone = policy.tell(samples), policy.tell(samples[4:])
    key = (samples[4].id, samples[4].responses[0].id)
    assert together.sums[together.index[key]].item() == pytest.approx(alone.sums[alone.index[key]].item(), abs=1e-3)
    assert len(policy.respond(samples, 4)) == 5
    judge = RewardModel(other, models.score_head(other, 0.0), Reward(max_critique_tokens=4), critical=True)
    rewards, critiques = judge.rewards([samples[:2], samples[4:]], None)
    assert len(rewards) == len(critiques) == 12


def test_another_family_learns_by_lora_and_in_full(other: VisionLanguage, data: Path) -> None:
    sample = next(iter(read_dataset(data).samples.values()))
    models.train_fully(other, freeze_vision=True)
    frozen = {name for name, each in other.net.named_parameters() if not each.requires_grad}
    assert frozen
    assert all("vision" in name for name in frozen)
    Policy(other, MmDpo()).tell([sample]).sums.sum().backward()  # type: ignore[no-untyped-call]
    assert any(each.grad is not None and each.grad.abs().sum() > 0 for each in other.net.get_decoder().parameters())
    other.net.requires_grad_(False)
    models.add_lora(other, 2, 4.0, 0.0, "all")
    assert all("lora" in name and "vision" not in name for name in models.trainable(other))


def test_another_family_sees_the_picture(other: VisionLanguage, data: Path) -> None:
    samples = list(read_dataset(data).samples.values())[:2]
    told = []
    for media in (samples[0].media, samples[1].media):
        policy = Policy(other, MmDpo())
        told.append(policy.tell([replace(samples[0], media=media)]).sums.tolist())
    assert told[0] != told[1]
