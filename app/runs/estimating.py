"""What a run will take before it starts: sequences and tokens, memory by its weights, time by the last one like it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.core.db import Session
from app.core.language import gettext as _
from app.core.language import ngettext
from app.core.settings import settings
from app.projects.guard import Seat
from app.runs import history, queries, reading, weights, workers
from app.runs.tables import Metric, Run
from app.runs.weights import Weights
from ml import config as recipes

GIB = 2**30
MIB = 2**20
LETTERS_A_TOKEN = 4.0
"""Bytes of UTF-8 that stand for a token: of English about four; of Chinese three, so that it is counted too low."""
PIXELS_A_TOKEN = 28 * 28
ACTIVATIONS = 34
"""Bytes a token, layer and hidden unit that a transformer keeps for its backward pass at two bytes a number, without
attention's own matrix, which is not kept (Korthikanti et al., arXiv 2205.05198)."""
KEPT = 2
"""The same with gradient checkpointing: a layer's input."""
LOOKED_AT = 20


@dataclass(frozen=True)
class Memory:
    """Bytes of the device: weights, what learning keeps beside them, activations of one batch."""

    weights: int
    learning: int
    activations: int
    parameters: int
    trained: int
    bits: int
    exact: bool

    def all(self) -> int:
        return self.weights + self.learning + self.activations


def lines(session: Session, seat: Seat, config: recipes.Config, dataset_id: int, base: str = "") -> list[str]:
    """Sentences of what the run will do, take and last; `base` stands in for an empty one of the config."""
    size = reading.size_of(dataset_id, reading.split_of(config))
    base = getattr(config, "base", "") or base or settings().base_model_or_tiny()
    like = last_like(session, seat, config, base)
    said = [f"{reading.estimate(config, dataset_id)} {_tokens(config, size)}".strip()]
    found = memory(config, base, size, on_gpu(session, config))
    if found and not _by_endpoint(config):
        said.append(_memory(found, like, session))
    return [*said, _time(config, size, like)]


def _by_endpoint(config: recipes.Config) -> bool:
    return isinstance(config, recipes.Expand) and config.expander != "local" and bool(settings().openai_base_url)


def _tokens(config: recipes.Config, size: reading.Size) -> str:
    many = tokens(config, size)
    return _("About %(many)s tokens.", many=rounded(many)) if many else ""


def tokens(config: recipes.Config, size: reading.Size) -> float:
    """Tokens that go through the model: text by its length, pictures by the most pixels that are let through."""
    share = sequences(config, size) / size.responses if size.responses else 0.0
    pictures = size.pictures * config.max_pixels / PIXELS_A_TOKEN
    return share * (size.letters / LETTERS_A_TOKEN + pictures)


def sequences(config: recipes.Config, size: reading.Size) -> float:
    """Responses that the run reads or writes, those of every epoch."""
    if isinstance(config, recipes.Reward | recipes.MmDpo):
        samples = min(size.paired, config.train_limit or size.paired)
        a_step = config.samples_per_batch * config.accumulate
        seen = min(config.epochs * samples, config.max_steps * a_step if config.max_steps else config.epochs * samples)
        return seen * size.responses / size.samples if size.samples else 0.0
    if isinstance(config, recipes.Expand):
        return min(size.reasons, config.limit or size.reasons)
    if isinstance(config, recipes.Evaluate):
        return 2 * min(size.samples, config.limit or size.samples)
    return size.responses


def memory(config: recipes.Config, base: str, size: reading.Size, gpu: bool) -> Memory | None:
    """None where nothing is known of the model's size."""
    found = weights.of(base)
    if found is None:
        return None
    learns = isinstance(config, recipes.Reward | recipes.MmDpo)
    full = learns and getattr(config, "adapter", "") == "full"
    half = config.precision == "bf16" or (config.precision == "auto" and gpu)
    bits = 4 if getattr(config, "adapter", "") == "qlora" else 16 if half and not full else 32
    trained = _trained(config, found) if learns else 0
    return Memory(
        weights=found.parameters * bits // 8,
        learning=trained
        * (12 if full else 16),  # gradient and AdamW's two moments of four bytes; LoRA's own weights too
        activations=_activations(config, found, size, 2 if half else 4) if learns else 0,
        parameters=found.parameters,
        trained=trained,
        bits=bits,
        exact=found.exact,
    )


def _trained(config: recipes.Config, found: Weights) -> int:
    if getattr(config, "adapter", "") == "full":
        return found.parameters - (found.vision if getattr(config, "freeze_vision", True) else 0)
    many = found.attention if getattr(config, "lora_targets", "all") == "attention" else found.linear
    return many * int(getattr(config, "lora_rank", 0))


def _activations(config: Any, found: Weights, size: reading.Size, width: int) -> int:
    """Of one batch; a sample's prompt and picture are shared by its responses."""
    everything = size.letters / LETTERS_A_TOKEN + size.pictures * config.max_pixels / PIXELS_A_TOKEN
    held = config.batch_tokens or config.samples_per_batch * everything / (size.samples or 1)
    a_token = found.hidden * found.layers * (KEPT if config.gradient_checkpointing else ACTIVATIONS) * width // 2
    logits: float = min(config.logit_chunk, held) * found.vocabulary * 8
    return int(held * a_token + logits)


def on_gpu(session: Session, config: recipes.Config) -> bool:
    """Whether the run would come to a GPU: as the trainers that are there say of themselves."""
    if config.device != "auto":
        return config.device == "cuda"
    return any(line.worker.devices for line in workers.lines(session) if line.state in ("working", "free"))


def _memory(found: Memory, like: Run | None, session: Session) -> str:
    words = {"all": sized(found.all()), "parameters": rounded(found.parameters), "bits": found.bits}
    if found.trained:
        said = _(
            "About %(all)s of memory: %(weights)s for %(parameters)s weights of %(bits)s bits, %(learning)s for "
            "the %(trained)s that learn, %(activations)s for a batch.",
            weights=sized(found.weights),
            learning=sized(found.learning),
            trained=rounded(found.trained),
            activations=sized(found.activations),
            **words,
        )
    else:
        said = _("About %(all)s of memory for %(parameters)s weights of %(bits)s bits.", **words)
    if not found.exact:
        said += " " + _(
            "The model is not on this machine: its size is read off its name, and activations are left out."
        )
    held = _held(session, like) if like else None
    if like and held:
        said += " " + _("Run %(id)s held %(size)s, the program included.", id=like.id, size=sized(held * GIB))
    return said


def _held(session: Session, run: Run) -> float | None:
    """The most memory that a run's gauges told, in GiB."""
    told = Metric.payload["values"]["memory_gib"].as_float()
    query = sa.select(sa.func.max(told)).where(Metric.run_id == run.id, Metric.kind == "metric")
    return history.finite(session.scalar(query))


def last_like(session: Session, seat: Seat, config: recipes.Config, base: str) -> Run | None:
    """The newest run of the recipe that ended well on the same base model, of the same adapter where it has one."""
    recipe = next(name for name, kind in recipes.RECIPES.items() if isinstance(config, kind))
    query = sa.select(Run).where(Run.project_id == seat.project.id, Run.recipe == recipe, Run.result.is_not(None))
    for run in session.scalars(query.order_by(Run.id.desc()).limit(LOOKED_AT)):
        same = (run.config.get("base") or base) == base
        if same and run.config.get("adapter") == getattr(config, "adapter", None) and seconds_of(run):
            return run
    return None


def seconds_of(run: Run) -> float:
    """How long it was executed."""
    if run.seconds_used:
        return run.seconds_used
    if queries.state_of(run) != queries.DONE or run.started_at is None or run.ended_at is None:
        return 0.0
    return (run.ended_at - run.started_at).total_seconds()


def _time(config: recipes.Config, size: reading.Size, like: Run | None) -> str:
    if like is None:
        return _("How long it takes is not known: no run of this recipe on this model has ended here yet.")
    then = _work(like)
    now = sequences(config, size)
    if not then or not now:
        return ""
    return _about(like, now / then)


def lasting_like(session: Session, seat: Seat, config: recipes.Config, many: int) -> str:
    """The same of a recipe that reads the project itself: by the `many` samples or pictures that it goes through."""
    like = last_like(session, seat, config, getattr(config, "base", ""))
    told = (like.result or {}) if like else {}
    then = told.get("pictures") or told.get("samples")
    if like is None or not then:
        return _("How long it takes is not known: no run of this recipe on this model has ended here yet.")
    return _about(like, many / then) if many else ""


def _about(like: Run, share: float) -> str:
    return _("About %(time)s, if it goes on as run %(id)s did.", time=lasting(seconds_of(like) * share), id=like.id)


def _work(run: Run) -> float:
    """Sequences of an earlier run; 0 where its config or its dataset is no longer readable."""
    dataset_id = next((each.dataset_id for each in run.inputs if each.dataset_id), 0)
    known: Mapping[str, Any] = {
        spec.name: run.config[spec.name] for spec in recipes.fields_of(run.recipe) if spec.name in run.config
    }
    try:
        config = recipes.validate(run.recipe, known)
        return sequences(config, reading.size_of(dataset_id or 0, reading.split_of(config)))
    except (recipes.ConfigError, OSError):
        return 0.0


def lasting(seconds: float) -> str:
    """A span as people say it."""
    if seconds < 90:
        return ngettext("%(num)s second", "%(num)s seconds", max(1, round(seconds)))
    if seconds < 90 * 60:
        return ngettext("%(num)s minute", "%(num)s minutes", round(seconds / 60))
    if seconds < 36 * 3600:
        return ngettext("%(num)s hour", "%(num)s hours", round(seconds / 3600))
    return ngettext("%(num)s day", "%(num)s days", round(seconds / 86400))


def sized(many: float) -> str:
    """Bytes in two figures: 80 MiB, 1.2 GiB."""
    return f"{rounded(many / GIB)} GiB" if many >= GIB else f"{rounded(many / MIB)} MiB"


def rounded(number: float) -> str:
    """Two figures, with its thousands, millions or billions as a letter: 1.2 M."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.2g} {unit}" if number < 100 * size else f"{number / size:.0f} {unit}"
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"
