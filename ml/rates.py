"""How fast an endpoint may be asked: so many requests and tokens a minute, and not while it asks for patience."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ml.errors import Stopped

LOOK = 0.2
"""Seconds between two looks at whether the run was asked to stop."""


class Pace:
    """Spaces out what several threads ask. A limit of 0 is none."""

    def __init__(
        self, requests_per_minute: float, tokens_per_minute: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._request = 60 / requests_per_minute if requests_per_minute else 0.0
        self._token = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._next_request = self._next_tokens = self._held = clock()

    def turn(self, tokens: int) -> float:
        """Books a request of so many tokens. Returns the moment of the clock at which it may leave."""
        with self._lock:
            at = max(self._clock(), self._next_request, self._next_tokens, self._held)
            self._next_request = at + self._request
            self._next_tokens = at + tokens * self._token
            return at

    def settle(self, booked: int, taken: int | None) -> None:
        """Says how many tokens it took in the end."""
        if taken is not None:
            with self._lock:
                self._next_tokens += (taken - booked) * self._token

    def hold(self, seconds: float) -> None:
        """Nobody asks before so many seconds have passed."""
        with self._lock:
            self._held = max(self._held, self._clock() + seconds)

    def wait(self, tokens: int, stopped: threading.Event) -> None:
        """Sleeps until its turn has come, also where everybody was held meanwhile. Raises Stopped."""
        sleep_until(self.turn(tokens), stopped, self._clock)
        while self._held > self._clock():
            sleep_until(self._held, stopped, self._clock)


def sleep_until(moment: float, stopped: threading.Event, clock: Callable[[], float] = time.monotonic) -> None:
    """Raises Stopped where the run is asked to stop meanwhile."""
    while True:
        if stopped.is_set():
            raise Stopped("asked to stop")
        left = moment - clock()
        if left <= 0:
            return
        stopped.wait(min(left, LOOK))
