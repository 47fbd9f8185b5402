"""The policy: log-probabilities of given responses, and responses of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ml.config import Evaluate, MmDpo
from ml.data import Response, Sample
from ml.encoding import Suffix
from ml.models import VisionLanguage
from ml.prompts import Prompts


@dataclass(frozen=True)
class Told:
    """Log-probabilities of R responses of some samples, each response read once."""

    sums: Tensor
    counts: Tensor
    index: dict[tuple[str, str], int]
    """(sample, response) → its place in sums and counts."""
    tokens: int
    places: int = 0
    """Tokens with padding."""
    """Tokens that went through the model."""


class Policy:
    def __init__(self, model: VisionLanguage, config: MmDpo | Evaluate, chunk: int = 1024) -> None:
        self.model = model
        self.prompts = Prompts(model, config)
        self.limit = config.max_response_tokens
        self.chunk = chunk

    def tell(self, samples: list[Sample]) -> Told:
        """log π(y | x), summed over each response's tokens, for every response of the samples."""
        prefixes, seen = self.prompts.of(samples)
        rows = self.model.rows(prefixes, [[self._suffix(each) for each in sample.responses] for sample in samples])
        sums, counts = self.model.log_probabilities(self.model.hidden(rows, seen), rows, self.chunk)
        keys = [(sample.id, each.id) for sample in samples for each in sample.responses]
        return Told(sums, counts, {key: place for place, key in enumerate(keys)}, rows.tokens, rows.input_ids.numel())

    def lengths(self, samples: Iterable[Sample]) -> dict[str, int]:
        """Tokens that each sample takes with all its responses."""
        return {sample.id: self._length(sample) for sample in samples}

    def _length(self, sample: Sample) -> int:
        behind = [len(self._suffix(each).ids) for each in sample.responses]
        return self.model.tokens_of(self.prompts.length(sample), behind)

    @torch.no_grad()
    def respond(self, samples: list[Sample], max_new_tokens: int, temperature: float = 0.0) -> list[str]:
        """The policy's own response to each sample."""
        return respond(self.model, self.prompts, samples, max_new_tokens, temperature)

    def answer(self, sample: Sample, longest: int, temperature: float = 0.0) -> Iterator[int]:
        """The tokens of the policy's own response, one by one."""
        prefixes, seen = self.prompts.of([sample])
        return self.model.stream(prefixes[0], Suffix([], []), seen[0], longest, temperature)

    def _suffix(self, response: Response) -> Suffix:
        ids = self.model.encoder.response(response.text, self.limit)
        return Suffix(ids, [True] * len(ids))


@torch.no_grad()
def respond(
    model: VisionLanguage, prompts: Prompts, samples: list[Sample], max_new_tokens: int, temperature: float
) -> list[str]:
    """A model's own response to each sample's pictures and prompt."""
    prefixes, seen = prompts.of(samples)
    nothing = [[Suffix([], [])] for _ in samples]
    found = model.generate(prefixes, nothing, seen, max_new_tokens, temperature)
    return [model.encoder.decode(ids) for ids in found]
