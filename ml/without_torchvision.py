"""Load processors where torchvision is absent (there is no CPU build of it).

The processors of Qwen2-VL, Qwen2.5-VL, LLaVA-OneVision, InternVL, SmolVLM and others contain a video processor, whose
class transformers replaces by an empty one without torchvision; then the whole processor cannot be constructed. Videos
reach our models as their frames, which are pictures, so a video processor that is never asked is enough.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def mend() -> None:
    """Let processors be constructed with a video processor that refuses work. Nothing where there is torchvision."""
    if find_spec("torchvision") is None:
        _frames_only()


def video_processor(settings: dict[str, Any]) -> Any:
    """A video processor of these settings, Qwen2-VL's unless they name another, or what is saved in its place."""
    kind = settings.get("video_processor_type", "Qwen2VLVideoProcessor")
    if find_spec("torchvision") is None:
        return _frames_only()({"video_processor_type": kind, **settings})
    return getattr(import_module("transformers"), kind)(**settings)


@cache
def _frames_only() -> Any:
    processing_utils: Any = import_module("transformers.processing_utils")
    from transformers.video_processing_utils import VideoProcessorMixin

    # by import_module, since the lazy package hands out another copy of the module than processors look it up in
    video_processing_auto: Any = import_module("transformers.models.auto.video_processing_auto")

    class FramesOnly(VideoProcessorMixin):  # type: ignore[misc, unused-ignore]
        """Keeps the settings of the real one, so that saving and loading elsewhere brings it back."""

        num_frames = fps = size = None  # processors look at these even where there is no video

        def __init__(self, settings: dict[str, Any]) -> None:
            super().__init__()
            self.settings = settings
            self.merge_size = settings.get("merge_size", 2)

        @classmethod
        def from_pretrained(cls, name: str, **kwargs: Any) -> Any:  # type: ignore[override, unused-ignore]
            return cls(video_processing_auto.get_video_processor_config(name, **kwargs))

        def to_dict(self) -> dict[str, Any]:
            return dict(self.settings)

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError("videos are given as frames, which are pictures")

    processing_utils.transformers_module.VideoProcessorMixin = VideoProcessorMixin
    video_processing_auto.AutoVideoProcessor = FramesOnly
    return FramesOnly
