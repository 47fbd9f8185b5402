"""What a training leaves beside its weights: a model card, TensorBoard's scalars, and a merged model on request."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from ml import cards
from ml.basics import Training
from ml.folder import RunFolder, read_lines
from ml.merge import merge, merge_again
from ml.models import VisionLanguage


def leave(
    folder: RunFolder, model: VisionLanguage, meta: Mapping[str, Any], result: Mapping[str, Any], config: Training
) -> None:
    """Card and scalars always; output/merged/ where the config asks. The model is not to be trained on afterwards."""
    checkpoint = folder.output / "checkpoint"
    adapter = "lora" if model.lora is not None else "full"
    cards.write(folder, checkpoint, {**meta, "base": model.base, "adapter": adapter, "result": result}, config)
    scalars(folder)
    if config.merge and config.adapter == "qlora":
        merge_again(checkpoint, folder.output / "merged")
    elif config.merge and model.lora is not None:
        merge(model, checkpoint, folder.output / "merged")


def scalars(folder: RunFolder) -> None:
    """Every metric line as TensorBoard's events in tensorboard/, where its writer is installed."""
    if find_spec("tensorboard") is None:
        return
    from torch.utils.tensorboard import SummaryWriter

    make: Any = SummaryWriter
    writer = make(str(folder.path / "tensorboard"))
    for line in read_lines(folder.path / "metrics.jsonl"):
        if line["kind"] == "metric":
            for name, value in line["values"].items():
                if value is not None:
                    writer.add_scalar(f"{line['split']}/{name}", value, line["step"], walltime=line["at"])
    writer.close()
