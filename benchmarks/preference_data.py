"""A dataset folder of random words about random pictures, sized to the token: only its shape matters to a stopwatch."""

from __future__ import annotations

import json
import math
import random
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ml import tiny

CELL = 16
"""A picture costs one token for each square of so many pixels, with the tiny model's processor."""

WORDS = "a small large red green blue round square thing stands lies beside behind above the and is not".split(" ")  # noqa: SIM905


def write(folder: Path, samples: int, responses: int, image_tokens: int, words: int, seed: int = 0) -> Path:
    """Ranked responses of about that many words to pictures of about that many tokens, no two ranks alike."""
    draw = random.Random(seed)
    side = round(math.sqrt(image_tokens)) * CELL
    (folder / "media").mkdir(parents=True)
    rows = [_sample(folder, number, responses, side, words, draw) for number in range(samples)]
    pairs = [
        {"sample": row["id"], "chosen": better["id"], "rejected": worse["id"], "split": "train"}
        for row in rows
        for better, worse in combinations(row["responses"], 2)
    ]
    for name, lines in (("samples", rows), ("pairs", pairs)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def _sample(folder: Path, number: int, responses: int, side: int, words: int, draw: random.Random) -> dict[str, Any]:
    pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "media" / f"{number}.png")
    return {
        "id": f"s{number}",
        "split": "train",
        "domain": "image",
        "question_type": "long",
        "prompt": _text(20, draw),
        "media": [{"kind": "image", "path": f"media/{number}.png"}],
        "responses": [
            {
                "id": f"r{place}",
                "text": _text(draw.randint(words // 2, words * 3 // 2), draw),
                "model": None,
                "origin": "model",
                "rank": place + 1,
                "scores": {},
                "critique": _text(draw.randint(words // 2, words * 3 // 2), draw),
            }
            for place in range(responses)
        ],
        "tie": False,
        "rank_reason": "",
    }


def _text(words: int, draw: random.Random) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(words))


def model(folder: Path, *, width: int, layers: int) -> int:
    """A Qwen2-VL of random weights whose processor takes pictures as they are. Returns the number of its weights."""
    sizes = {"width": width, "layers": layers, "vision_width": 128, "vision_layers": 2, "vocabulary": 32_000}
    return tiny.build(folder, [" ".join(WORDS)] * 4, max_pixels=4096 * CELL * CELL, **sizes)
