"""List what Assay builds on, with licences: `.venv/bin/python scripts/licences.py` writes docs/licences.md.

Packages and groups are those of locks/, licences what each installed package says of itself (every group but `bench`
and `supply` must be installed); the browser's libraries are those of static/vendor, each beside its licence's text.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([\w.-]+)==([\w.+!-]+)", re.M)
UNLISTED = {"bench", "supply"}
"""The peers of benchmarks and the tools of supply are part of nothing that is shipped or tested."""

HEAD = """# Licences

What Assay (Apache-2.0) builds on. Made by `.venv/bin/python scripts/licences.py` from the locked packages that are
installed on Linux, by what each says of itself; `tests/house/test_supply.py` holds it against what is installed. The
pictures of the demonstration have [a list of their own](demonstration-media.md).

| package | version | group | licence |
|---|---|---|---|
"""
VENDORED = """
In the browser (`static/vendor`, each with its licence's text, held to the sums of `lock.json`):

| library | version | licence |
|---|---|---|
"""
COPYLEFT = """
Copyleft among them, to be heeded by who distributes a copy with its dependencies inside (an image, an appliance): """
SAID = {"uplot": "MIT", "sortablejs": "MIT", "@panzoom/panzoom": "MIT", "katex": "MIT"}
FONT = "OFL-1.1"


def locked() -> dict[str, list[tuple[str, str]]]:
    """Package → the versions that are locked (markers choose among them), each with its group."""
    found: dict[str, list[tuple[str, str]]] = {}
    for file in sorted((ROOT / "locks").glob("*.txt"), key=lambda file: (file.stem != "base", file.stem)):
        for name, version in PIN.findall(file.read_text()) if file.stem not in UNLISTED else []:
            found.setdefault(name, []).append((version, file.stem))
    return found


def licence(about: PackageMetadata) -> str:
    """What a package says of itself: an SPDX expression, else its classifiers, else the first line of its text."""
    if expression := about.get("License-Expression"):
        return expression
    classifiers = [each.split(" :: ")[-1] for each in about.get_all("Classifier") or [] if "License ::" in each]
    named = [each for each in classifiers if each != "OSI Approved"]
    first = ((about.get("License") or "").strip().splitlines() or [""])[0]
    return " or ".join(named) or first or "not said"


def rows() -> list[tuple[str, str, str, str]]:
    """Package, version, its groups and licence, of every locked package that is installed."""
    found = []
    for name, pins in [*locked().items(), ("torch", [("", "ml")])]:
        try:
            about = metadata(name)
        except PackageNotFoundError:  # another system's, or another Python's
            continue
        group = ", ".join(dict.fromkeys(group for _version, group in pins))
        found.append((name, about["Version"].split("+")[0], group, licence(about)))
    return sorted(found)


def vendored() -> list[tuple[str, str, str]]:
    lock = json.loads((ROOT / "static" / "vendor" / "lock.json").read_text())
    return [(name, row["version"], SAID.get(name, FONT)) for name, row in lock.items()]


def table(found: list[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in found)


def main() -> None:
    bound = ", ".join(f"{name} ({said})" for name, _version, _group, said in rows() if "GPL" in said)
    text = f"{HEAD}{table([*rows()])}{COPYLEFT}{bound}.\n{VENDORED}{table([*vendored()])}"
    (ROOT / "docs" / "licences.md").write_text(text)
    print(f"docs/licences.md: {len(rows())} packages")


if __name__ == "__main__":
    main()
