"""The reader's language: which one it is, and every sentence in it. docs/design.md says how to write a new sentence.

Sentences stand in the sources in English and are the keys of standard gettext catalogues (locale/…/assay.po), which are
read at the first use. A request's language is the reader's own choice, else the browser's; a job's is English, and what
it stored is put into the reader's language when it is shown (`told`)."""

from __future__ import annotations

import gettext as standard
import hashlib
import io
import re
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from markupsafe import Markup

FOLDER = Path(__file__).resolve().parents[2] / "locale"
LANGUAGES = {"en": "English", "zh-CN": "简体中文"}
"""BCP 47 code → the language's name in itself."""
FORMATS = {"en": "en_GB", "zh-CN": "zh_Hans_CN"}
"""BCP 47 code → the locale whose dates and numbers are written."""
_HOLE = re.compile(r"%\((\w+)\)s|%%")


@dataclass
class Reader:
    """For whom a request is answered. One object a request: the guard that finds the person tells their language."""

    language: str = "en"


_reader: ContextVar[Reader] = ContextVar("reader")


def listen(chosen: str | None, accepted: str) -> None:
    """A request begins: `chosen` is its cookie, `accepted` its Accept-Language header."""
    _reader.set(Reader(chosen if chosen in LANGUAGES else _first_known(accepted)))


def speak(language: str | None) -> None:
    """The person is known: their own choice, where they made one, goes before the browser's."""
    reader = _reader.get(None)
    if language in LANGUAGES and reader is not None:
        reader.language = language


def language() -> str:
    reader = _reader.get(None)
    return reader.language if reader else "en"


def formats() -> str:
    """The locale, as Babel names it, of the reader's dates and numbers."""
    return FORMATS[language()]


def _first_known(accepted: str) -> str:
    """The best-loved language of the header that there is; every Chinese is answered in simplified."""
    wishes: list[tuple[float, int, str]] = []
    for part in accepted[:500].split(","):
        name, _sep, quality = part.strip().partition(";q=")
        try:
            wishes.append((-float(quality or 1), len(wishes), name.lower()))
        except ValueError:
            continue
    for weight, _place, name in sorted(wishes):
        if weight < 0 and (known := {"en": "en", "zh": "zh-CN"}.get(name.partition("-")[0])):
            return known
    return "en"


def gettext(message: str, **values: object) -> str:
    """The sentence in the reader's language, with each `%(name)s` filled in; a percent sign is written `%%`."""
    return _filled(_translations(language()).gettext(message), values) if message else ""  # "": the catalogue's head


_ = gettext


def ngettext(one: str, many: str, num: int, **values: object) -> str:
    """The sentence for `num` things; `%(num)s` is the number as the reader writes it."""
    text = _translations(language()).ngettext(one, many, num)
    return _filled(text, {"num": f"{num:,}", **values})


def pgettext(context: str, message: str, **values: object) -> str:
    """As gettext, for a word that means two things: `context` says which, and is never shown."""
    return _filled(_translations(language()).pgettext(context, message), values)


def N_(message: str) -> str:
    """Only marks a sentence for the catalogue; what shows it later passes it through `told`."""
    return message


def spoken_in(language: str | None, message: str, **values: object) -> str:
    """The sentence for somebody else than the reader: a letter goes out in its recipient's language."""
    return _filled(_translations(language if language in LANGUAGES else "en").gettext(message), values)


def plain(message: str, **values: object) -> str:
    """The sentence in English, for what is stored or kept for several readers: shown through `told`."""
    return _filled(message, values)


@lru_cache(maxsize=4096)
def _told(language: str, text: str) -> str:
    translations = _translations(language)
    if language == "en" or (text and (found := translations.gettext(text)) != text):
        return text if language == "en" else found
    for pattern, message in _patterns(language):
        if match := pattern.fullmatch(text):
            return _filled(translations.gettext(message), {k: _told(language, v) for k, v in match.groupdict().items()})
    return text


def told(text: object) -> str | Markup:
    """A stored or foreign English sentence in the reader's language; what is in no catalogue stays as it is.

    Jobs, recipes and the database know no languages. Their sentences are found in the catalogue again, filled ones
    (“12 lines were left out”) by the shape of the sentence they were made from."""
    if text is None or isinstance(text, Markup):
        return text or ""
    return _told(language(), str(text))


def _filled(text: str, values: dict[str, object]) -> str:
    return _HOLE.sub(lambda hole: str(values[hole[1]]) if hole[1] else "%", text)


@cache
def catalogue(language: str) -> Catalog:
    with (FOLDER / language.replace("-", "_") / "LC_MESSAGES" / "assay.po").open("rb") as file:
        return read_po(file, language.replace("-", "_"))


@cache
def _translations(language: str) -> standard.NullTranslations:
    if language == "en":
        return standard.NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, catalogue(language))
    compiled.seek(0)
    return standard.GNUTranslations(compiled)


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """How each sentence with holes looks once it is filled, the most telling first."""
    found = []
    for message in catalogue(language):
        for text in [message.id] if isinstance(message.id, str) else message.id:
            words = _HOLE.sub("", text)
            if words != text and sum(letter.isalpha() for letter in words) >= 6:
                found.append((len(words), re.compile(_shape(text), re.DOTALL), text))
    return [(pattern, text) for _length, pattern, text in sorted(found, key=lambda one: -one[0])]


def _shape(text: str) -> str:
    """“%(n)s lines” → the regular expression of what it becomes."""
    shape, at, seen = "", 0, set[str]()
    for hole in _HOLE.finditer(text):
        name = hole[1]
        here = "%" if name is None else f"(?P={name})" if name in seen else f"(?P<{name}>.+?)"
        shape, at = shape + re.escape(text[at : hole.start()]) + here, hole.end()
        seen.add(name or "")
    return shape + re.escape(text[at:])


@cache
def script_words(language: str) -> dict[str, str | list[str]]:
    """The sentences that scripts say, for static/js/words.js: English → translation, or its plural forms."""
    return {
        message.id if isinstance(message.id, str) else message.id[0]: _forms(message.string)
        for message in (catalogue(language) if language != "en" else [])
        if message.id and message.string and any(path.startswith("static/js/") for path, _line in message.locations)
    }


def _forms(string: str | tuple[str, ...] | list[str]) -> str | list[str]:
    return string if isinstance(string, str) else list(string)


@cache
def script_words_version(language: str) -> str:
    return hashlib.sha256(repr(script_words(language)).encode()).hexdigest()[:12]


def script_words_address() -> str:
    """Where scripts fetch their sentences; empty for English, which they carry themselves."""
    here = language()
    return "" if here == "en" else f"/language/{here}.js?v={script_words_version(here)}"
