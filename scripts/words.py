#!/usr/bin/env python3
"""Bring locale/*/LC_MESSAGES/assay.po up to the sources: new sentences come in untranslated, those that nothing says
any more go, translations stay. Prints what is left to translate.

Run from the root: .venv/bin/python scripts/words.py"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

sys.path.insert(0, str(Path(__file__).parent))
from ml_words import said_by_ml

ROOT = Path(__file__).resolve().parents[1]
KEYWORDS = {"_": None, "gettext": None, "N_": None, "plain": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
PAGES = {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}
SOURCES = [
    ("python", "app", "*.py", {}),
    ("python", "worker", "*.py", {}),
    ("jinja2.ext:babel_extract", "templates", "*.html", PAGES),
    ("javascript", "static/js", "*.js", {}),
]


def said() -> Iterator[tuple[str, str | tuple[str, ...], str | None]]:
    """Every sentence of the sources: its file, the sentence (or its two forms), its context."""
    for method, folder, pattern, options in SOURCES:
        for path in sorted((ROOT / folder).rglob(pattern)):
            name = str(path.relative_to(ROOT))
            for _line, message, _comments, context in extract_from_file(method, path, KEYWORDS, ["L10N:"], options):
                yield name, message, context
    yield from _help_of_configs()
    yield from ((name, sentence, None) for name, sentence in said_by_ml())


def _help_of_configs() -> Iterator[tuple[str, str, None]]:
    """What ml.config says about its fields: it knows no gettext, so its sentences are gathered here."""
    from ml import config, fields

    yield from (("ml/fields.py", words, None) for words in fields.NUMBERS.values())
    for recipe in config.RECIPES:
        for spec in config.fields_of(recipe):
            yield from (("ml/config.py", sentence, None) for sentence in (spec.label, spec.help) if sentence)
        yield from (("ml/presets.py", name, None) for name in config.PRESETS[recipe])
    yield from (("ml/fields.py", group, None) for group in config.GROUPS)


def gathered() -> Catalog:
    catalog = Catalog(domain="assay", project="Assay", fuzzy=False)
    for name, message, context in said():
        catalog.add(message, locations=[(name, 0)], context=context)
    return catalog


def update(path: Path) -> int:
    """Rewrite one catalogue; returns how many sentences have no translation yet."""
    with path.open("rb") as file:
        catalog = read_po(file, path.parts[-3])
    catalog.update(gathered(), no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    with path.open("wb") as file:
        write_po(file, catalog, width=120, sort_output=True, include_lineno=False, ignore_obsolete=True)
    bare = [m for m in catalog if m.id and not (m.string and all(m.string))]
    for message in bare:
        print(f"{path.parts[-3]}: {message.id!r} ({message.locations[0][0]})")
    return len(bare)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    left = sum(update(path) for path in sorted((ROOT / "locale").glob("*/LC_MESSAGES/assay.po")))
    print(f"{left} sentences to translate")
