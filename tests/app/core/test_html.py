"""Markdown that people and models write is shown, never run."""

from __future__ import annotations

import pytest

from app.core.html import markdown


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "<img src=x onerror=alert(1)>",
        '<a href="x" onclick="y">z</a>',
    ],
)
def test_markup_in_a_response_cannot_run(text: str) -> None:
    html = markdown(text)
    assert (
        "<script" not in html
        and 'href="javascript' not in html
        and "<img" not in html
        and '<a href="x" onclick' not in html
    )


def test_maths_is_left_for_the_browser_to_draw() -> None:
    assert '<span class="math">a_1 &lt; b</span>' in markdown("so $a_1 < b$ holds")


def test_a_table_is_a_table() -> None:
    assert "<table>" in markdown("| a | b |\n|---|---|\n| 1 | 2 |")
