"""Critiques by a server that serves the reward model's weights, such as vLLM: for many responses, on many devices.

The server gets the conversation that the reward model was trained on: pictures and question, the response, and the
request to judge it. The scores are still read here, from the model's own hidden state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from ml import pictures
from ml.config import Score
from ml.data import Response, Sample
from ml.encoding import JUDGE, Encoder
from ml.endpoint import Endpoint, ahead, content
from ml.errors import NoCritic

Work = tuple[Sample, Response]
SECONDS, RETRIES = 300.0, 5


@dataclass(frozen=True)
class CriticServer:
    endpoint: Endpoint
    encoder: Encoder
    config: Score

    @classmethod
    def from_environment(cls, config: Score, encoder: Encoder, environ: Mapping[str, str]) -> CriticServer:
        """CRITIC_BASE_URL, CRITIC_MODEL and, where the server asks for one, CRITIC_API_KEY. Raises NoCritic."""
        url, model = (environ.get(name, "").strip() for name in ("CRITIC_BASE_URL", "CRITIC_MODEL"))
        if not url or not model:
            raise NoCritic("set CRITIC_BASE_URL and CRITIC_MODEL in the environment, or let the model itself write")
        parameters = {"model": model, "temperature": 0.0, "max_tokens": config.max_critique_tokens, "seed": config.seed}
        client = httpx2.Client(timeout=SECONDS)
        key = environ.get("CRITIC_API_KEY", "").strip()
        return cls(Endpoint(url.rstrip("/"), key, parameters, RETRIES, client), encoder, config)

    def write(self, work: Iterable[Work]) -> Iterator[tuple[Work, str]]:
        """A greedy critique of each response, in order, several asked for at once. Raises BadEndpoint."""
        return ahead(self._ask, work, self.config.concurrency)

    def _ask(self, each: Work) -> str:
        return self.endpoint.chat(self._conversation(*each))

    def _conversation(self, sample: Sample, response: Response) -> list[dict[str, Any]]:
        images = pictures.of_sample(sample, self.config.max_pixels, self.config.max_frames)
        return [
            {"role": "user", "content": content(self.encoder.plain(sample.prompt), images)},
            {"role": "assistant", "content": self.encoder.plain(response.text)},
            {"role": "user", "content": JUDGE},
        ]
