"""What the programs say, each line with its program's name; names are coloured on a terminal."""

from __future__ import annotations

import os
import sys
from typing import TextIO

COLOURS = {"database": 36, "broker": 34, "web": 32, "desk": 33, "trainer": 35, "player": 31, "beat": 90}
OTHERS = 37


class Speech:
    """Writes lines to a stream, until nobody reads them any more."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.is_coloured = self.stream.isatty() and not os.environ.get("NO_COLOR")
        self.is_over = False

    def say(self, name: str, text: str) -> None:
        label = f"{name:>8} │ "
        if self.is_coloured:
            label = f"\x1b[{COLOURS.get(name, OTHERS)}m{label}\x1b[0m"
        self.write(label + text)

    def write(self, text: str) -> None:
        if self.is_over:
            return
        try:
            print(text, file=self.stream, flush=True)
        except UnicodeEncodeError:  # a terminal without UTF-8
            print(text.encode("ascii", "replace").decode(), file=self.stream, flush=True)
        except OSError:  # the reader of a pipe has gone, or the terminal
            self.is_over = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
