"""A slow network: a proxy that lets bytes wait, and now and then loses a connection in the middle of an answer."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress

LOSES = 0.02
"""Share of the blocks at which the connection is lost."""


class SlowNetwork:
    """Listens on `port` and forwards to `target`; what was sent may have arrived although no answer comes back."""

    def __init__(self, target: int, dice: random.Random, slowest: float = 0.08) -> None:
        self.target, self.dice, self.slowest = target, dice, slowest
        self.lost = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _address = self._listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(("127.0.0.1", self.target), timeout=30)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        wait = threading.Event()
        with suppress(OSError):
            while block := one.recv(1 << 15):
                wait.wait(self.dice.random() * self.slowest)
                if self.dice.random() < LOSES:
                    self.lost += 1
                    break
                other.sendall(block)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
