"""The colours of light and dark: the same names in both, and words that can be read on their grounds (WCAG 2.2 AA)."""

from __future__ import annotations

import re

import pytest

from app.core.html import ROOT

HEX = re.compile(r"--([a-z0-9-]+): (#[0-9a-f]{6});")
TEXT = 4.5
EDGE = 3.0
GROUNDS = ("ground", "surface", "hover")
PAIRS = [("ink", each, TEXT) for each in GROUNDS]
PAIRS += [("muted", each, TEXT) for each in GROUNDS]
PAIRS += [("accent", each, TEXT) for each in ("ground", "surface")]
PAIRS += [("bad-ink", each, TEXT) for each in ("ground", "surface")]
PAIRS += [(f"{tone}-ink", f"{tone}-ground", TEXT) for tone in ("accent", "good", "warn", "bad")]
PAIRS += [("on-accent", "accent", TEXT), ("on-accent", "accent-hover", TEXT)]
PAIRS += [("strong-line", each, EDGE) for each in ("ground", "surface")]
PAIRS += [(f"series-{number}", "surface", EDGE) for number in (1, 2, 3, 5, 6, 7, 8)]


def colours(sheet: str) -> dict[str, str]:
    return dict(HEX.findall((ROOT / "static" / "css" / sheet).read_text()))


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb" (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_has_the_greatest_contrast() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_dark_has_every_colour_that_light_has() -> None:
    assert colours("tokens-dark.css").keys() == colours("tokens.css").keys()


@pytest.mark.parametrize("sheet", ["tokens.css", "tokens-dark.css"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_words_and_edges_stand_out_from_their_ground(sheet: str, front: str, back: str, least: float) -> None:
    known = colours(sheet)
    assert contrast(known[front], known[back]) >= least
