"""A graph of what came from what, drawn from left to right: each node in the layer after all that it came from.

The layout is Sugiyama's (Sugiyama, Tagawa and Toda 1981): longest paths give the layers, an edge that skips layers is
led through bends in them, and each layer is ordered by the middle of its neighbours. A pure function of its input.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

WIDTH, HEIGHT, ACROSS, DOWN, BEND = 148, 60, 28, 14, 10
"""Pixels: a node's width and height, the gaps between layers and within one, the height that a bend takes."""

SWEEPS = 6
"""Times that the layers are put in order by their neighbours."""

Key = str
Edge = tuple[Key, Key]


class Bend(NamedTuple):
    """Where edges out of `source` cross the layer `layer` on their way further."""

    source: Key
    layer: int


Place = Key | Bend


@dataclass(frozen=True)
class Drawing:
    """Where everything stands: each node's left upper corner, and each edge as the data of an SVG path."""

    width: int
    height: int
    corners: dict[Key, tuple[int, int]]
    paths: list[str]


def layers_of(nodes: Iterable[Key], edges: Iterable[Edge]) -> dict[Key, int]:
    """Node → length of the longest way to it. What stands in a circle, which lineage has none of, is put last."""
    keys = list(dict.fromkeys(nodes))
    before: dict[Key, set[Key]] = {key: set() for key in keys}
    for source, target in edges:
        before[target].add(source)
    layer: dict[Key, int] = {}
    while ready := [key for key in keys if key not in layer and before[key] <= layer.keys()]:
        layer |= {key: 1 + max((layer[each] for each in before[key]), default=-1) for key in ready}
    last = 1 + max(layer.values(), default=-1)
    return {key: layer.get(key, last) for key in keys}


def around(own: Key, edges: Sequence[Edge], most: int) -> tuple[set[Key], int]:
    """The node with all that it came from and all that came from it, the nearest `most`; and how many are left out."""
    near = {own: 0}
    for forth in (0, 1):
        step, reached = {own}, {own}
        distance = 0
        while step:
            distance += 1
            step = {edge[1 - forth] for edge in edges if edge[forth] in step} - reached
            reached |= step
            near |= {key: distance for key in step if key not in near}
    kept = sorted(near, key=lambda key: (near[key], key))[:most]
    return set(kept), len(near) - len(kept)


def draw(nodes: Sequence[Key], edges: Sequence[Edge]) -> Drawing:
    """A place for every node and a way for every edge; the same for the same input."""
    layer = layers_of(nodes, edges)
    links = _with_bends(edges, layer)
    rows = _ordered(_filled(nodes, layer, links), links)
    middles = _middles(rows)
    tall = max((middle + HEIGHT / 2 for middle in middles.values()), default=0)
    corners = {key: (layer[key] * (WIDTH + ACROSS), round(middles[key] - HEIGHT / 2)) for key in nodes}
    wide = len(rows) * (WIDTH + ACROSS) - ACROSS if rows else 0
    return Drawing(wide, round(tall), corners, [_path(one, middles, layer) for one in _ways(edges, layer)])


def _way(edge: Edge, layer: Mapping[Key, int]) -> list[Place]:
    source, target = edge
    return [source, *(Bend(source, at) for at in range(layer[source] + 1, layer[target])), target]


def _ways(edges: Sequence[Edge], layer: Mapping[Key, int]) -> list[list[Place]]:
    return [_way(edge, layer) for edge in dict.fromkeys(edges)]


def _with_bends(edges: Sequence[Edge], layer: Mapping[Key, int]) -> list[tuple[Place, Place]]:
    """Every edge in steps from one layer to the next; edges out of one node share their bends."""
    steps = [(a, b) for way in _ways(edges, layer) for a, b in pairwise(way)]
    return list(dict.fromkeys(steps))


def _filled(nodes: Sequence[Key], layer: Mapping[Key, int], links: Sequence[tuple[Place, Place]]) -> list[list[Place]]:
    places: list[Place] = [*nodes, *dict.fromkeys(b for _a, b in links if isinstance(b, Bend))]
    rows: list[list[Place]] = [[] for _ in range(1 + max(layer.values(), default=-1))]
    for place in places:
        rows[place.layer if isinstance(place, Bend) else layer[place]].append(place)
    return rows


def _ordered(rows: list[list[Place]], links: Sequence[tuple[Place, Place]]) -> list[list[Place]]:
    """Each layer by the mean place of the neighbours in the layer beside it, there and back some times."""
    before: dict[Place, list[Place]] = {}
    after: dict[Place, list[Place]] = {}
    for a, b in links:
        before.setdefault(b, []).append(a)
        after.setdefault(a, []).append(b)
    for sweep in range(SWEEPS):
        beside = after if sweep % 2 else before
        place = {each: at for row in rows for at, each in enumerate(row)}
        for row in reversed(rows) if sweep % 2 else rows:
            row.sort(key=lambda each: _mean([place[other] for other in beside.get(each, [])], place[each]))
            place |= {each: at for at, each in enumerate(row)}
    return rows


def _mean(values: Sequence[int], otherwise: int) -> float:
    return sum(values) / len(values) if values else otherwise


def _middles(rows: Sequence[Sequence[Place]]) -> dict[Place, float]:
    """The height at which each place has its middle, every layer centred beside the tallest."""
    sizes = [[BEND if isinstance(each, Bend) else HEIGHT for each in row] for row in rows]
    heights = [sum(row) + DOWN * (len(row) - 1) for row in sizes]
    found: dict[Place, float] = {}
    for row, size, height in zip(rows, sizes, heights, strict=True):
        top = (max(heights) - height) / 2
        for each, own in zip(row, size, strict=True):
            found[each] = top + own / 2
            top += own + DOWN
    return found


def _path(way: Sequence[Place], middles: Mapping[Place, float], layer: Mapping[Key, int]) -> str:
    """From the right edge of one node through its bends to the left edge of another, each gap as a curve."""

    def left(place: Place) -> int:
        return (place.layer if isinstance(place, Bend) else layer[place]) * (WIDTH + ACROSS)

    said = [f"M{left(way[0]) + WIDTH} {middles[way[0]]:g}"]
    for a, b in pairwise(way):
        begin, end, half = left(a) + WIDTH, left(b), ACROSS / 2
        said.append(f"C{begin + half:g} {middles[a]:g} {end - half:g} {middles[b]:g} {end} {middles[b]:g}")
        if isinstance(b, Bend):
            said.append(f"H{end + WIDTH}")
    return " ".join(said)
