"""The critique-based reward model: writes a critique of a response, and scores the response with a critique."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ml import checkpoints
from ml.config import Evaluate, Reward, Score
from ml.data import Sample
from ml.encoding import Suffix
from ml.heads import ScoreHead
from ml.models import VisionLanguage
from ml.prompts import Prompts

Key = tuple[str, str]
"""(sample, response)"""


@dataclass(frozen=True)
class Judged:
    """Rewards of R responses and the log-probabilities of their critiques, each response read once."""

    rewards: Tensor
    sums: Tensor
    counts: Tensor
    index: dict[Key, int]
    tokens: int
    places: int = 0
    """Tokens with padding."""


class RewardModel:
    """`critical` models score a response after a critique; others score it bare."""

    def __init__(
        self,
        model: VisionLanguage,
        head: ScoreHead,
        config: Reward | Score | Evaluate,
        critical: bool,
        chunk: int = 1024,
    ) -> None:
        self.model = model
        self.head = head
        self.critical = critical
        self.prompts = Prompts(model, config)
        self.response_limit = config.max_response_tokens
        self.critique_limit = config.max_critique_tokens
        self.chunk = chunk

    @classmethod
    def open(cls, folder: Path, config: Score | Evaluate) -> RewardModel:
        """The reward model of a checkpoint folder. Raises BadCheckpoint."""
        meta = checkpoints.read_meta(folder, "reward")
        model = checkpoints.open_model(folder, meta, config)
        return cls(model, checkpoints.open_head(folder, model), config, meta.get("critiques") != "none")

    def judge(self, samples: list[Sample], critiques: Mapping[Key, str]) -> Judged:
        """r(x, y, c) for the responses that have a critique, or r(x, y) for all if the model is not critical."""
        keys = [[(s.id, r.id) for r in s.responses if not self.critical or (s.id, r.id) in critiques] for s in samples]
        some = [(sample, each) for sample, each in zip(samples, keys, strict=True) if each]
        prefixes, seen = self.prompts.of([sample for sample, _ in some])
        suffixes = [[self._suffix(sample, key, critiques) for key in each] for sample, each in some]
        rows = self.model.rows(prefixes, suffixes)
        hidden = self.model.hidden(rows, seen)
        sums, counts = self.model.log_probabilities(hidden, rows, self.chunk)
        flat = [key for each in keys for key in each]
        rewards = self.head(hidden, rows.ends)
        return Judged(
            rewards, sums, counts, {key: place for place, key in enumerate(flat)}, rows.tokens, rows.input_ids.numel()
        )

    def lengths(self, samples: Iterable[Sample], critiques: Mapping[Key, str] | None) -> dict[str, int]:
        """Tokens that each sample takes with all its responses and critiques; None: the longest that it may write."""
        return {sample.id: self._length(sample, critiques) for sample in samples}

    def _length(self, sample: Sample, critiques: Mapping[Key, str] | None) -> int:
        keys = [(sample.id, each.id) for each in sample.responses]
        if critiques is None and self.critical:
            asked = [len(self._question(sample, each.text).ids) for each in sample.responses]
            behind = [each + self.critique_limit + len(self.model.encoder.end) for each in asked]
        else:
            given = critiques or {}
            behind = [len(self._suffix(sample, key, given).ids) for key in keys if not self.critical or key in given]
        return self.model.tokens_of(self.prompts.length(sample), behind)

    @torch.no_grad()
    def criticise(self, samples: list[Sample]) -> dict[Key, str]:
        """A greedy critique of every response."""
        prefixes, seen = self.prompts.of(samples)
        suffixes = [[self._question(sample, each.text) for each in sample.responses] for sample in samples]
        found = self.model.generate(prefixes, suffixes, seen, self.critique_limit)
        texts = [self.model.encoder.decode(each) for each in found]
        keys = [(sample.id, each.id) for sample in samples for each in sample.responses]
        return dict(zip(keys, texts, strict=True))

    def critique(self, sample: Sample) -> Iterator[int]:
        """The tokens of a greedy critique of a sample's one response, one by one."""
        prefixes, seen = self.prompts.of([sample])
        (response,) = sample.responses
        return self.model.stream(prefixes[0], self._question(sample, response.text), seen[0], self.critique_limit)

    @torch.no_grad()
    def scores(self, sample: Sample, critiques: Mapping[Key, str]) -> list[float]:
        """Rewards of a sample's responses, in their order; where the model is critical, each has its critique."""
        judged = self.judge([sample], critiques)
        values = judged.rewards.tolist()
        return [float(values[judged.index[sample.id, each.id]]) for each in sample.responses]

    def rewards(
        self,
        groups: list[list[Sample]],
        critiques: Mapping[Key, str] | None,
        watch: Callable[[int, int], None] = lambda done, total: None,
    ) -> tuple[dict[Key, float], dict[Key, str]]:
        """Rewards and the critiques they rest on, a group of samples at a time; None lets the model write its own."""
        rewards: dict[Key, float] = {}
        used: dict[Key, str] = {}
        for done, samples in enumerate(groups, 1):
            given = critiques if critiques is not None or not self.critical else self.criticise(samples)
            with torch.no_grad():
                judged = self.judge(samples, given or {}) if self._any(samples, given) else None
            values = judged.rewards.tolist() if judged else []
            rewards |= {key: values[place] for key, place in (judged.index if judged else {}).items()}
            used |= {key: text for key, text in (given or {}).items() if key in rewards}
            watch(done, len(groups))
        return rewards, used

    def _any(self, samples: list[Sample], critiques: Mapping[Key, str] | None) -> bool:
        keys = [(s.id, r.id) for s in samples for r in s.responses]
        return bool(keys) and (not self.critical or any(key in (critiques or {}) for key in keys))

    def _question(self, sample: Sample, response: str) -> Suffix:
        encoder = self.model.encoder
        ids = [*encoder.response(response, self.response_limit), *encoder.between]
        return Suffix(ids, [False] * len(ids))

    def _suffix(self, sample: Sample, key: Key, critiques: Mapping[Key, str]) -> Suffix:
        text = sample.response(key[1]).text
        if not self.critical:
            ids = self.model.encoder.response(text, self.response_limit)
            return Suffix(ids, [False] * len(ids))
        asked = self._question(sample, text)
        critique = self.model.encoder.critique(critiques[key], self.critique_limit)
        return Suffix(asked.ids + critique, asked.target + [True] * len(critique))
