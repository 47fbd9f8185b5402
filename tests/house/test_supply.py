"""What is installed is what was locked: every dependency by version and hashes, and each with its licence listed."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ASKED = {"base": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
LOCK = "lock anew by `.venv/bin/python scripts/lock.py`, then list licences by `.venv/bin/python scripts/licences.py`"


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def _blocks(group: str) -> dict[str, str]:
    """What a group's file locks: the head of each block (name, version, marker) → the hashes below it."""
    text = (ROOT / "locks" / f"{group}.txt").read_text()
    lines = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    return dict(re.findall(r"^(\S[^\\\n]*?) ?\\\n((?:    --hash=[^\n]*\n)+)", lines, re.M))


@pytest.mark.parametrize("group", [*ASKED, "build"])
def test_every_line_of_a_lock_is_a_pin_with_its_hashes_and_names_no_registry(group: str) -> None:
    text = (ROOT / "locks" / f"{group}.txt").read_text()
    blocks = _blocks(group)
    assert blocks and all("==" in head and re.search(r"sha256:[0-9a-f]{64}", sums) for head, sums in blocks.items())
    assert len(blocks) == len([line for line in text.splitlines() if line[:1] not in (" ", "#")]), LOCK
    assert "//" not in text and "index-url" not in text


@pytest.mark.parametrize("group", ASKED)
def test_what_a_group_asks_for_is_locked_within_its_range(group: str) -> None:
    heads = [Requirement(head) for head in [*_blocks("base"), *_blocks(group)]]
    for asked in map(Requirement, ASKED[group]):
        if asked.name == "torch":  # its builds differ in their bytes; the machine chooses one
            continue
        pins = [head for head in heads if canonicalize_name(head.name) == canonicalize_name(asked.name)]
        found = [str(pin.specifier).removeprefix("==") for pin in pins]
        assert found and all(asked.specifier.contains(each) for each in found), f"{asked}: {found}; {LOCK}"


def test_every_installed_package_of_the_lock_is_listed_with_the_licence_that_it_states() -> None:
    listed = dict(re.findall(r"^\| (\S+) \| (.*) \|$", (ROOT / "docs" / "licences.md").read_text(), re.M))
    for name, found, group, said in _script("licences").rows():
        assert name in listed, f"{name} is not in docs/licences.md: {LOCK}"
        if listed[name].startswith(f"{found} | "):  # another version may say it otherwise
            assert listed[name] == f"{found} | {group} | {said}", LOCK


def test_torch_is_asked_for_by_its_exact_version_since_no_hash_can_name_all_its_builds() -> None:
    assert [Requirement(each).specifier for each in ASKED["ml"] if each.startswith("torch")] == ["==2.13.0"]
