"""The run folder: config and inputs in, metric lines, checkpoints and outputs out. Plain files."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ml import fence
from ml.config import Config, ConfigError, validate
from ml.errors import MissingInput, Stopped

CHECKPOINT = "step-"
GONE = ".gone.aside"


class RunFolder:
    """One run. Metric lines are appended and flushed; everything else is written aside and renamed into place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.output = path / "output"
        self.checkpoints = path / "checkpoints"
        self.stopping = False
        """Set by SIGTERM; recipes look at it where they can stop."""
        self.leads = int(os.environ.get("WORLD_SIZE", "1")) < 2 or os.environ.get("RANK", "0") == "0"
        """Whether this process writes: of several on one training, only the first."""

    def config(self, recipe: str) -> Config:
        """The checked `config.json`. Raises ConfigError where it is absent, no JSON, or out of bounds."""
        try:
            values = json.loads((self.path / "config.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError("config.json", f"is not in {self.path}") from None
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ConfigError("config.json", f"is no JSON: {error}") from None
        if not isinstance(values, dict):
            raise ConfigError("config.json", "must hold one object")
        return validate(recipe, values)

    def halt(self) -> None:
        """A place where nothing is lost by stopping. Raises Stopped if the run was asked to."""
        if self.stopping:
            raise Stopped("asked to stop")

    def input(self, name: str) -> Path:
        """The path of an input. Raises MissingInput saying where it was sought."""
        found = self.path / "inputs" / name
        if not found.exists():
            raise MissingInput(f"inputs/{name} is not in {self.path}")
        return found

    def has(self, name: str) -> bool:
        return (self.path / "inputs" / name).exists()

    def metric(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """One point of every curve. A number that is not finite is written as null, and noted."""
        lost = [name for name, value in values.items() if not math.isfinite(value)]
        self._append("metric", step=step, split=split, values={n: None if n in lost else v for n, v in values.items()})
        if lost:
            self.note(f"step {step}, {split}: {', '.join(lost)} is not a finite number", "warning")

    def progress(self, phase: str, done: int, total: int) -> None:
        self._append("progress", phase=phase, done=done, total=total)

    def sample(self, step: int, title: str, text: str, **more: Any) -> None:
        self._append("sample", step=step, title=title, text=text, **more)

    def note(self, text: str, level: str = "info") -> None:
        self._append("note", level=level, text=text)
        print(f"{level}: {text}", file=sys.stderr, flush=True)

    def save_checkpoint(self, step: int, write: Callable[[Path], None], keep: int) -> Path:
        """Have `write` fill a folder aside, then rename it to its place: a checkpoint is complete or absent."""
        place = self.checkpoints / f"{CHECKPOINT}{step:08d}"
        if not self.leads:
            return place
        if not place.exists():
            write_folder(place, write)
            self._append("checkpoint", step=step, path=str(place.relative_to(self.path)))
        with fence.held(place):
            # Out of its place first: a process that is ended meanwhile leaves no half of it there.
            for old in self._complete_checkpoints()[:-keep]:
                old.replace(old.with_name(f"{old.name}{GONE}"))
            for gone in self.checkpoints.glob(f"*{GONE}"):
                shutil.rmtree(gone)
        return place

    def latest_checkpoint(self) -> tuple[int, Path] | None:
        """The step and folder of the last complete checkpoint, or None."""
        found = self._complete_checkpoints()
        return (int(found[-1].name.removeprefix(CHECKPOINT)), found[-1]) if found else None

    def result(self, values: Mapping[str, Any]) -> None:
        """The numbers that a run page shows first."""
        if self.leads:
            write_text(self.path / "result.json", as_json(values) + "\n")

    def _complete_checkpoints(self) -> list[Path]:
        return sorted(path for path in self.checkpoints.glob(f"{CHECKPOINT}*") if path.suffix != ".aside")

    def _append(self, kind: str, **values: Any) -> None:
        if not self.leads:
            return
        path = self.path / "metrics.jsonl"
        line = as_json({"kind": kind, "at": round(time.time(), 3), **values}) + "\n"
        with fence.held(path), path.open("ab") as file:
            file.write((b"" if ends_whole(path) else b"\n") + line.encode())


def ends_whole(path: Path) -> bool:
    """Whether the file is empty or ends in a newline: a killed writer leaves half a line."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file that may still be written; half-written ones are left out."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                value = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                continue
            if isinstance(value, dict):
                yield value


def as_json(value: Any) -> str:
    return json.dumps(finite(value), ensure_ascii=False, allow_nan=False)


def finite(value: Any) -> Any:
    """The same value with null for each number that JSON cannot hold."""
    if isinstance(value, Mapping):
        return {str(name): finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_text(path: Path, text: str) -> None:
    """Write aside, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".aside")
    with fence.held(path):
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    write_text(path, "".join(as_json(row) + "\n" for row in rows))


def append_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add whole lines to the end of a file, behind a newline if a killed writer left half a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with fence.held(path), path.open("ab") as file:
        file.write((b"" if ends_whole(path) else b"\n") + "".join(as_json(row) + "\n" for row in rows).encode())


def write_folder(place: Path, write: Callable[[Path], None]) -> None:
    """A folder that is complete or absent; one that stood there before is replaced.

    It is filled under a name of this process's own: another one at it would not meet this one's files. Raises
    Superseded before it is put in its place.
    """
    with fence.held(place):
        for left in place.parent.glob(f"{place.name}.*.aside"):
            shutil.rmtree(left, ignore_errors=True)
    aside = place.with_name(f"{place.name}.{os.getpid()}.aside")
    aside.mkdir(parents=True)
    write(aside)
    for path in aside.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    with fence.held(place):
        shutil.rmtree(place, ignore_errors=True)
        aside.replace(place)
