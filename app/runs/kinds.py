"""A kind is what a recipe needs before it starts and what the platform keeps of what it leaves."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.core import storage
from app.core.db import Session
from app.core.language import N_
from app.core.language import gettext as _
from app.runs import clustering, generating
from app.runs.lines import read_jsonl
from app.runs.refusals import NoApprovedCritiques, OutputMissing
from app.runs.tables import Approval, Checkpoint, Critique, Run, RunInput
from ml.config import Config

BATCH = 500
CHECKPOINT = "output/checkpoint"


@dataclass(frozen=True)
class Role:
    """An input by the part it plays: a dataset, or what a finished run of `recipe` leaves."""

    name: str
    label: str
    recipe: str = ""
    needed: Callable[[Config], bool] = lambda config: True
    read: Callable[[Config], bool] = lambda config: True
    """Whether the recipe reads it under this config: what it passes by is no input of the run, whatever was chosen."""


def _learns_expanded(config: Config) -> bool:
    return getattr(config, "critiques", "") == "expanded"


def _scales_beta(config: Config) -> bool:
    return getattr(config, "objective", "") == "mm_dpo" and getattr(config, "margins", "reward") == "reward"


def _given(config: Config) -> bool:
    return getattr(config, "critiques", "") == "given"


def _never(config: Config) -> bool:
    return False


DATASET = Role("dataset", N_("Dataset"))
CRITIQUES = Role("critiques", N_("Expanded critiques"), "expand", _learns_expanded, _learns_expanded)
GIVEN = Role("critiques", N_("Expanded critiques"), "expand", _never, _given)
REWARD = Role("reward", N_("Reward model"), "reward")
JUDGE = Role("reward", N_("Reward model as judge"), "reward", _never)
SCORES = Role("scores", N_("Scored pairs"), "score", _scales_beta, _scales_beta)
POLICY = Role("policy", N_("Aligned policy"), "mm_dpo")

Finish = Callable[[Session, Run, Path], None]


@dataclass(frozen=True)
class Kind:
    """One recipe as the platform sees it."""

    recipe: str
    title: str
    sentence: str
    roles: tuple[Role, ...]
    leaves: Finish | None = None
    """Keeps what the recipe left, where that is no checkpoint."""
    checkpoint: str = ""
    """Of which kind its checkpoint is, where it leaves one."""
    learns_from_pairs: bool = False
    brings: Callable[[Session, Run, Path], None] | None = None
    """Writes what the recipe reads of the project itself into the folder's inputs."""
    has_base: bool = False
    """Whether an empty field `base` means the platform's own base model."""

    def role(self, name: str) -> Role | None:
        return next((role for role in self.roles if role.name == name), None)


def prepare(session: Session, run: Run, folder: Path) -> None:
    """Write config.json and lay links to the inputs; twice is harmless. Raises NoApprovedCritiques, OutputMissing."""
    (folder / "inputs").mkdir(parents=True, exist_ok=True)
    _write(folder / "config.json", orjson.dumps({"recipe": run.recipe, **run.config}, option=orjson.OPT_INDENT_2))
    if brings := KINDS[run.recipe].brings:
        brings(session, run, folder / "inputs")
    for each in run.inputs:
        if each.role == "critiques":
            _write_critiques(session, each, folder / "inputs" / "critiques.jsonl")
        else:
            _link(folder / "inputs" / each.role, _target(each))


def sealed(recipe: str, folder: Path) -> str:
    """The hash of the checkpoint that a run left; empty for a recipe that leaves none. Raises OutputMissing.

    A large one takes minutes to read, so it is asked for before the run's row is locked.
    """
    place = folder / CHECKPOINT
    if not KINDS[recipe].checkpoint:
        return ""
    if not (place / "meta.json").is_file():
        raise OutputMissing(_("The process ended well but left no checkpoint."), CHECKPOINT)
    return sha256_of_folder(place)


def finish(session: Session, run: Run, folder: Path, sha256: str = "") -> None:
    """Keep what the run left: its numbers, and its critiques or checkpoint, `sealed`. Raises OutputMissing."""
    result = folder / "result.json"
    if not result.is_file():
        raise OutputMissing(
            _("The process ended well but left no result.json."), str(result.relative_to(storage.root()))
        )
    run.result = orjson.loads(result.read_bytes())
    kind = KINDS[run.recipe]
    if kind.checkpoint:
        _keep_checkpoint(session, run, kind.checkpoint, sha256)
    if kind.leaves:
        kind.leaves(session, run, folder)


def _target(each: RunInput) -> Path:
    if each.dataset_id is not None:
        return storage.dataset_folder(each.dataset_id)
    output = storage.run_folder(each.from_run_id or 0) / "output"
    found = output if each.role == "scores" else output / "checkpoint"
    if not found.is_dir():
        raise OutputMissing(
            _(
                "Run %(from_run_id)s left no %(name)s to read as %(role)s.",
                from_run_id=each.from_run_id,
                name=found.name,
                role=label_of(each.role),
            ),
            each.role,
        )
    return found


def _link(link: Path, target: Path) -> None:
    aside = link.with_name(f".{link.name}.aside")
    aside.unlink(missing_ok=True)
    aside.symlink_to(target.resolve())
    os.replace(aside, link)


def _write(path: Path, content: bytes) -> None:
    aside = path.with_name(path.name + ".aside")
    aside.write_bytes(content)
    os.replace(aside, path)


def _write_critiques(session: Session, each: RunInput, path: Path) -> None:
    """The approved critiques only; what nobody answered or somebody declined is not learnt from."""
    rows = session.execute(
        sa.select(Critique.sample_key, Critique.response_key, Critique.text)
        .join(Approval)
        .where(Critique.run_id == each.from_run_id, Approval.approved)
        .order_by(Critique.id)
    ).all()
    if not rows:
        raise NoApprovedCritiques(
            _("None of the critiques of run %(from_run_id)s is approved.", from_run_id=each.from_run_id), "critiques"
        )
    lines = [orjson.dumps({"sample": sample, "response": reply, "text": text}) for sample, reply, text in rows]
    _write(path, b"".join(line + b"\n" for line in lines))


def keep_critiques(session: Session, run: Run, folder: Path) -> None:
    """A row a critique, beside the human reason that it was made from. Twice is harmless."""
    dataset_id = next(each.dataset_id for each in run.inputs if each.role == "dataset")
    rows = [_critique(run.id, dataset_id, line) for line in read_jsonl(folder / "output" / "critiques.jsonl")]
    for start in range(0, len(rows), BATCH):
        session.execute(insert(Critique).values(rows[start : start + BATCH]).on_conflict_do_nothing())
    if run.group is not None and run.group.settings.get("approve"):
        _approve_unread(session, run)


def _approve_unread(session: Session, run: Run) -> None:
    """Whoever started the chain takes every critique, as they chose there; what was answered stays as it is."""
    theirs = sa.select(Critique.id, sa.literal(run.created_by), sa.true()).where(Critique.run_id == run.id)
    statement = insert(Approval).from_select(["critique_id", "user_id", "approved"], theirs)
    session.execute(statement.on_conflict_do_nothing())


def _critique(run_id: int, dataset_id: int | None, line: dict[str, Any]) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "dataset_id": dataset_id,
        "sample_key": line["sample"],
        "response_key": line["response"],
        "human": line["human"],
        "text": line["text"],
        "prompt": line["prompt"],
        "parameters": line["parameters"],
    }


def _keep_checkpoint(session: Session, run: Run, kind: str, sha256: str) -> None:
    values = {"run_id": run.id, "kind": kind, "path": CHECKPOINT, "sha256": sha256}
    statement = insert(Checkpoint).values(values)
    session.execute(statement.on_conflict_do_update(index_elements=["run_id", "path"], set_=values))


def needs_file(name: str) -> Finish:
    """What other pages and runs read from the output must be there."""

    def leaves(session: Session, run: Run, folder: Path) -> None:
        if not (folder / "output" / name).is_file():
            raise OutputMissing(_("The process ended well but a file of its output is missing."), f"output/{name}")

    return leaves


def sha256_of_folder(folder: Path) -> str:
    """One hash over every file's own hash and relative name, in the order of names."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{storage.sha256_of(path)}  {path.relative_to(folder)}\n" for path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


KINDS = {
    "cluster": Kind(
        "cluster", N_("Cluster samples"),
        N_("Groups the project's samples anew by how their pictures look, maps them, and lists near-duplicates."),
        (), clustering.keep, brings=clustering.bring,
    ),
    "generate": Kind(
        "generate", N_("Generate responses"),
        N_("Has several models respond to each sample that has too few responses to compare."),
        (), generating.keep, brings=generating.bring,
    ),
    "expand": Kind(
        "expand", N_("Expand reasons"),
        N_("Rewrites each terse human reason as a fuller critique, for people to approve."),
        (DATASET,), keep_critiques,
    ),
    "reward": Kind(
        "reward", N_("Reward model"), N_("Learns from the pairs to write a critique of a response and to score it."),
        (DATASET, CRITIQUES), checkpoint="reward", learns_from_pairs=True, has_base=True,
    ),
    "score": Kind(
        "score", N_("Score pairs"), N_("Gives every response a reward and every pair its margin δ, by a reward model."),
        (DATASET, REWARD, GIVEN), needs_file("margins.jsonl"),
    ),
    "mm_dpo": Kind(
        "mm_dpo", "MM-DPO", N_("Aligns a policy with the preferences; pairs with a wide margin pull harder."),
        (DATASET, SCORES), checkpoint="policy", learns_from_pairs=True, has_base=True,
    ),
    "evaluate": Kind(
        "evaluate", N_("Evaluate"), N_("Compares an aligned policy with its base on held-out samples, side by side."),
        (DATASET, POLICY, JUDGE), needs_file("evaluation.json"),
    ),
}  # fmt: skip


def label_of(role: str) -> str:
    """What an input is called in forms, in English: shown through `told`."""
    return next((each.label for kind in KINDS.values() for each in kind.roles if each.name == role), role)
