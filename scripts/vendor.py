"""Fetch the browser's libraries into static/vendor: pins, integrity, files, licences and a lock.

`python scripts/vendor.py` asks npm for each pinned package and copies the few files that pages load. The result is
committed, so that installing and running need no npm. A package whose sum differs from the lock's is refused;
`--update` accepts new pins and writes the lock anew.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[1] / "static" / "vendor"
LOCK = VENDOR / "lock.json"
INTER = [f"inter-{script}-wght-normal.woff2" for script in ("latin", "latin-ext", "greek", "cyrillic")]

# package, version, folder, {path in the package (a folder ends in "/": its .woff2 files): name in the folder}
PINS: list[tuple[str, str, str, dict[str, str]]] = [
    (
        "uplot",
        "1.6.32",
        "uPlot",
        {"dist/uPlot.esm.js": "uPlot.esm.js", "dist/uPlot.min.css": "uPlot.min.css", "LICENSE": "LICENSE"},
    ),
    ("sortablejs", "1.15.7", "sortable", {"Sortable.min.js": "Sortable.min.js", "LICENSE": "LICENSE"}),
    ("@panzoom/panzoom", "4.6.2", "panzoom", {"dist/panzoom.es.js": "panzoom.es.js", "MIT-License.txt": "LICENSE"}),
    (
        "katex",
        "0.19.1",
        "katex",
        {
            "dist/katex.mjs": "katex.mjs",
            "dist/katex.min.css": "katex.min.css",
            "dist/fonts/": "fonts/",
            "LICENSE": "LICENSE",
        },
    ),
    (
        "three",
        "0.187.0",
        "three",
        {"build/three.module.js": "three.module.js", "build/three.core.js": "three.core.js", "LICENSE": "LICENSE"},
    ),
    (
        "@fontsource-variable/inter",
        "5.3.0",
        "inter",
        {f"files/{name}": name for name in INTER} | {"LICENSE": "LICENSE"},
    ),
]


class IntegrityDiffers(Exception):
    """The registry's bytes are not those that the lock knows."""


def pack(package: str, version: str, into: Path) -> Path:
    """The package's archive, as `npm pack` leaves it."""
    done = subprocess.run(
        ["npm", "pack", "--silent", f"{package}@{version}"], cwd=into, check=True, capture_output=True, text=True
    )
    return into / done.stdout.strip().splitlines()[-1]


def integrity(archive: Path) -> str:
    """The archive's sum as npm writes it: sha512 in base 64."""
    return "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()


def wanted(name: str, files: dict[str, str]) -> str | None:
    """Where a member of the archive goes inside the library's folder, or None."""
    for source, target in files.items():
        if name == source:
            return target
        if source.endswith("/") and name.startswith(source) and name.endswith(".woff2"):
            return target + name.removeprefix(source)
    return None


def unpack(archive: Path, folder: Path, files: dict[str, str]) -> dict[str, str]:
    """Copy the wanted files; their names with SHA-256 sums."""
    sums: dict[str, str] = {}
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            target = wanted(member.name.removeprefix("package/"), files)
            content = tar.extractfile(member) if target else None
            if target is None or content is None:
                continue
            place = folder / target
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.read())
            sums[target] = hashlib.sha256(place.read_bytes()).hexdigest()
    return dict(sorted(sums.items()))


def main(update: bool) -> None:
    known = json.loads(LOCK.read_text()) if LOCK.exists() and not update else {}
    lock: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for package, version, folder, files in PINS:
            archive = pack(package, version, Path(scratch))
            found = integrity(archive)
            if known.get(package, {}).get("integrity", found) != found:
                raise IntegrityDiffers(
                    f"{package}@{version}: {found}, but lock.json says {known[package]['integrity']}"
                )
            shutil.rmtree(VENDOR / folder, ignore_errors=True)
            lock[package] = {"version": version, "integrity": found, "files": unpack(archive, VENDOR / folder, files)}
    LOCK.write_text(json.dumps(lock, indent=2) + "\n")


if __name__ == "__main__":
    main("--update" in sys.argv)
