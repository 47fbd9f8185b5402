"""A chat endpoint of OpenAI's protocol: a question with pictures, an answer; tried again where that may help."""

from __future__ import annotations

import base64
import io
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import httpx2
from PIL import Image

from ml.config import Expand
from ml.errors import BadEndpoint

AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}
"""Statuses that may pass."""

LONGEST_PAUSE = 60.0

Item = TypeVar("Item")


@dataclass(frozen=True)
class Endpoint:
    url: str
    key: str = field(repr=False)
    parameters: dict[str, Any]
    """model, temperature, max_tokens and seed, as they are sent."""
    retries: int
    client: httpx2.Client = field(repr=False)

    @classmethod
    def from_environment(cls, config: Expand, environ: Mapping[str, str]) -> Endpoint:
        """OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL, the last unless the config names a model."""
        parameters = {
            "model": config.endpoint_model or environ["OPENAI_MODEL"].strip(),
            "temperature": config.temperature,
            "max_tokens": config.max_new_tokens,
            "seed": config.seed,
        }
        url = environ["OPENAI_BASE_URL"].strip().rstrip("/")
        client = httpx2.Client(timeout=config.timeout)
        return cls(url, environ.get("OPENAI_API_KEY", "").strip(), parameters, config.retries, client)

    def complete(self, prompt: str, images: Sequence[Image.Image] = ()) -> str:
        """The answer to one question, as `chat` gives it."""
        return self.chat([{"role": "user", "content": content(prompt, images)}])

    def chat(self, messages: list[dict[str, Any]]) -> str:
        """The answer's text, stripped. Raises BadEndpoint after the last try, or at once where another is no use."""
        body = {**self.parameters, "messages": messages}
        fault = ""
        for trial in range(self.retries + 1):
            try:
                answer = self.client.post(f"{self.url}/chat/completions", json=body, headers=self._headers())
            except httpx2.HTTPError as error:
                fault, wait = f"{type(error).__name__}: {error}", None
            else:
                if answer.status_code == 200:
                    return _text_of(answer)
                fault, wait = f"status {answer.status_code}: {answer.text[:200]}", answer.headers.get("retry-after")
                if answer.status_code not in AGAIN:
                    break
            if trial < self.retries:
                time.sleep(self._pause(trial, wait))
        raise BadEndpoint(f"{self.url} gave no answer after {trial + 1} tries; the last said {fault}")

    def _pause(self, trial: int, asked: str | None) -> float:
        """Seconds to wait: what the endpoint asks for, else twice as long each time, with some chance in it."""
        if asked and asked.replace(".", "", 1).isdigit():
            return min(float(asked), LONGEST_PAUSE)
        return float(min(2.0**trial, LONGEST_PAUSE) * random.uniform(0.5, 1.0))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def ahead(ask: Callable[[Item], str], items: Iterable[Item], many: int) -> Iterator[tuple[Item, str]]:
    """Answers in order, with at most `many` questions under way; none is started once the reader has gone."""
    pool = ThreadPoolExecutor(many)
    waiting = iter(items)
    under_way: list[tuple[Item, Future[str]]] = [(each, pool.submit(ask, each)) for each in islice(waiting, many)]
    try:
        while under_way:
            each, future = under_way.pop(0)
            answer = future.result()
            under_way += [(one, pool.submit(ask, one)) for one in islice(waiting, 1)]
            yield each, answer
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def content(prompt: str, images: Sequence[Image.Image]) -> Any:
    """A message's content: pictures as data URLs, then the words."""
    if not images:
        return prompt
    pictures = [{"type": "image_url", "image_url": {"url": _data_url(image)}} for image in images]
    return [*pictures, {"type": "text", "text": prompt}]


def _data_url(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _text_of(answer: httpx2.Response) -> str:
    try:
        text = answer.json()["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError):
        raise BadEndpoint(f"an answer is not of the protocol: {answer.text[:200]}") from None
    return text.strip() if isinstance(text, str) else ""
