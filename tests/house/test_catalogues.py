"""Whatever a person reads stands in the catalogue of every language; nothing in a page or script speaks past it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from app.core.language import LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
CATALOGUES = sorted((ROOT / "locale").glob("*/LC_MESSAGES/assay.po"))
JINJA = r"\{\{.*?\}\}|\{%.*?%\}"
TOKEN = re.compile(
    r"(?P<skip>\{#.*?#\}|<!--.*?-->|\{%-?\s*(?:trans\b|set \w+ ?%\}).*?end(?:trans|set)\s*-?%\}"
    r"|<(?P<raw>script|code|kbd|pre|svg)\b.*?</(?P=raw)>)"
    rf"|(?P<jinja>{JINJA})|(?P<tag><[!/a-zA-Z](?:{JINJA}|[^>])*>)|(?P<text>(?:(?!\{{[#%{{]|<[!/a-zA-Z]).)+)",
    re.S,
)
SHOWN = re.compile(rf'\s(?:title|placeholder|aria-label|alt|label)="((?:{JINJA}|[^"])*)"', re.S)
WORD = re.compile(r"[A-Za-z]{2,}")
NAMES = {"Assay", "CSV", "UTC", "px"}
"""Words that are the same in every language."""


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def gathered() -> Catalog:
    sys.path.insert(0, str(ROOT / "scripts"))
    from words import gathered

    return gathered()


def test_every_language_but_english_has_its_catalogue() -> None:
    assert {path.parts[-3].replace("_", "-") for path in CATALOGUES} == set(LANGUAGES) - {"en"}


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_a_catalogue_is_complete_and_certain(path: Path) -> None:
    catalogue = read(path)
    said = {(message.id, message.context) for message in gathered() if message.id}
    known = {(message.id, message.context): message for message in catalogue if message.id}
    assert said <= set(known), f"run scripts/words.py: {list(said - set(known))[:10]}"
    bare = [message.id for message in known.values() if not (message.string and all(message.string)) or message.fuzzy]
    assert not bare, f"translate these in {path.relative_to(ROOT)}: {bare[:10]}"


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_a_translation_has_the_holes_of_its_sentence(path: Path) -> None:
    def holes(text: str) -> set[str]:
        return set(re.findall(r"%\((\w+)\)s", text))

    odd = []
    for message in read(path):
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        strings = [message.string] if isinstance(message.string, str) else list(message.string)
        wanted = set().union(*map(holes, ids))
        odd += [text for text in strings if message.id and not holes(text) <= wanted]
        odd += [text for text in strings if message.id and wanted - {"num"} - holes(text)]
    assert not odd, f"these lost or invented a %(name)s: {odd[:10]}"


def bare_texts(path: Path) -> list[str]:
    source = path.read_text()
    found = []
    for token in TOKEN.finditer(source):
        texts = [token["text"]] if token["text"] else SHOWN.findall(token["tag"]) if token["tag"] else []
        plain = [
            re.sub(JINJA, " ", text, flags=re.S) for text in texts if '="' not in re.sub(JINJA, "", text, flags=re.S)
        ]
        line = source.count("\n", 0, token.start()) + 1
        found += [
            f"{path.relative_to(ROOT)}:{line} {text.strip()[:60]!r}"
            for text in plain
            if set(WORD.findall(re.sub(r"&\w+;", "", text))) - NAMES
        ]
    return found


def test_no_template_speaks_past_the_catalogue() -> None:
    found = [text for path in sorted((ROOT / "templates").rglob("*.html")) for text in bare_texts(path)]
    assert not found, "say these through _(…), docs/design.md, Languages:\n" + "\n".join(found)


CHOSEN = re.compile(r"\"([^\"]*)\"\s+if\b|\belse\s+\"([^\"]*)\"|:\s*\"([^\"]*)\"")
"""A literal that a condition or a table of words chooses."""


def test_no_expression_of_a_template_chooses_between_words_of_one_language() -> None:
    found = []
    for path in sorted((ROOT / "templates").rglob("*.html")):
        for token in TOKEN.finditer(path.read_text()):
            outside = token["jinja"] or ""
            for _depth in range(4):  # the arguments of calls say for themselves what they are
                outside = re.sub(r"\([^()]*\)", "", outside)
            words = ["".join(groups) for groups in CHOSEN.findall(outside) if outside.startswith("{{")]
            shown = [each for each in words if each[:1] != "/" and set(WORD.findall(each)) - NAMES]
            found += [f"{path.relative_to(ROOT)}: {each!r}" for each in shown]
    assert not found, "say these through _(…), docs/design.md, Languages:\n" + "\n".join(found)


GIVEN = re.compile(r"\bui\.(?:badge|button|crumbs|empty|field|notice|page_head|stat)\(\"([^\"]+)\"(?! if)")


def test_no_part_of_a_page_is_given_a_bare_sentence() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {words!r}"
        for path in sorted((ROOT / "templates").rglob("*.html"))
        for words in GIVEN.findall(path.read_text())
        if path.name != "guide.html" and set(WORD.findall(words)) - NAMES
    ]
    assert not found, "say these through _(…), docs/design.md, Languages:\n" + "\n".join(found)


SPOKEN = re.compile(
    r"(?:textContent|innerText|\.title|placeholder)\s*=\s*(?P<quote>[\"`])(?P<text>[^\"`]*)(?P=quote)"
    r"|\b(?:say|tell|confirm|alert)\((?P<mark>[\"`])(?P<words>[^\"`]*)(?P=mark)"
)


def test_no_script_speaks_past_the_catalogue() -> None:
    found = [
        f"{path.name}: {match[0][:80]}"
        for path in sorted((ROOT / "static" / "js").glob("*.js"))
        for match in SPOKEN.finditer(path.read_text())
        if WORD.search(re.sub(r"\$\{[^}]*\}", "", match["text"] or match["words"] or ""))
    ]
    assert not found, "say these through _(…) of words.js:\n" + "\n".join(found)


def test_templates_give_only_sentences_to_the_catalogue() -> None:
    """What `_` returns is trusted as HTML: a value of a variable goes through the filter `told`, which escapes."""
    call = re.compile(r"(?<![\w.])_\((?!\s*\")(?![\w.]+, \*\*)[^)]*")  # a marked sentence with its values is one
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in sorted((ROOT / "templates").rglob("*.html"))
        for match in call.finditer(path.read_text())
    ]
    assert not found, f"write {{{{ … | told }}}} instead: {found}"
