"""Elements: what stands in an array of JSON, one after the other, however long the array is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import ijson
from ijson.common import ObjectBuilder

from app.core.language import gettext as _

DEEPEST = 200
"""Arrays and objects within one another. A parser that follows any number of them takes all the memory there is."""

OPENING, CLOSING = {"start_array", "start_map"}, {"end_array", "end_map"}


class Unreadable(ValueError):
    """Why an array of JSON cannot be read on."""


class _Measured:
    """A file that is read in bounds: no more than `most` bytes for one element, which is in memory as a whole."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.file, self.most, self.read_since = file, most, 0

    def read(self, size: int) -> bytes:
        if self.read_since > self.most:
            raise Unreadable(_("An element is longer than %(most)s bytes.", most=f"{self.most:,}"))
        self.read_since += size
        return self.file.read(size)


def elements_of(file: IO[bytes], most: int) -> Iterator[Any]:
    """The elements of the outermost array, or of the first array in an object. Raises Unreadable.

    most: bytes that one of them may have.
    """
    source = _Measured(file, most)
    try:
        events = _bounded(ijson.basic_parse(source, use_float=True))
        if not any(event == "start_array" for event, _value in events):
            raise Unreadable(_("The file holds no array of records."))
        while (element := _next(events)) is not _END:
            source.read_since = 0
            yield element
        source.read_since = 0
        for _rest in events:  # what follows the array has to be JSON, too
            source.read_since = 0
    except (ijson.JSONError, UnicodeDecodeError) as problem:
        raise Unreadable(_("This is not JSON: %(problem)s.", problem=str(problem)[:200])) from None


_END = object()


def _next(events: Iterator[tuple[str, Any]]) -> Any:
    """The next element of the array that the events are in, or _END."""
    builder, depth = ObjectBuilder(), 0
    for event, value in events:
        if depth == 0 and event == "end_array":
            return _END
        builder.event(event, value)
        depth += (event in OPENING) - (event in CLOSING)
        if depth == 0:
            return builder.value
    return _END


def _bounded(events: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    depth = 0
    for event, value in events:
        depth += (event in OPENING) - (event in CLOSING)
        if depth > DEEPEST:
            raise Unreadable(_("More than %(most)s arrays and objects stand within one another.", most=DEEPEST))
        yield event, value
