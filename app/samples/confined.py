"""Decoding, where it cannot hurt: in a process of its own with limits on memory and time, never in this one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson
import structlog

from app.core.html import ROOT
from app.core.language import gettext as _
from app.samples import refusals
from app.samples.refusals import NotPrepared, TooCostly

log = structlog.get_logger()
SECONDS = 300.0
"""How long one file may take by the clock; the process's own limits are in `app.samples.preparing`."""

MEMORY = 3 * 2**30
"""Bytes of address space that one file may have; a picture of 100 megapixels needs a fraction, being read in strips."""

EMBEDDED = "embedded:"
"""How the name of a picture begins that a table's row carried within it."""

REFUSED = b"!"
"""How the line begins in which the reader of tables says what is wrong: rows begin with a brace."""

SECRETS = ("DATABASE_URL", "BROKER_URL", "SECRET_KEY", "OPENAI_API_KEY")


def perform(work: str, source: Path, target: Path, where: str, **more: Any) -> dict[str, Any]:
    """Have `app.samples.preparing` do one piece of work on a file; its answer. Raises what it refuses, and TooCostly.

    work: convert, picture, probe or video. target: the file or folder that it writes.
    """
    order = orjson.dumps({"work": work, "source": str(source), "target": str(target), **more})
    try:
        done = subprocess.run(
            [sys.executable, "-m", "app.samples.preparing"],
            input=order,
            capture_output=True,
            timeout=SECONDS,
            cwd=ROOT,
            env=_environment(),
        )
    except subprocess.TimeoutExpired:
        raise TooCostly(
            _("The file takes longer than %(seconds)s seconds to prepare.", seconds=f"{SECONDS:.0f}"), where
        ) from None
    lines = done.stdout.splitlines()
    if not lines and done.returncode > 0:
        log.error("preparing failed", where=where, work=work, problem=done.stderr.decode(errors="replace")[-2000:])
        raise NotPrepared(_("The file could not be prepared; the worker's log says why."), where)
    if not lines:  # ended by a signal: one of its limits
        raise TooCostly(_("The file needs more memory or time than one file may have."), where)
    answer: dict[str, Any] = orjson.loads(lines[-1])
    if "error" in answer:
        raise getattr(refusals, answer["error"])(answer["message"], where)
    return answer


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return {**kept, "VIPS_CONCURRENCY": "1", "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}


@contextmanager
def reading(**order: Any) -> Iterator[tuple[IO[bytes], subprocess.Popen[bytes]]]:
    """What `app.samples.columnar` writes about tables while it reads them, and its process, which ends with the block.

    work: rows or count. parts: paths of the tables; of rows also aside and skip.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "app.samples.columnar"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=_environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin as given:
            given.write(orjson.dumps(order))
        yield process.stdout, process
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def convert(content: bytes, where: str) -> bytes:
    """A picture of any format that we read as an upright PNG in sRGB, without metadata."""
    with tempfile.TemporaryDirectory(prefix="assay-convert-") as folder:
        source, target = Path(folder) / "source", Path(folder) / "target.png"
        source.write_bytes(content)
        perform("convert", source, target, where)
        return target.read_bytes()
