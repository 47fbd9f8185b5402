"""The tiny base model on which the demonstration's runs are executed, with a tokenizer that knows its texts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from app.core.errors import Refusal
from app.demo.content import texts

LONGEST = 600
"""Seconds that building may take; it takes about fifteen."""


class NoTinyModel(Refusal):
    """The tiny base model could not be built."""

    status = 500
    advice = "Install the training libraries: pip install 'assay[ml]'"


def build_tiny(folder: Path) -> Path:
    """The model's folder; whole or absent, and left alone if it is there. Raises NoTinyModel."""
    if (folder / "config.json").exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".tiny-") as aside:
        written = Path(aside) / "texts.jsonl"
        written.write_text("".join(json.dumps(text) + "\n" for text in texts()), "utf-8")
        _build(Path(aside) / "model", written)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(Path(aside) / "model", folder)
    return folder


def _build(folder: Path, written: Path) -> None:
    command = [sys.executable, "-m", "ml", "tiny", str(folder), "--texts", str(written)]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        raise NoTinyModel(f"Building the tiny base model took more than {LONGEST} seconds.", str(folder)) from None
    if answer.returncode:
        said = answer.stderr.strip().splitlines() or ["no word"]
        raise NoTinyModel(f"The tiny base model could not be built: {said[-1]}", str(folder))
