"""Prefixes and picture features of samples, kept while memory allows, and on disk where the config gives room."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor

from ml import identity, pictures
from ml.config import Config
from ml.data import Sample
from ml.encoding import Prefix
from ml.models import VisionLanguage
from ml.shelf import Shelf

ROOM = 512 * 1024 * 1024
"""Bytes of prefixes and features that are kept; the longest unused go first."""


class Prompts:
    """What the model sees before a response, by sample."""

    def __init__(self, model: VisionLanguage, config: Config, room: int = ROOM) -> None:
        self.model = model
        self.config = config
        self.room = room
        self._kept: OrderedDict[str, tuple[Prefix, Any, int]] = OrderedDict()
        self._used = 0
        self._lengths: dict[str, int] = {}
        self._shelf: Shelf | None = None
        self._model = ""

    def of(self, samples: list[Sample]) -> tuple[list[Prefix], list[Any]]:
        """Each sample's prefix and features. Features are made anew each time while the vision encoder learns."""
        both = [self._of(sample) for sample in samples]
        prefixes = [prefix for prefix, _ in both]
        if self.model.vision_trains:
            return prefixes, self.model.see_together(prefixes)
        return prefixes, [seen for _, seen in both]

    def length(self, sample: Sample) -> int:
        """Tokens of a sample's prefix: its pictures and question, never cut."""
        if sample.id not in self._lengths:
            self._lengths[sample.id] = len(self._prefix(sample).ids)
        return self._lengths[sample.id]

    def _prefix(self, sample: Sample) -> Prefix:
        images = pictures.of_sample(sample, self.config.max_pixels, self.config.max_frames)
        return self.model.encoder.prefix(sample.prompt, images)

    def _of(self, sample: Sample) -> tuple[Prefix, Any]:
        if sample.id in self._kept:
            self._kept.move_to_end(sample.id)
            return self._kept[sample.id][:2]
        prefix = self._prefix(sample)
        seen = None if self.model.vision_trains else self._seen(sample, prefix)
        self._keep(sample.id, prefix, seen)
        return prefix, seen

    def _seen(self, sample: Sample, prefix: Prefix) -> Any:
        """The pictures' features, off the shelf if they stand there."""
        if not prefix.images or not self.config.keep_features:
            return self.model.see(prefix)
        if self._shelf is None:
            self._shelf = Shelf(identity.cache_folder() / "features", self.config.keep_features * 2**20)
            self._model = identity.model_hash(self.model)
        shown = [(each.kind, identity.file_hash(each.path)) for each in sample.media]
        key = identity.hash_of([self._model, shown, self.config.max_pixels, self.config.max_frames])
        found = self._shelf.get(key, self.model.device)
        if found is None:
            found = self.model.see(prefix)
            self._shelf.put(key, found)
        return found

    def _keep(self, id: str, prefix: Prefix, seen: Any) -> None:
        size = sum(_bytes(each) for each in (prefix.ids, seen, *prefix.vision.values()))
        self._kept[id] = (prefix, seen, size)
        self._used += size
        while self._used > self.room and len(self._kept) > 1:
            self._used -= self._kept.popitem(last=False)[1][2]


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    return sum(_bytes(each) for each in value) if isinstance(value, list | tuple) else 0
