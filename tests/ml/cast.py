"""A small dataset folder drawn by hand: coloured shapes, one question each, four responses whose truth is known."""

from __future__ import annotations

import hashlib
import json
from itertools import combinations
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("circle", "square")
QUESTION_TYPES = ("short", "long", "mcq")


def picture(folder: Path, colour: str, shape: str, size: int = 64) -> str:
    """Draw one shape and store it by its hash. Returns its path inside the dataset folder."""
    image = Image.new("RGB", (size, size), "white")
    box = (size // 4, size // 4, 3 * size // 4, 3 * size // 4)
    draw = ImageDraw.Draw(image)
    draw.ellipse(box, fill=colour) if shape == "circle" else draw.rectangle(box, fill=colour)
    (folder / "media").mkdir(parents=True, exist_ok=True)
    aside = folder / "media" / "aside.png"
    image.save(aside)
    name = f"media/{hashlib.sha256(aside.read_bytes()).hexdigest()}.png"
    aside.replace(folder / name)
    return name


def responses(colour: str, shape: str, number: int) -> list[dict[str, Any]]:
    """Right and clear, terse, wrong, evasive; ranked 1, 2, 3, 3."""
    wrong = COLOURS[(COLOURS.index(colour) + 1) % len(COLOURS)]
    told = [
        (f"The {shape} in the picture is {colour}.", 1, f"right, it is {colour}, and clear"),
        (f"{colour}", 2, "right but terse"),
        (f"The {shape} in the picture is {wrong}.", 3, f"wrong, it is not {wrong}"),
        ("I cannot say what colour it is.", 3, "evasive, no answer"),
    ]
    return [
        {
            "id": f"r{number}-{place}",
            "text": text,
            "model": f"cast-{place}",
            "origin": "model",
            "rank": rank,
            "scores": {"helpfulness": 5.0 - rank},
            "critique": critique,
        }
        for place, (text, rank, critique) in enumerate(told)
    ]


def sample(folder: Path, number: int, split: str) -> dict[str, Any]:
    colour, shape = COLOURS[number % len(COLOURS)], SHAPES[number // len(COLOURS) % len(SHAPES)]
    frames = 3 if number % 5 == 4 else 1
    kind = "frame" if frames > 1 else "image"
    return {
        "id": f"s{number}",
        "split": split,
        "domain": "video" if frames > 1 else "image",
        "question_type": QUESTION_TYPES[number % 3],
        "prompt": f"What colour is the {shape}?",
        "media": [{"kind": kind, "path": picture(folder, colour, shape, 64 + 8 * each)} for each in range(frames)],
        "responses": responses(colour, shape, number),
        "tie": False,
        "rank_reason": "truth first, then clarity",
    }


def pairs(row: dict[str, Any]) -> list[dict[str, str]]:
    """Every two responses of unlike rank."""
    both = [sorted(two, key=lambda each: each["rank"]) for two in combinations(row["responses"], 2)]
    return [
        {"sample": row["id"], "chosen": better["id"], "rejected": worse["id"], "split": row["split"]}
        for better, worse in both
        if better["rank"] < worse["rank"]
    ]


def dataset(folder: Path, train: int = 6, held_out: int = 2) -> Path:
    """Write a dataset folder of that many samples. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    splits = ["train"] * train + ["held_out"] * held_out
    rows = [sample(folder, number, split) for number, split in enumerate(splits)]
    write(folder / "samples.jsonl", rows)
    write(folder / "pairs.jsonl", [pair for row in rows for pair in pairs(row)])
    return folder


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def run_folder(folder: Path, recipe: str, inputs: dict[str, Path], **config: Any) -> Path:
    """A run folder with links to its inputs and a config for a tiny model on the CPU."""
    (folder / "inputs").mkdir(parents=True, exist_ok=True)
    for name, target in inputs.items():
        (folder / "inputs" / name).symlink_to(target.resolve())
    (folder / "config.json").write_text(json.dumps({"recipe": recipe, "device": "cpu", **config}), encoding="utf-8")
    return folder


def lines(path: Path, kind: str = "", **wanted: Any) -> list[dict[str, Any]]:
    """The lines of a metrics file of one kind, with these values."""
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    wanted |= {"kind": kind} if kind else {}
    return [each for each in found if all(each.get(name) == value for name, value in wanted.items())]
