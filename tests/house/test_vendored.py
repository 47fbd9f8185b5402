"""The browser's libraries are byte for byte those that the lock was written for, each with its licence."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "static" / "vendor"
ADVICE = "fetch it anew by scripts/vendor.py; with --update where a pin was changed on purpose"


def _folders() -> dict[str, str]:
    """Package → its folder, as scripts/vendor.py pins them."""
    spec = importlib.util.spec_from_file_location("vendor", ROOT / "scripts" / "vendor.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return {package: folder for package, _version, folder, _files in script.PINS}


def test_every_vendored_file_has_the_sum_that_the_lock_says_and_no_other_file_is_there() -> None:
    lock, folders = json.loads((VENDOR / "lock.json").read_text()), _folders()
    wanted = {f"{folders[package]}/{name}": sha for package, row in lock.items() for name, sha in row["files"].items()}
    there = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "lock.json"
    }
    changed = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    assert not changed, f"{changed}: {ADVICE}"


def test_every_vendored_library_brings_its_licence() -> None:
    assert [folder for folder in _folders().values() if not (VENDOR / folder / "LICENSE").read_text().strip()] == []
