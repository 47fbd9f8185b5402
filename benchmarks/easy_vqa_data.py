"""easy-VQA as a preference dataset: its pictures and questions, and responses whose truth its answers decide.

Pictures and questions are those of the package easy-vqa (MIT licence). For a question about colour or shape four
responses are written by rule: right and clear; right but terse; evasive; wrong. Their ranks and the terse reasons
follow from that truth.
"""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

COLOURS = ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
SHAPES = ("circle", "rectangle", "triangle")

CLEAR = ("The {what} is {a}{word}.", "In the picture, the {what} is {a}{word}.", "It is {a}{word}, as one sees.")
TERSE = ("{word}", "{word}.")
EVASIVE = ("It is hard to say.", "I cannot tell from the picture.", "There is something in the picture.")

REASONS = {
    "clear": ("right, {word}, clear", "correct and clear"),
    "terse": ("right but terse", "correct, one word only"),
    "evasive": ("evasive", "no answer given"),
    "wrong": ("wrong, not {word}", "says {word}, false"),
}

EXPANDED = {
    "clear": "The response is right about the picture. It states its answer clearly and in a full sentence.",
    "terse": "The response is right about the picture. However, it is terse and says no more than a word.",
    "evasive": "The response is evasive. It gives no answer to the question.",
    "wrong": "The response is wrong about the picture. What it states is not what the picture shows.",
}

PARTS = {"train": "train", "held_out": "test"}
RANKS = {"clear": 1, "terse": 2, "evasive": 3, "wrong": 4}


@dataclass(frozen=True)
class Question:
    text: str
    answer: str
    image: int
    path: Path


def questions(part: str) -> list[Question]:
    """Every question of easy-VQA's "train" or "test" part with its answer and picture."""
    import easy_vqa

    rows, paths = {
        "train": (easy_vqa.get_train_questions, easy_vqa.get_train_image_paths),
        "test": (easy_vqa.get_test_questions, easy_vqa.get_test_image_paths),
    }[part]
    found = paths()
    return [Question(q, a, image, Path(found[image])) for q, a, image in zip(*rows(), strict=True)]


def open_questions(part: str, words: tuple[str, ...]) -> list[Question]:
    """Those that one of the words answers."""
    return [each for each in questions(part) if each.answer in words]


def yes_or_no(images: set[int], words: tuple[str, ...], draw: random.Random) -> list[Question]:
    """Training questions about these pictures that name one of the words without negation: as many of yes as of no."""
    closed = [each for each in questions("train") if each.image in images and _plainly(each.text, words)]
    yes, no = ([each for each in closed if each.answer == answer] for answer in ("yes", "no"))
    many = min(len(yes), len(no))
    return [*draw.sample(yes, many), *draw.sample(no, many)]


def _plainly(text: str, words: tuple[str, ...]) -> bool:
    found = set(text.rstrip("?").split())
    return bool(found & set(words)) and not found & {"no", "not"}


def kinds_of(answer: str, draw: random.Random) -> dict[str, str]:
    """One response of each kind to a question with that answer."""
    words = COLOURS if answer in COLOURS else SHAPES
    other = draw.choice([word for word in words if word != answer])
    return {
        "clear": _clear(answer, draw),
        "terse": draw.choice(TERSE).format(word=answer),
        "evasive": draw.choice(EVASIVE),
        "wrong": _clear(other, draw) if draw.random() < 0.5 else draw.choice(TERSE).format(word=other),
    }


def _clear(word: str, draw: random.Random) -> str:
    a, what = ("", "colour") if word in COLOURS else ("a ", "shape")
    return draw.choice(CLEAR).format(word=word, a=a, what=what)


def sample(split: str, question: Question, number: int, draw: random.Random) -> dict[str, Any]:
    """A line of samples.jsonl; each response's kind stands where a model's name would."""
    told = kinds_of(question.answer, draw)
    order = draw.sample(sorted(told), len(told))
    responses = [
        {
            "id": f"{split}-{number}-{kind}",
            "text": told[kind],
            "model": kind,
            "origin": "model",
            "rank": RANKS[kind],
            "scores": {},
            "critique": draw.choice(REASONS[kind]).format(word=told[kind].lower().rstrip(".").split()[-1]),
        }
        for kind in order
    ]
    return {
        "id": f"{split}-{number}",
        "split": split,
        "domain": "image",
        "question_type": "short",
        "prompt": question.text,
        "media": [{"kind": "image", "path": f"media/{PARTS[split]}-{question.image}.png"}],
        "responses": responses,
        "tie": False,
        "rank_reason": "truth first, then clarity",
    }


def write(folder: Path, train: int, held_out: int, words: tuple[str, ...], seed: int) -> Path:
    """A dataset folder: training samples from easy-VQA's train part, held-out ones from its test part.

    So no picture is in both. `words` are the answers that are asked for.
    """
    draw = random.Random(seed)
    rows = []
    (folder / "media").mkdir(parents=True, exist_ok=True)
    for split, many in (("train", train), ("held_out", held_out)):
        for number, question in enumerate(draw.sample(open_questions(PARTS[split], words), many)):
            row = sample(split, question, number, draw)
            shutil.copyfile(question.path, folder / row["media"][0]["path"])
            rows.append(row)
    _write(folder / "samples.jsonl", rows)
    _write(folder / "pairs.jsonl", [pair for row in rows for pair in pairs(row)])
    return folder


def pairs(row: dict[str, Any]) -> list[dict[str, str]]:
    both = [sorted(two, key=lambda each: each["rank"]) for two in combinations(row["responses"], 2)]
    return [
        {"sample": row["id"], "chosen": better["id"], "rejected": worse["id"], "split": row["split"]}
        for better, worse in both
    ]


def expanded(folder: Path) -> list[dict[str, str]]:
    """Each reason expanded by rule: it keeps what the reason says and adds nothing that the reason does not support."""
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    return [
        {"sample": row["id"], "response": each["id"], "text": EXPANDED[each["model"]]}
        for row in rows
        for each in row["responses"]
    ]


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
