"""Tiny models of other families, built as their real ones are: random weights, a processor, a chat template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ml import tiny, without_torchvision

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


def tiny_qwen2_vl(folder: Path, data: Path) -> None:
    sizes = {"width": 48, "layers": 2, "vision_width": 32, "vision_layers": 1, "vocabulary": 500, "max_pixels": 4096}
    tiny.build(folder, tiny.texts_of([data / "samples.jsonl"]), **sizes)


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


def llava_onevision(folder: Path, data: Path) -> None:
    """Cuts a picture into crops by its shape, so that pictures cost unlike numbers of tokens."""
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration, LlavaOnevisionProcessor
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil

    words = tokenizer(data, "<image>", "<video>")
    token = words.convert_tokens_to_ids
    grid = [[32, 32], [32, 64], [64, 32], [64, 64]]
    config = LlavaOnevisionConfig(
        text_config={"model_type": "qwen2", **TEXT, "vocab_size": len(words), "eos_token_id": token("<|im_end|>")},
        vision_config={
            "model_type": "siglip_vision_model",
            **VISION,
            "image_size": 32,
            "patch_size": 8,
            "vision_use_head": False,
        },
        image_token_index=token("<image>"),
        video_token_index=token("<video>"),
        image_grid_pinpoints=grid,
    )
    LlavaOnevisionForConditionalGeneration(config).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    pictures = LlavaOnevisionImageProcessorPil(size=size, image_grid_pinpoints=grid)
    video = without_torchvision.video_processor({"video_processor_type": "LlavaOnevisionVideoProcessor"})
    LlavaOnevisionProcessor(
        pictures, words, video, num_image_tokens=16, vision_feature_select_strategy="full", chat_template=TEMPLATE
    ).save_pretrained(folder)


def internvl(folder: Path, data: Path) -> None:
    from transformers import (
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLProcessor,
        PreTrainedTokenizerFast,
    )
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    words = tokenizer(data, "<img>", "</img>", "<IMG_CONTEXT>", "<video>")
    token = words.convert_tokens_to_ids
    marks = {"start_image": "<img>", "end_image": "</img>", "context_image": "<IMG_CONTEXT>", "video": "<video>"}
    words = PreTrainedTokenizerFast(
        tokenizer_object=words.backend_tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens={f"{name}_token": mark for name, mark in marks.items()},
    )
    config = InternVLConfig(
        text_config={"model_type": "qwen2", **TEXT, "vocab_size": len(words), "eos_token_id": token("<|im_end|>")},
        vision_config={**VISION, "image_size": [32, 32], "patch_size": [8, 8]},
        image_token_id=token("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    InternVLForConditionalGeneration(config).save_pretrained(folder)
    pictures = GotOcr2ImageProcessorPil(size={"height": 32, "width": 32}, crop_to_patches=False)
    video = without_torchvision.video_processor({"video_processor_type": "InternVLVideoProcessor"})
    template = TEMPLATE.replace("<image>", "<IMG_CONTEXT>")
    InternVLProcessor(pictures, words, video, image_seq_length=4, chat_template=template).save_pretrained(folder)


def smolvlm(folder: Path, data: Path) -> None:
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMProcessor
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    words = tokenizer(data, "<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
    token = words.convert_tokens_to_ids
    config = SmolVLMConfig(
        text_config={"model_type": "llama", **TEXT, "vocab_size": len(words), "eos_token_id": token("<|im_end|>")},
        vision_config={**VISION, "image_size": 32, "patch_size": 8},
        image_token_id=token("<image>"),
        scale_factor=2,
        pad_token_id=token("<|endoftext|>"),
    )
    SmolVLMForConditionalGeneration(config).save_pretrained(folder)
    size = {"longest_edge": 32}
    pictures = SmolVLMImageProcessorPil(size=size, max_image_size=size, do_image_splitting=False)
    video = without_torchvision.video_processor({"video_processor_type": "SmolVLMVideoProcessor"})
    SmolVLMProcessor(pictures, words, video, image_seq_len=4, chat_template=TEMPLATE).save_pretrained(folder)


def qwen2_5_vl(folder: Path, data: Path) -> None:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    words = tokenizer(data)
    token = words.convert_tokens_to_ids
    config = Qwen2_5_VLConfig(
        text_config={
            **TEXT,
            "vocab_size": len(words),
            "eos_token_id": token("<|im_end|>"),
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 32,
            "patch_size": 8,
            "fullatt_block_indexes": [1],
            "window_size": 32,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )
    Qwen2_5_VLForConditionalGeneration(config).save_pretrained(folder)
    pictures = Qwen2VLImageProcessorPil(patch_size=8, min_pixels=1024, max_pixels=4096)
    video = without_torchvision.video_processor({"patch_size": 8})
    Qwen2_5_VLProcessor(pictures, words, video, chat_template=tiny.TEMPLATE).save_pretrained(folder)


def qwen3_vl(folder: Path, data: Path) -> None:
    """Hands the features of a picture to its first layers, too."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    words = tokenizer(data)
    token = words.convert_tokens_to_ids
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3], "mrope_interleaved": True}
    config = Qwen3VLConfig(
        text_config={
            **TEXT,
            "head_dim": 16,
            "vocab_size": len(words),
            "eos_token_id": token("<|im_end|>"),
            "rope_parameters": rope,
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 32,
            "patch_size": 8,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0, 1],
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    pictures = Qwen2VLImageProcessorPil(patch_size=8, min_pixels=1024, max_pixels=4096)
    video = without_torchvision.video_processor({"patch_size": 8, "video_processor_type": "Qwen3VLVideoProcessor"})
    Qwen3VLProcessor(pictures, words, video, chat_template=tiny.TEMPLATE).save_pretrained(folder)


FAMILIES = (llava, idefics3, llava_onevision, internvl, smolvlm, qwen2_5_vl, qwen3_vl)
