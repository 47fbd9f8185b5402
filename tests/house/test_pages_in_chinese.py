"""Nothing is left in English where somebody reads Chinese: every page is opened and read."""

from __future__ import annotations

import re
from collections.abc import Iterator

import lxml.html
import pytest
from lxml.html import HtmlElement
from sqlalchemy.orm import Session

from app.core.language import catalogue
from tests.house.test_access import BY_COLLEAGUE, CALLERS, address, rows
from tests.house.world import build, nothing_stays

READ = ("aria-label", "title", "placeholder", "alt")
UNREAD = {"script", "style", "code", "pre", "kbd", "textarea", "option"}
"""`option`, `textarea`: their content is what is written into files and projects; labels stand beside it."""
WRITTEN = re.compile(
    r"^$|^first$|Question \d|question \d|Reply number|Streets|Forests|@example|Because of|The first is complete"
    r"|Two questions in one"
    r"|The guidelines changed|It names everything|It was stopped|people in the picture|people wait|umbrellas|red car"
    r"|bus and a dog|private person|harmless question|is wrong|is missing|, with context|People wait"
    r"|A C B=D|expand, reward, score"
)
"""What people of this world have written, the examples of the rubric that a project begins with, and names."""
SENTENCE = re.compile(r"[A-Za-z]+(?:[ ,]+[A-Za-z]+){2,}")


def said(element: HtmlElement) -> Iterator[str]:
    """Texts that a reader sees or hears."""
    if isinstance(element.tag, str) and element.tag not in UNREAD and element.get("lang") != "en":
        yield from (element.get(name) for name in READ if element.get(name))
        yield element.text or ""
        for child in element:
            yield from said(child)
    yield element.tail or ""


@pytest.fixture(scope="module")
def english() -> set[str]:
    """The catalogue's own sentences: none may reach a reader of Chinese as it is."""
    translated = catalogue("zh-CN")
    return {str(each.id) for each in translated if isinstance(each.id, str) and each.string not in ("", each.id)}


def test_no_page_speaks_english_to_a_reader_of_chinese(session: Session, english: set[str]) -> None:
    world, left = build(session), []
    with nothing_stays() as client:
        for row in rows():
            if row.method != "GET":
                continue
            caller = BY_COLLEAGUE.get(row.guard, row.guard if row.guard in CALLERS else "platform")
            headers = {**world.callers[caller], "accept": "text/html", "accept-language": "zh-CN"}
            answer = client.get(address(row, world.own), headers=headers)
            if not answer.headers.get("content-type", "").startswith("text/html") or not answer.text.strip():
                continue
            for text in {
                " ".join(each.split()) for each in said(lxml.html.document_fromstring(answer.text).find("body"))
            }:
                if (text in english or SENTENCE.search(text)) and not WRITTEN.search(text):
                    left.append(f"{row.path}: {text}")
    assert not left, "\n".join(left)
