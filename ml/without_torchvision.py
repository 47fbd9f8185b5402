"""Load processors where torchvision is absent (there is no CPU build of it).

The processors of Qwen2-VL, Qwen2.5-VL, LLaVA-OneVision, InternVL, SmolVLM and others contain a video processor whose class
transformers replaces by an empty one without torchvision, and then refuses to be constructed. Videos reach our models as
their frames, which are pictures, so a video processor that is never asked is enough.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any


def mend() -> None:
    """Let processors be constructed with a video processor that refuses work. Does nothing where torchvision is installed."""
    if find_spec("torchvision") is not None:
        return
    from transformers import AutoVideoProcessor, processing_utils
    from transformers.video_processing_utils import VideoProcessorMixin

    class FramesOnly(VideoProcessorMixin):  # type: ignore[misc, unused-ignore]
        merge_size = 2
        temporal_patch_size = 2

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError("videos are given as frames; see ml/without_torchvision.py")

    def frames_only(*args: Any, **kwargs: Any) -> FramesOnly:
        return FramesOnly()

    processing_utils.transformers_module.VideoProcessorMixin = VideoProcessorMixin
    AutoVideoProcessor.from_pretrained = frames_only
