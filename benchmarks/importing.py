"""Import of a million generated lines: rate and memory in each tenth, killed on the way, gone on with, once more.

.venv/bin/python -m benchmarks.importing [--lines 20000]

Beside it what the same lines cost without a platform: parsed alone, and COPY into a table of one jsonb column in the
same database, which is the ceiling of any import that ends in PostgreSQL.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from benchmarks.measuring import _resident_mib

TENTHS = 10
KILLED_AT = 0.35
"""Share of the lines after which the first process is killed."""


def generate(folder: Path, lines: int, pictures: int) -> Path:
    """Lines of a prompt, a picture and two responses; pictures are small JPEGs that many lines share."""
    from PIL import Image

    for number in range(pictures):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), (number % 256, number // 256 % 256, 128)).save(buffer, "JPEG")
        (folder / f"{number}.jpg").write_bytes(buffer.getvalue())
    with (folder / "lines.jsonl").open("wb") as out:
        for number in range(lines):
            replies = [{"model": each, "text": f"By {each}, {number}: " + "a street at noon. " * 12} for each in "ab"]
            line = {"id": number, "image": f"{number % pictures}.jpg", "prompt": f"What is in picture {number}?"}
            out.write(orjson.dumps(line | {"responses": replies}) + b"\n")
    return folder / "lines.jsonl"


def bring(file: Path) -> dict[str, Any]:
    """What `assay import` does, in this process: begin or go on, to the end. Tells each tenth on standard output."""
    from app.annotations.bringing import keep
    from app.cli import _person, _project
    from app.core import db
    from app.samples import imports, local
    from app.samples.tables import Import

    with db.transaction() as session:
        row = local.begin(session, _project(session, "bench"), _person(session, ""), file, local.Wish())
    imports.perform(row.id, Telling(keep, file_lines(file), row.reached), fence=row.fence)
    with db.transaction() as session:
        ended = session.get_one(Import, row.id)
        return {"from": row.reached, "added": ended.added, "already": ended.already, "faulty": ended.faulty}


class Telling:
    """Keeps judgements with each batch; prints, about each tenth, how far, at what rate, and the memory held."""

    def __init__(self, keep: Any, lines: int, begun_at: int) -> None:
        self.keep, self.every, self.reached = keep, max(1, lines // TENTHS), begun_at
        self.clock, self.cpu = time.perf_counter(), time.process_time()

    def __call__(self, session: Any, row: Any, judged: Any) -> None:
        self.keep(session, row, judged)
        if (lines := row.reached - self.reached) >= self.every:
            clock, cpu = time.perf_counter(), time.process_time()
            told = {"reached": row.reached, "rate": lines / (clock - self.clock), "cpu_rate": lines / (cpu - self.cpu)}
            print(json.dumps(told | {"mib": _resident_mib()}), flush=True)
            self.clock, self.cpu, self.reached = clock, cpu, row.reached


def file_lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(block.count(b"\n") for block in iter(lambda: lines.read(1 << 20), b""))


def told(file: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """What a process of its own says while it imports."""
    command = [sys.executable, "-m", "benchmarks.importing", "--one", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield process, json.loads(line)


def measure(file: Path, title: str, until: float = math.inf) -> dict[str, Any]:
    """Import in a process that is killed, without a word, once it is beyond `until` lines."""
    print(f"\n{title}\n{'line':>10} {'lines/s':>9} {'lines/CPU s':>12} {'memory MiB':>11}", flush=True)
    last: dict[str, Any] = {}
    for process, last in told(file):
        if "rate" in last:
            print(
                f"{last['reached']:10,} {last['rate']:9,.0f} {last['cpu_rate']:12,.0f} {last['mib']:11.1f}", flush=True
            )
            if last["reached"] >= until:
                process.kill()
                break
    return last


def beside(file: Path) -> None:
    """The same lines parsed alone, and by COPY into one column of jsonb."""
    import psycopg

    from app.core.settings import settings

    lines = file_lines(file)
    clock = time.perf_counter()
    with file.open("rb") as source:
        for line in source:
            orjson.loads(line)
    parsed = lines / (time.perf_counter() - clock)
    url = settings().database_url_or_refuse().replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE bench_lines (line jsonb)")
        clock = time.perf_counter()
        with file.open("rb") as source, connection.cursor().copy("COPY bench_lines FROM STDIN") as copy:
            for line in source:
                copy.write(line.replace(b"\\", b"\\\\"))
        connection.commit()
        copied = lines / (time.perf_counter() - clock)
        connection.execute("DROP TABLE bench_lines")
    print(f"\nbeside it: parsed alone {parsed:,.0f} lines/s; COPY of the raw lines into jsonb {copied:,.0f} lines/s")


def run(lines: int, pictures: int, folder: Path) -> None:
    from app.accounts import actions as accounts
    from app.core import db
    from app.projects import actions as projects
    from benchmarks.agreement import database

    with database():
        with db.transaction() as session:
            author = accounts.add_user(session, "bench@example.org", "Bench", "correct horse battery", True)
            projects.create(session, author, "Bench")
        (folder / "in").mkdir()
        file = generate(folder / "in", lines, pictures)
        print(f"{lines:,} lines, {file.stat().st_size / 1e6:,.0f} MB, {pictures:,} pictures")
        measure(file, "first import, killed on the way", KILLED_AT * lines)
        gone_on = measure(file, "the same command again goes on")
        again = measure(file, "a second import of the same file")
        beside(file)
        db.engine().dispose()
    whole = gone_on["added"] == lines and gone_on["faulty"] == 0 and gone_on["from"] >= KILLED_AT * lines
    print(f"gone on from line {gone_on['from']:,}; {gone_on['added']:,} added in all, {gone_on['faulty']} faults")
    print(f"second import: {again['added']:,} added, {again['already']:,} there already")
    sys.exit(0 if whole and again["added"] == 0 and again["already"] == lines else 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--one", type=Path)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(bring(args.one)), flush=True)
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        os.environ |= {"ASSAY_DATA": folder, "STORAGE_URL": str(Path(folder) / "storage")}
        from app.core.settings import settings

        settings.cache_clear()
        run(args.lines, args.pictures, Path(folder))


if __name__ == "__main__":
    main()
