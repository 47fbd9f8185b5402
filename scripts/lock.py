"""Pin every dependency of every group by version and hashes: pyproject.toml's ranges → locks/GROUP.txt.

It needs uv: `scripts/install supply`.

`.venv/bin/python scripts/lock.py` keeps the versions that are locked and adds what pyproject.toml newly asks for;
`--upgrade` takes the newest that the ranges allow. All groups are resolved together first, so that any of them can be
installed beside any other; a group's file holds what it adds to base. The files name no registry: hashes say which
files are meant, wherever they come from.

torch is not in them, nor the CUDA libraries that some of its builds bring: version 2.13.0 exists as several builds
(for processors, for each CUDA), each with other bytes, and the machine decides which is right.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "locks"
BUILD = "build"
"""What builds ourselves, and those of our dependencies that are published as source alone."""

OF_THE_MACHINE = re.compile(r"(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
HEAD = "# Made by scripts/lock.py; `scripts/install` installs from it and refuses a file whose hash is not here.\n"


def groups() -> list[str]:
    """`base` and the optional groups of pyproject.toml."""
    return ["base", *tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]]


def main() -> None:
    LOCKS.mkdir(exist_ok=True)
    upgrade = ["--upgrade"] if "--upgrade" in sys.argv[1:] else []
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    with tempfile.TemporaryDirectory() as folder:
        whole, build = Path(folder, "whole.txt"), Path(folder, "build.in")
        _known(whole)
        resolve(["pyproject.toml", "--all-extras", *upgrade], whole)
        build.write_text("\n".join(needs))
        keep(BUILD, blocks(resolve([str(build), "--constraint", str(whole)], Path(folder, "build.txt"))))
        base: list[str] = []
        for group in groups():
            extra = [] if group == "base" else ["--extra", group]
            made = Path(folder, f"{group}.txt")
            found = blocks(resolve(["pyproject.toml", *extra, "--constraint", str(whole)], made))
            keep(group, [block for block in found if block not in base])
            base = base or found


def _known(whole: Path) -> None:
    """What is locked already, for the resolver to prefer."""
    pins = {line for file in LOCKS.glob("*.txt") for line in re.findall(r"^[\w.-]+==[^\\\n]+", file.read_text(), re.M)}
    whole.write_text("\n".join(sorted(pins)))


def resolve(asked: list[str], into: Path) -> Path:
    uv = [Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    plain = ["--no-header", "--no-annotate", "--python-version", "3.11", "--output-file", into]
    subprocess.run([*uv, *plain, *asked], cwd=ROOT, check=True, env={**os.environ, "UV_INDEX_STRATEGY": "first-index"})
    return into


def blocks(made: Path) -> list[str]:
    """The resolver's blocks, each a pin and its hashes, without what the machine decides."""
    found = re.split(r"^(?=\S)", made.read_text(), flags=re.M)
    return [block for block in found if block.strip() and not OF_THE_MACHINE.match(block)]


def keep(group: str, found: list[str]) -> None:
    (LOCKS / f"{group}.txt").write_text(HEAD + "".join(found))
    print(f"locks/{group}.txt: {len(found)} packages")


if __name__ == "__main__":
    main()
