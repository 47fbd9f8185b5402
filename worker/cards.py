"""The graphics cards that this trainer holds, and all that its runs see.

A card is held by a lock on a file that is named after it, in a folder that the machine's trainers share. The run's
processes inherit the lock: should the trainer be killed, the card is free once the last of them has ended, not before.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from typing import Any

import structlog

from app.core.settings import settings
from worker import presence

log = structlog.get_logger()
NONE = "none"
VISIBLE = "CUDA_VISIBLE_DEVICES"
_held: dict[str, int] = {}
"""Name of a card → descriptor of its locked file."""


def claim() -> bool:
    """Hold as many cards as a run may have, if not yet; whether a run may begin. On a machine without any it may."""
    if _held:
        return True
    names = wanted()
    need = min(settings().gpus_per_run, len(names))
    for name in names:
        if len(_held) < need and (lock := _lock(name)) is not None:
            _held[name] = lock
    if len(_held) < need:
        log.warning("too few cards are free", wanted=need, of=names, free=list(_held))
        release()
        return False
    if _held:
        log.info("cards held", cards=held())
    return True


def release() -> None:
    while _held:
        os.close(_held.popitem()[1])


def held() -> list[str]:
    return list(_held)


def locks() -> list[int]:
    """What a run's process inherits."""
    return list(_held.values())


def wanted() -> list[str]:
    """The cards that this trainer may choose from: those that TRAINER_GPUS names, else those that it sees."""
    if settings().trainer_gpus:
        return [] if settings().trainer_gpus == NONE else _names(settings().trainer_gpus)
    if VISIBLE in os.environ:
        return _names(os.environ[VISIBLE])
    return [str(card["index"]) for card in presence.devices()]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip() and name.strip() != "-1"]


def environment(many: int) -> dict[str, str]:
    """What a run of so many processes sees: its cards alone, numbered as nvidia-smi numbers them."""
    if not _held and not settings().trainer_gpus:
        return {}
    return {VISIBLE: ",".join(held()[:many]), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def shown() -> list[dict[str, Any]]:
    """For the page of workers: the cards that are held, else those that others hold."""
    known = {name: card for card in presence.devices() for name in (str(card["index"]), card["uuid"]) if name}
    names, mine = held() or wanted(), bool(_held)
    return [{**known.get(name, _unknown(name)), "held": mine} for name in names]


def _unknown(name: str) -> dict[str, Any]:
    """A card of which nothing but its name is known."""
    asked = dict.fromkeys(("memory_used", "memory_total", "use", "temperature"))
    return {"index": name, "uuid": "", "name": "", **asked}


def _lock(name: str) -> int | None:
    """The descriptor of the card's locked file; None where another trainer holds it."""
    path = _path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _path(name: str) -> Path:
    """Of a card by its UUID, where nvidia-smi tells it: containers number their cards anew."""
    uuids = {str(card["index"]): card["uuid"] for card in presence.devices()}
    return settings().trainer_locks / re.sub(r"[^\w.-]", "_", uuids.get(name) or f"card-{name}")
