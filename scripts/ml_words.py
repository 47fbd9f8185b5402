"""What `ml` says when it refuses, fails or notes something, read off its sources: it knows no gettext, so that its
f-strings are turned into the catalogue's sentences here, and `told` finds them again once they are filled."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("__main__", "judged", "merge", "published", "rewardbench", "safety", "tiny", "fence")
"""Modules whose refusals are read in a terminal, or by nobody."""
TOLD_FROM = ("__main__",)
"""Of these, functions that runs use all the same."""
Function = ast.FunctionDef | ast.Module


def said_by_ml() -> Iterator[tuple[str, str]]:
    """Each file under ml/ and a sentence of it that a run's page may show."""
    for path in sorted((ROOT / "ml").rglob("*.py")):
        if path.stem in TOOLS and path.stem not in TOLD_FROM:
            continue
        tree = ast.parse(path.read_text())
        helpers = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
        for function in (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)):
            for spoken in _spoken(function):
                for sentence in _sentences(spoken, function, helpers):
                    if _can_be_found(sentence):
                        yield str(path.relative_to(ROOT)), sentence


def _can_be_found(sentence: str) -> bool:
    """`told` knows a filled sentence again by its words, if they are enough; a bare one by itself."""
    words = re.sub(r"%\(\w+\)s", "", sentence)
    return bool(sentence) and sentence[:4] != "say:" and (words == sentence or sum(map(str.isalpha, words)) >= 6)


def _spoken(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """What is raised in a function with words, and what it notes."""
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            yield node.exc.args[-1]
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("note", "progress")
        ):
            yield node.args[0]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_note":
            yield node.args[1]


def _sentences(spoken: ast.expr, function: Function, helpers: dict[str, ast.FunctionDef]) -> Iterator[str]:
    """A string and the strings that are put into it: variables of the function, and what helpers answer."""
    match spoken:
        case ast.Constant(value=str(text)):
            yield text.replace("%", "%%")
        case ast.JoinedStr():
            yield _with_holes(spoken)
            for part in spoken.values:
                if isinstance(part, ast.FormattedValue):
                    yield from _sentences(part.value, function, helpers)
        case ast.IfExp():
            yield from _sentences(spoken.body, function, helpers)
            yield from _sentences(spoken.orelse, function, helpers)
        case ast.Name(id=name):
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and name in [getattr(each, "id", "") for each in node.targets]:
                    yield from _sentences(node.value, function, {})
        case ast.Call(func=ast.Name(id=name)) if name in helpers:
            for node in ast.walk(helpers[name]):
                if isinstance(node, ast.Return) and node.value is not None:
                    yield from _sentences(node.value, helpers[name], {})


def _with_holes(text: ast.JoinedStr) -> str:
    """f"{len(rows)} pictures" → "%(rows)s pictures": a hole is called by the last name in it."""
    known: dict[str, str] = {}
    parts = []
    for part in text.values:
        if isinstance(part, ast.FormattedValue):
            source = ast.unparse(part.value)
            if source not in known:
                names = [word for word in re.findall(r"[a-zA-Z_]\w*", re.sub(r"'[^']*'", "", source)) if word != "join"]
                name = names[-1].strip("_") if names else "value"
                known[source] = name if name not in known.values() else f"{name}{len(known) + 1}"
            parts.append(f"%({known[source]})s")
        elif isinstance(part, ast.Constant):
            parts.append(str(part.value).replace("%", "%%"))
    return "".join(parts)
