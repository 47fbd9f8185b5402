"""What this worker says of itself: every few seconds, from a thread, since the process is busy with its job."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.core import storage
from app.core.db import transaction
from app.runs import workers
from app.runs.workers import Presence

log = structlog.get_logger()
EVERY = 15.0
ASKED = ("index", "name", "memory.used", "memory.total", "utilization.gpu", "temperature.gpu", "uuid")
MIB = 2**20

Cards = Callable[[], list[dict[str, Any]]]

_ending = threading.Event()


def begin(name: str, service: str, queues: str, cards: Cards | None = None) -> None:
    """Say so now, and again until `end`. cards: which ones to tell of, where not of all that it sees."""
    _ending.clear()
    told = (name, service, queues, cards or devices)
    threading.Thread(target=_go_on, args=told, name="presence", daemon=True).start()


def end(name: str) -> None:
    _ending.set()
    try:
        with transaction() as session:
            workers.leave(session, name)
    except SQLAlchemyError as problem:
        log.warning("leaving without a word", problem=str(problem)[:200])


def _go_on(name: str, service: str, queues: str, cards: Cards) -> None:
    while not _ending.is_set():
        try:
            with transaction() as session:
                workers.note(session, Presence(name, service, queues, machine(), cards()))
        except (SQLAlchemyError, OSError) as problem:  # the database is away: the next word will do
            log.warning("not heard", problem=str(problem)[:200])
        _ending.wait(EVERY)


def machine() -> dict[str, Any]:
    """Cores, load of the last minute, memory and free storage in bytes."""
    page = os.sysconf("SC_PAGE_SIZE")
    root = storage.root()
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "memory_total": os.sysconf("SC_PHYS_PAGES") * page,
        "memory_free": os.sysconf("SC_AVPHYS_PAGES") * page,
        "storage_free": shutil.disk_usage(root if root.exists() else "/").free,
    }


def devices() -> list[dict[str, Any]]:
    """The graphics cards that NVIDIA's own program tells of, of those that this process may use; [] without any."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", f"--query-gpu={','.join(ASKED)}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return visible(read(answer.stdout), os.environ.get("CUDA_VISIBLE_DEVICES")) if answer.returncode == 0 else []


def read(text: str) -> list[dict[str, Any]]:
    """A line a card; what a card does not tell is null. Memory in bytes, use as a share, temperature in °C."""
    rows = [row for row in csv.reader(io.StringIO(text), skipinitialspace=True) if len(row) == len(ASKED)]
    return [
        {
            "index": int(index),
            "name": name,
            "memory_used": _scaled(used, MIB),
            "memory_total": _scaled(total, MIB),
            "use": _scaled(use, 0.01),
            "temperature": _scaled(temperature, 1),
            "uuid": uuid,
        }
        for index, name, used, total, use, temperature, uuid in rows
    ]


def _scaled(text: str, unit: float) -> float | None:
    try:
        return float(text) * unit
    except ValueError:  # [N/A], [Not Supported]
        return None


def visible(cards: list[dict[str, Any]], allowed: str | None) -> list[dict[str, Any]]:
    """By CUDA_VISIBLE_DEVICES: all where it is unset; names of cards other than numbers are not told apart."""
    if allowed is None or not all(each.strip().isdecimal() for each in allowed.split(",") if each.strip()):
        return cards
    numbers = {int(each) for each in allowed.split(",") if each.strip()}
    return [card for card in cards if card["index"] in numbers]
