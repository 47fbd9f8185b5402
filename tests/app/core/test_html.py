"""Markdown that people and models write is shown, never run."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.html import TAGS, markdown

HARMLESS = ("http:", "https:", "mailto:", "/", "#", "?")
HOSTILE = """
<script>|</script>|<img src=x onerror=alert(1)>|<svg/onload=alert(1)>|<iframe srcdoc=|<style>|<!--|-->|<![CDATA[
javascript:alert(1)|JaVa\tScript:alert(1)|&#106;avascript:alert(1)|data:text/html,<script>|vbscript:x|&lt;|\x00
[x](|](|)|![|[x]: |<|>|<http://a|"onclick=|' onmouseover=alert(1) x='|`|```|$|$$|$<script>$|    |> |- |# |**
<a href=javascript:x>|<math><mi xlink:href='javascript:x'>|~~|\\|\u202e
"""
BREAKS = ["\n", "\n\n", "```\n", "| a |\n|---|\n"]
PIECES = st.sampled_from([piece for line in HOSTILE.strip().split("\n") for piece in line.split("|")] + BREAKS)


class Reader(HTMLParser):
    """Notes the elements, attributes and addresses that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen += [(tag, "", ""), *((tag, name, value or "") for name, value in attrs)]


def harm(html: str) -> list[tuple[str, str, str]]:
    """What in a piece of HTML could run, load or take over."""
    reader = Reader()
    reader.feed(html)
    return [
        (tag, name, value)
        for tag, name, value in reader.seen
        if tag not in TAGS - {"img"}
        or name.startswith("on")
        or name in {"style", "src", "srcset", "id", "action", "formaction"}
        or (
            name == "href"
            and not value.lower().startswith(("http:", "https:", "mailto:", "/", "#", "?"))
            and ":" in value
        )
    ]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "<img src=x onerror=alert(1)>",
        "![x](https://elsewhere.example/pixel.png)",
        '<a href="x" onclick="y">z</a>',
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
    ],
)
def test_markup_in_a_response_cannot_run(text: str) -> None:
    assert harm(markdown(text)) == []


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.lists(PIECES | st.text(max_size=8), max_size=14).map("".join))
def test_no_text_whatever_becomes_a_script_a_handler_or_a_dangerous_address(text: str) -> None:
    assert harm(markdown(text)) == []


def test_what_could_harm_is_recognised() -> None:
    """The reader of the test above is not blind."""
    harmful = '<script></script><a href="javascript:x">y</a><b onclick="z">w</b><img src="q">'
    assert {tag for tag, _name, _value in harm(harmful)} == {"script", "a", "b", "img"}


def test_maths_is_left_for_the_browser_to_draw() -> None:
    assert '<span class="math">a_1 &lt; b</span>' in markdown("so $a_1 < b$ holds")


def test_a_table_is_a_table() -> None:
    assert "<table>" in markdown("| a | b |\n|---|---|\n| 1 | 2 |")
