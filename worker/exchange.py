"""A trainer on a machine of its own: what a run reads is fetched and verified, what it leaves is put as it comes.

The platform's machine finds everything where its own trainers would have left it. Checkpoints and output are put aside
and moved to their place, with a list of their hashes; each time the database is asked whether the run is still ours.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from pathlib import Path

import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.core import storage
from app.core.db import transaction
from app.core.errors import Refusal
from app.core.language import gettext as _
from app.core.settings import settings
from app.runs import claims, kinds, needs
from app.runs.claims import Claim
from app.runs.lines import read_jsonl
from app.runs.needs import Need
from app.runs.refusals import ClaimLost
from worker.away import SUMS, Away, InputAbsent, InputDamaged

log = structlog.get_logger()
EVERY = 10.0
"""Seconds between looks for what the run has left."""

OWN = ("config.json", "inputs", "fence", "checkpoints", "output", "features")
"""What of a run's folder is this machine's own, or goes whole."""


class Halted(Refusal):
    """Nobody waits for what was being fetched."""


def of(claim: Claim) -> Exchange | None:
    """None on a machine that has the storage's folder."""
    return Exchange(claim) if settings().trainer_folder is not None else None


class Exchange:
    """Between this machine's folder of a run and the storage."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.name = f"runs/{claim.run_id}"
        self.folder = storage.run_folder(claim.run_id)
        self.away = Away(settings().storage_url)
        self.away.before_each = self._go_on_only_if_wanted
        self.due: list[int] = []
        """Steps whose checkpoints are reported, so that nobody goes on from one whose figures are unknown."""
        self.sent: set[str] = set()
        self.put: dict[str, tuple[int, int]] = {}
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def fetch(self) -> None:
        """All that the run reads, and what earlier trainers left of it. Raises InputAbsent, InputDamaged, ClaimLost."""
        self._fence_off()
        with transaction() as session:
            wanted = needs.of(session, self.claim.run_id)
        for need in wanted:
            self._get(need)
        self._get_own()

    def _go_on_only_if_wanted(self) -> None:
        if self._ending.is_set():
            raise Halted(_("Fetching was stopped."))

    def fetch_media(self) -> None:
        """Pictures that inputs/samples.jsonl names by the storage's own files. Raises InputAbsent, InputDamaged."""
        listed = self.folder / "inputs" / "samples.jsonl"
        for line in read_jsonl(listed) if listed.is_file() else []:
            for path in (Path(medium["path"]) for medium in line["media"]):
                if path.is_relative_to(storage.root()) and not path.exists():
                    self._get_blob(path)

    def begin(self) -> None:
        """Put what the run leaves from now on."""
        self._thread = threading.Thread(target=self._go_on, name="exchange", daemon=True)
        self._thread.start()

    def rest(self) -> None:
        """Fetch nothing more, and put nothing more by itself."""
        self._ending.set()

    def end(self, well: bool) -> None:
        """Put the rest; the output where the run ended well. Raises ClaimLost, OSError and what the driver raises."""
        self.rest()
        if self._thread is not None:
            self._thread.join()
        self._round()
        if well:
            self._hold()
            self.away.put_folder(self.folder / "output", f"{self.name}/output", str(self.claim.fence))

    def clear(self) -> None:
        """The run's folder here; the storage has all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _go_on(self) -> None:
        while not self._ending.wait(EVERY):
            try:
                self._round()
            except ClaimLost:
                return
            except SQLAlchemyError as problem:
                log.warning("nothing put while the database is away", problem=str(problem)[:200])
            except Exception as problem:  # a driver's own errors: the next look will do
                log.warning("not put", run=self.claim.run_id, problem=f"{type(problem).__name__}: {problem}"[:300])

    def _round(self) -> None:
        self._hold()
        for step in list(self.due):
            self._put_checkpoint(f"step-{step:08d}")
            self.due.remove(step)
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if name.split("/")[0] not in OWN and not name.endswith(".aside") and path.is_file():
                self._put_changed(path, name)

    def _put_checkpoint(self, name: str) -> None:
        here, there = self.folder / "checkpoints" / name, f"{self.name}/checkpoints"
        if name in self.sent or not here.is_dir():
            return
        try:
            self._hold()
            self.away.put_folder(here, f"{there}/{name}", str(self.claim.fence))
        except FileNotFoundError:  # an old one, which the run has given up meanwhile
            return
        self.sent.add(name)
        log.info("checkpoint put", run=self.claim.run_id, checkpoint=name)
        kept = {path.name for path in (self.folder / "checkpoints").iterdir()}
        for old in self.away.entries(there).keys() - kept - {name}:
            (self.away.remove if old.endswith(".aside") else self.away.give_up)(f"{there}/{old}")

    def _put_changed(self, path: Path, name: str) -> None:
        about = path.stat()
        now = about.st_size, about.st_mtime_ns
        if self.put.get(name) != now:
            self.away.put(path, f"{self.name}/{name}")
            self.put[name] = now

    def _hold(self) -> None:
        """Raises ClaimLost where the run is not ours any more."""
        with transaction() as session:
            claims.held(session, self.claim)

    def _fence_off(self) -> None:
        """Processes on the platform's machine that had the run earlier write nothing more. Raises ClaimLost."""
        self._hold()
        name = f"{self.name}/fence"
        if int(self.away.read(name) or 0) > self.claim.fence:
            raise ClaimLost(_("A later worker has this run."), f"fence {self.claim.fence}")
        self.away.write(name, str(self.claim.fence).encode())

    def _get(self, need: Need) -> None:
        here = storage.root() / need.folder
        if not self._is_here(here, need):
            self.away.get_folder(need.folder, here)
            if not self._is_here(here, need):
                raise InputDamaged(_("%(name)s is not what it was when it was kept.", name=need.folder), need.folder)
        if (meta := here / "meta.json").is_file() and (base := needs.portable(_base_of(meta))):
            with transaction() as session:
                beneath = needs.checkpoint(session, base)
            if beneath.folder != need.folder:
                self._get(beneath)

    def _is_here(self, here: Path, need: Need) -> bool:
        """Whether the folder on this machine is the one that is meant."""
        if not here.is_dir():
            return False
        if need.sha256:
            return kinds.sha256_of_folder(here) == need.sha256
        listed = (here / SUMS).read_bytes() if (here / SUMS).is_file() else b""
        if need.listed:
            return hashlib.sha256(listed).hexdigest() == need.listed
        if listed:
            return listed == self.away.read(f"{need.folder}/{SUMS}")
        sizes = self.away.sizes(need.folder)
        return bool(sizes) and all((here / n).is_file() and (here / n).stat().st_size == s for n, s in sizes.items())

    def _get_blob(self, path: Path) -> None:
        name = path.relative_to(storage.root()).as_posix()
        if not self.away.has(name):
            raise InputAbsent(_("%(folder)s is not in the storage.", folder=name), name)
        self.away.get(name, path)
        if storage.sha256_of(path) != path.name:
            path.unlink()
            raise InputDamaged(_("%(name)s is not what it was when it was kept.", name=name), name)

    def _get_own(self) -> None:
        """What earlier trainers left of the run: the last whole checkpoint, and files beside it."""
        for path in self.folder.iterdir():
            if path.name != "fence":
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for name, is_folder in self.away.entries(self.name).items():
            # The lines that are known are in the database; the file may end before them (`repeats.restore`).
            if name not in (*OWN, "metrics.jsonl", "log.txt") and not name.endswith(".aside"):
                for file in self.away.sizes(f"{self.name}/{name}") if is_folder else [""]:
                    whole = f"{name}/{file}" if file else name
                    self.away.get(f"{self.name}/{whole}", self.folder / whole)
        for step in sorted(self.away.entries(f"{self.name}/checkpoints"), reverse=True):
            if step.startswith("step-") and not step.endswith(".aside") and self._get_checkpoint(step):
                return

    def _get_checkpoint(self, step: str) -> bool:
        here = self.folder / "checkpoints" / step
        try:
            self.away.get_folder(f"{self.name}/checkpoints/{step}", here)
        except (InputDamaged, InputAbsent) as problem:  # the one before it will do
            log.warning("checkpoint passed by", run=self.claim.run_id, why=problem.what)
            return False
        (here / SUMS).unlink(missing_ok=True)
        self.sent.add(step)
        return True


def _base_of(meta: Path) -> str:
    return str(orjson.loads(meta.read_bytes()).get("base") or "")
