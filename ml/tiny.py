"""A vision-language model of a few million random weights, with a tokenizer learnt from given texts.

It is Qwen2-VL in shape, so that demonstration, tests and benchmarks run the same code as a large model does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ml.errors import BadSample, ConfigError, MissingInput

TURNS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
PICTURES = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
SPECIALS = [*TURNS, *PICTURES]

HEAD = 24
"""Width of an attention head: half of it is turned by time, height and width alike."""
VISION_HEAD = 32

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

FALLBACK = (
    "The picture shows a small red circle beside a large blue square on a white ground.",
    "Which object is on the left, and how many are there? There are two of them, and neither is green.",
    "This response is right, clear and complete. That response is wrong: it names a colour that is not there.",
    "I cannot tell. It answers the question but says nothing of what the image shows.",
)
"""Words for the tokenizer where no text is given; it spells out any other word by its bytes."""


def build(
    folder: Path,
    texts: Iterable[str] = (),
    *,
    seed: int = 0,
    vocabulary: int = 4096,
    width: int = 192,
    layers: int = 4,
    vision_width: int = 128,
    vision_layers: int = 3,
    max_pixels: int = 9216,
) -> int:
    """Write model and processor into the folder, loadable by their Auto classes. Returns the number of weights.

    width in steps of 24, vision_width of 32 (their heads). A picture costs at most max_pixels / 256 tokens.
    Same seed and texts, same weights. Raises ConfigError for widths that are no such step.
    """
    _check(width, vision_width)
    import torch

    from ml import without_torchvision

    without_torchvision.mend()
    from transformers import Qwen2VLForConditionalGeneration, Qwen2VLProcessor
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    from ml.encoding import JUDGE

    every_row = [JUDGE, "\nuser\n", "\nassistant\n"]  # words of the chat template deserve tokens of their own
    tokenizer = _tokenizer([*texts, *FALLBACK, *every_row * 50], vocabulary)
    config = _config(tokenizer, width, layers, vision_width, vision_layers)
    torch.manual_seed(seed)
    net = Qwen2VLForConditionalGeneration(config)
    net.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids("<|im_end|>")
    net.generation_config.pad_token_id = tokenizer.pad_token_id
    pictures = Qwen2VLImageProcessorPil(
        patch_size=8, merge_size=2, temporal_patch_size=1, min_pixels=2304, max_pixels=max_pixels
    )
    video = without_torchvision.video_processor({"patch_size": 8, "merge_size": 2, "temporal_patch_size": 1})
    net.save_pretrained(folder)
    processor: Any = Qwen2VLProcessor
    processor(pictures, tokenizer, video, chat_template=TEMPLATE).save_pretrained(folder)
    return sum(each.numel() for each in net.parameters())


def texts_of(paths: Iterable[Path]) -> Iterator[str]:
    """The texts of files: every string of a .json or .jsonl file, a value a line, and every line of any other.

    Raises MissingInput or BadSample with file and line.
    """
    for path in paths:
        for number, line in enumerate(_lines(path), 1):
            if path.suffix not in (".json", ".jsonl") or not line.strip():
                yield line
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise BadSample(f"{path} line {number}: no JSON ({error})") from None
            yield from _strings(value)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise MissingInput(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadSample(f"{path} is not text in UTF-8: {error.reason} at byte {error.start}") from None


def main(arguments: list[str]) -> int:
    """python -m ml tiny FOLDER [--texts FILE ...] [--seed N]"""
    parser = argparse.ArgumentParser(prog="python -m ml tiny", description=build.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=Path, nargs="*", default=[])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    weights = build(given.folder, texts_of(given.texts), seed=given.seed)
    print(f"{given.folder}: {weights:,} weights")
    return 0


def _check(width: int, vision_width: int) -> None:
    """Heads of another width could not be turned by time, height and width in equal parts: forward would fail."""
    for name, given, step in (("width", width, HEAD), ("vision_width", vision_width, VISION_HEAD)):
        if given < step or given % step:
            near = max(1, round(given / step)) * step
            raise ConfigError(name, f"{given} is not made of heads of {step}: take {near}")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def _tokenizer(texts: list[str], vocabulary: int) -> Any:
    """Byte-level BPE, so that every text can be written and read back."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    model.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False
        ),
    )
    ends = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    tokenizer: Any = transformers.PreTrainedTokenizerFast
    return tokenizer(tokenizer_object=model, additional_special_tokens=SPECIALS, **ends)


def _config(tokenizer: Any, width: int, layers: int, vision_width: int, vision_layers: int) -> Any:
    from transformers import Qwen2VLConfig

    token = tokenizer.convert_tokens_to_ids
    heads = width // HEAD
    spread = width**-0.5  # so narrow a model hardly learns from the 0.02 that suits thousands of dimensions
    return Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": width,
            "intermediate_size": width * 8 // 3 // 8 * 8,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": heads // 2 or 1,
            "initializer_range": spread,
            "max_position_embeddings": 8192,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [HEAD // 6] * 3},
            "bos_token_id": token("<|endoftext|>"),
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
        },
        vision_config={
            "depth": vision_layers,
            "embed_dim": vision_width,
            "hidden_size": width,
            "num_heads": max(1, vision_width // VISION_HEAD),
            "mlp_ratio": 2,
            "initializer_range": spread,
            "patch_size": 8,
            "spatial_merge_size": 2,
            "temporal_patch_size": 1,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
