"""python -m ml merge CHECKPOINT FOLDER: a checkpoint's adapter merged into its base, for programs that know none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ml import checkpoints
from ml.config import Config
from ml.errors import BadCheckpoint, Refused
from ml.folder import as_json, write_folder, write_text
from ml.models import VisionLanguage

HEAD = "head.safetensors"


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        raise Refused("say: python -m ml merge CHECKPOINT FOLDER")
    source, target = Path(arguments[0]), Path(arguments[1])
    if target.exists():
        raise Refused(f"{target} is there already; name a new folder")
    merge_again(source, target)
    return 0


def merge_again(source: Path, target: Path) -> None:
    """Merge a checkpoint from its files, in fp32: into the base as it was, not into weights of four bits."""
    try:
        kind = str(json.loads((source / checkpoints.META).read_text(encoding="utf-8"))["kind"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadCheckpoint(f"{source.name}/{checkpoints.META} cannot be read: {error}") from None
    meta = checkpoints.read_meta(source, kind)
    merge(checkpoints.open_model(source, meta, Config(device="cpu", precision="fp32")), source, target)


def merge(model: VisionLanguage, source: Path, target: Path) -> None:
    """Write the merged model of the checkpoint `source`. The model itself is merged by it, and not to be trained on."""
    net = model.net if model.lora is None else model.lora.merge_and_unload()

    def write(path: Path) -> None:
        net.save_pretrained(path)
        model.processor.save_pretrained(path)
        if (source / HEAD).is_file():
            shutil.copyfile(source / HEAD, path / HEAD)
        meta = json.loads((source / checkpoints.META).read_text(encoding="utf-8"))
        write_text(path / checkpoints.META, as_json({**meta, "adapter": "full"}) + "\n")

    write_folder(target, write)
