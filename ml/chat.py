"""One question to a chat endpoint of OpenAI's protocol: its answer with what it took, or why there is none.

Unlike `ml.endpoint`, an answer keeps its usage and how it ended, wrong JSON and cut streams are tried again, and what
fails after the last try is an answer too: a run over thousands of samples goes on.
"""

from __future__ import annotations

import email.utils
import json
import random
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from ml.asked import Asked
from ml.endpoint import AGAIN, LONGEST_PAUSE
from ml.rates import Pace, sleep_until

OK, REFUSED, FAILED = "ok", "refused", "failed"
HOPELESS = {401, 403, 404}
"""Statuses that every other question to this model would meet too."""

SAYS_NO = re.compile(
    r"\W*(i['’]?m (very )?sorry,? (but )?(i|that)|(sorry|unfortunately|apologies),? (but )?i|"
    r"i (can['’]?t|cannot|am unable to|am not able to|won['’]?t) (help|assist|provide|answer|comply|fulfil|discuss|"
    r"create|engage|support|identify)|as an ai\b.{0,80}(can['’]?t|cannot|unable)|"
    r"(很?抱歉|对不起|非常抱歉).{0,12}(无法|不能|不可以)|我(无法|不能)(提供|协助|帮助|回答|满足))",
    re.IGNORECASE | re.DOTALL,
)
"""How refusals begin, in English and Chinese."""


@dataclass(frozen=True)
class Reply:
    """state: ok, refused or failed. tokens are None where the endpoint does not say."""

    state: str
    text: str = ""
    finish: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    tries: int = 1
    fault: str = ""
    hopeless: bool = False


class _Again(Exception):
    """A fault that may pass. `wait`: seconds that the endpoint asks for."""

    def __init__(self, fault: str, wait: float | None = None) -> None:
        super().__init__(fault)
        self.wait = wait


class Chat:
    """One model's endpoint, for several threads. Its pace holds for all of them."""

    def __init__(self, asked: Asked, retries: int, timeout: float, stream: bool, stopped: threading.Event) -> None:
        self.asked, self.retries, self.stream, self.stopped = asked, retries, stream, stopped
        self.pace = Pace(asked.requests_per_minute, asked.tokens_per_minute)
        limits = httpx2.Limits(max_connections=asked.concurrency)
        self.client = httpx2.Client(timeout=timeout, limits=limits)

    def ask(self, body: dict[str, Any], booked: int) -> Reply:
        """booked: tokens that the question may take, for the pace. Raises Stopped while it waits."""
        body = {**body, "model": self.asked.model}
        if self.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        fault = ""
        for trial in range(self.retries + 1):
            self.pace.wait(booked, self.stopped)
            try:
                reply = self._once(body)
            except _Again as problem:
                fault, wait = str(problem), problem.wait
            except httpx2.HTTPError as error:
                fault, wait = f"{type(error).__name__}: {error}", None
            else:
                return self._settled(reply, booked, trial + 1)
            self.pace.settle(booked, 0)
            self._pause(trial, wait)
        return Reply(FAILED, tries=self.retries + 1, fault=fault)

    def _settled(self, reply: Reply, booked: int, tries: int) -> Reply:
        if reply.tokens_in is not None and reply.tokens_out is not None:
            self.pace.settle(booked, reply.tokens_in + reply.tokens_out)
        return replace(reply, tries=tries)

    def _once(self, body: dict[str, Any]) -> Reply:
        headers = {"Authorization": f"Bearer {self.asked.key}"} if self.asked.key else {}
        url = f"{self.asked.url}/chat/completions"
        with self.client.stream("POST", url, json=body, headers=headers) as answer:
            if answer.status_code != 200:
                answer.read()
                return self._without(answer)
            if self.stream and "event-stream" in answer.headers.get("content-type", ""):
                return read_stream(answer.iter_lines())
            answer.read()
            return read_answer(answer.text)

    def _without(self, answer: httpx2.Response) -> Reply:
        fault = f"status {answer.status_code}: {said_of(answer.text)}".removesuffix(": ")
        if answer.status_code in AGAIN:
            raise _Again(fault, seconds_of(answer.headers.get("retry-after", "")))
        state = REFUSED if answer.status_code == 400 and "content_filter" in answer.text else FAILED
        return Reply(state, fault=fault, hopeless=answer.status_code in HOPELESS)

    def _pause(self, trial: int, asked: float | None) -> None:
        if trial == self.retries:
            return
        if asked is not None:
            # What the endpoint asks of one it asks of all: other threads would only meet the same answer.
            self.pace.hold(min(asked, LONGEST_PAUSE))
            return
        sleep_until(time.monotonic() + min(2.0**trial, LONGEST_PAUSE) * random.uniform(0.5, 1.0), self.stopped)


def said_of(body: str) -> str:
    """What an error's body says: the protocol's message where it holds one, else its beginning."""
    try:
        error = json.loads(body)["error"]
        said = str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        said = body
    return " ".join(said.split())[:200]


def seconds_of(retry_after: str) -> float | None:
    """A Retry-After header, seconds or a date, as seconds from now; None where it says neither."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


def read_answer(text: str) -> Reply:
    """Raises _Again for what is not of the protocol."""
    try:
        answer = json.loads(text)
        choice = answer["choices"][0]
        message = choice["message"]
        return _reply(message.get("content"), message.get("refusal"), choice.get("finish_reason"), answer.get("usage"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise _Again(f"an answer is not of the protocol: {' '.join(text.split())[:200]}") from None


def read_stream(lines: Iterator[str]) -> Reply:
    """The pieces of a streamed answer put together. Raises _Again where it is cut or not of the protocol."""
    text, refusal, finish, usage = "", "", None, None
    try:
        for line in lines:
            if not line.startswith("data:"):
                continue
            if (data := line.removeprefix("data:").strip()) == "[DONE]":
                break
            piece = json.loads(data)
            usage = piece.get("usage") or usage
            for choice in piece.get("choices", [])[:1]:
                text += choice["delta"].get("content") or ""
                refusal += choice["delta"].get("refusal") or ""
                finish = choice.get("finish_reason") or finish
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _Again("a piece of the stream is not of the protocol") from None
    if finish is None:
        raise _Again("the stream was cut before its end")
    return _reply(text, refusal, finish, usage)


def _reply(content: Any, refusal: Any, finish: Any, usage: Any) -> Reply:
    text = content.strip() if isinstance(content, str) else ""
    said_no = refusal.strip() if isinstance(refusal, str) else ""
    taken = usage if isinstance(usage, dict) else {}
    counts = [
        taken.get(name) if isinstance(taken.get(name), int) else None for name in ("prompt_tokens", "completion_tokens")
    ]
    if not (text or said_no or finish == "content_filter"):
        raise _Again("the answer is empty")
    refused = bool(said_no) or finish == "content_filter" or says_no(text)
    return Reply(REFUSED if refused else OK, text or said_no, str(finish or ""), counts[0], counts[1])


def says_no(text: str) -> bool:
    """Whether the words are those of a refusal: they begin as one, and go on no longer than one."""
    return len(text) < 1200 and SAYS_NO.match(text) is not None
