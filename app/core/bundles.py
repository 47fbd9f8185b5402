"""A page's stylesheets as one file and its scripts as one file, put together from `static/` when first asked for.

The source stays one behaviour a file; there is no build step. Modules keep their own scope: each becomes a function
that is called once, after those that it imports. Of the module syntax, what `static/js` uses is understood (named and
default imports, `export` before a declaration, one `export { … }`); anything else is refused by name.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from functools import cache
from pathlib import Path

STATIC = Path(__file__).resolve().parents[2] / "static"
PAGE = ["css/tokens.css", "css/base.css", "css/components.css", "css/app.css"]
BUNDLES = {
    "page.css": PAGE,
    "annotate.css": [*PAGE, "css/annotate.css"],
    "page.js": ["js/theme.js", "js/relative-time.js", "js/maths.js"],
    "annotate.js": [
        "js/theme.js",
        "js/relative-time.js",
        "js/maths.js",
        "vendor/sortable/Sortable.min.js",
        "js/annotate.js",
        "js/viewer.js",
    ],
}
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

IMPORT = re.compile(r'^import\s+(?:(?P<what>[^"\';]+?)\s+from\s+)?["\'](?P<path>[^"\']+)["\'];?[ \t]*$', re.M)
DECLARED = re.compile(r"^export\s+(?P<rest>(?:async\s+)?(?:function\*?|class|const)\s+(?P<name>[\w$]+))", re.M)
LISTED = re.compile(r"^export\s*\{(?P<names>[^}]*)\};?[ \t]*$", re.M)
# Comments that stand alone are for those who read the source; licences (`/*!`) stay.
TALK = re.compile(r"^[ \t]*(?://[^\n]*|/\*\*.*?\*/)[ \t]*\n", re.M | re.S)
LEFT = re.compile(r"^(?:import|export)\b.*$", re.M)


@cache
def address(name: str) -> str:
    """Where a bundle lives, with a mark of its content so that browsers may keep it for ever."""
    return f"/static/bundle/{name}?v={hashlib.sha256(text(name).encode()).hexdigest()[:12]}"


@cache
def text(name: str) -> str:
    """A bundle's content. Raises KeyError for a name that is not in BUNDLES."""
    if name.endswith(".css"):
        return "\n".join((STATIC / path).read_text() for path in BUNDLES[name])
    numbers: dict[str, int] = {}
    modules = [module for path in BUNDLES[name] for module in _with_imports(path, numbers, ())]
    return "\n".join(modules)


def _with_imports(path: str, numbers: dict[str, int], above: tuple[str, ...]) -> list[str]:
    """The module and those it imports that are not in `numbers` yet, imported ones first."""
    if path in above:
        raise ValueError(f"{path} imports itself, by {' → '.join(above)}")
    if path in numbers:
        return []
    source = (STATIC / path).read_text()
    imported = {found["path"]: _resolve(path, found["path"]) for found in IMPORT.finditer(source)}
    before = [module for each in imported.values() for module in _with_imports(each, numbers, (*above, path))]
    numbers[path] = len(numbers)
    return [*before, _scoped(path, source, {where: numbers[each] for where, each in imported.items()}, numbers[path])]


def _resolve(importer: str, path: str) -> str:
    if path.startswith("/static/"):
        return path.removeprefix("/static/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(importer), path))


def _scoped(path: str, source: str, modules: dict[str, int], number: int) -> str:
    """`const $3 = (() => { … return { what it exports }; })();`"""
    exported = {found["name"]: found["name"] for found in DECLARED.finditer(source)}
    for found in LISTED.finditer(source):
        pairs = [pair.split(" as ") for pair in found["names"].split(",") if pair.strip()]
        exported |= {pair[-1].strip(): pair[0].strip() for pair in pairs}
    code = IMPORT.sub(lambda found: _taken(found["what"], modules[found["path"]]), source)
    code = TALK.sub("", code) if path.startswith("js/") else code
    code = LISTED.sub("", DECLARED.sub(r"\g<rest>", code)).replace('import("./', 'import("/static/js/')
    if left := LEFT.search(code):
        raise ValueError(f"{path}: a bundle does not understand “{left[0][:80]}”")
    returned = ", ".join(name if name == local else f"{name}: {local}" for name, local in exported.items())
    return f"// {path}\nconst ${number} = (() => {{\n{code}\nreturn {{ {returned} }};\n}})();"


def _taken(what: str | None, number: int) -> str:
    """`a, { b as c }` of module 3 → `const { default: a, b: c } = $3;`"""
    if what is None:
        return ""
    default, _, named = what.partition("{")
    names = [f"default: {default.strip(' ,')}"] if default.strip(" ,") else []
    names += [name.strip().replace(" as ", ": ") for name in named.rstrip("} ").split(",") if name.strip()]
    return f"const {{ {', '.join(names)} }} = ${number};"
