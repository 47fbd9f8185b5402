"""A run of `generate` reads samples that have too few responses, and leaves each those that its models gave.

A sample that is cut into tasks is being judged: it is neither asked about nor given anything, since a ranking is of the
responses that its annotator saw.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import selectinload

from app.core import outside, storage
from app.core.db import Session
from app.core.errors import Invalid
from app.core.language import N_, ngettext
from app.core.language import gettext as _
from app.runs import generators
from app.runs.generating_tables import Generation, Generator
from app.runs.lines import read_jsonl
from app.runs.refusals import OutputMissing
from app.runs.tables import Run
from app.samples.tables import Medium, Response, Sample
from app.tasks.tables import Task

BATCH = 500
DESCRIBED = (
    "name", "url", "model", "key_name", "price_in", "price_out",
    "requests_per_minute", "tokens_per_minute", "concurrency",
)  # fmt: skip


class NoModels(Invalid):
    """No model is there to ask, or one that is named is not."""

    advice = N_("Add models at Runs → Models, or name a local one.")


class NothingToAsk(Invalid):
    """Every sample has responses enough."""

    advice = N_("Import samples, or ask for more responses. Samples that are cut into tasks stay as they are.")


def _judged() -> sa.ColumnElement[bool]:
    return sa.exists().where(Task.sample_id == Sample.id)


def _had() -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count()).where(Response.sample_id == Sample.id).correlate(Sample).scalar_subquery()


def chosen(session: Session, project_id: int, names: str, base: str) -> list[Generator]:
    """The project's models that are named, all where none is. Raises NoModels."""
    known = {each.name: each for each in generators.generators_of(session, project_id)}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in known]:
        raise NoModels(_("The project has no model named “%(name)s”.", name=unknown[0][:60]), "models")
    if not known and not base:
        raise NoModels(_("The project has no models to ask."), "models")
    return [known[name] for name in dict.fromkeys(wanted or known)]


def refuse(session: Session, project_id: int, config: Any) -> None:
    """Raises NoModels, NothingToAsk."""
    chosen(session, project_id, config.models, config.base)
    if not asked_about(session, project_id, config.wanted):
        raise NothingToAsk(
            _("No sample of the project lacks responses: each has %(many)s or is being judged.", many=config.wanted),
            "wanted",
        )


def asked_about(session: Session, project_id: int, wanted: int) -> int:
    """How many samples have too few responses."""
    return session.scalar(sa.select(sa.func.count()).select_from(_lacking(project_id, wanted).subquery())) or 0


def _lacking(project_id: int, wanted: int) -> sa.Select[Sample]:
    """Samples to ask about. A video whose frames are not sampled yet waits: a model would be asked about nothing."""
    seen = sa.exists().where(Medium.sample_id == Sample.id, Medium.kind != "video")
    return sa.select(Sample).where(Sample.project_id == project_id, _had() < wanted, ~_judged(), seen)


def estimate(session: Session, project_id: int, many: int, values: Mapping[str, Any]) -> str:
    """What a run would do, as the form stands, of the `many` samples that lack responses."""
    said = ngettext(
        "%(num)s sample lacks responses and will be asked about.",
        "%(num)s samples lack responses and will be asked about.",
        many,
    )
    try:
        base = str(values.get("base", "")).strip()
        models = [each.name for each in chosen(session, project_id, str(values.get("models", "")), base)]
    except NoModels as problem:
        return f"{said} {problem.what}"
    return f"{said} {_('Models: %(names)s.', names=', '.join([*models, *([base] if base else [])]))}"


def bring(session: Session, run: Run, inputs: Path) -> None:
    """inputs/samples.jsonl and inputs/models.json. Twice is harmless. Raises NoModels, outside.PrivateAddress."""
    config = run.config
    models = chosen(session, run.project_id, config.get("models", ""), config.get("base", ""))
    for each in models:
        if each.url:
            outside.check(each.url, each.name)
    described = [{name: getattr(each, name) for name in DESCRIBED} for each in models]
    _write(inputs / "models.json", [orjson.dumps(described)])
    query = _lacking(run.project_id, config.get("wanted", 4)).order_by(Sample.id)
    query = query.options(selectinload(Sample.media), selectinload(Sample.responses))
    rows = session.scalars(query.execution_options(yield_per=BATCH))
    _write(inputs / "samples.jsonl", (orjson.dumps(_line(sample)) + b"\n" for sample in rows))


def _line(sample: Sample) -> dict[str, Any]:
    media = [{"kind": each.kind, "path": str(storage.blob(each.blob_sha256).resolve())} for each in sample.seen]
    have = [each.model for each in sample.responses]
    return {"id": f"s{sample.id}", "prompt": sample.prompt, "domain": sample.domain, "media": media, "have": have}


def _write(path: Path, parts: Iterable[bytes]) -> None:
    aside = path.with_name(path.name + ".aside")
    with aside.open("wb") as file:
        file.writelines(parts)
    os.replace(aside, path)


def keep(session: Session, run: Run, folder: Path) -> None:
    """A row an answer, and a response to compare where there are words. Twice is harmless. Raises OutputMissing."""
    path = folder / "responses.jsonl"
    if not path.is_file():
        raise OutputMissing(_("The process ended well but a file of its output is missing."), "responses.jsonl")
    for said in _batches(_last(path)):
        _keep(session, run, said)


def _last(path: Path) -> Iterator[dict[str, Any]]:
    """Of each sample and model the last line: what failed may have been asked again."""
    last = {(row["sample"], row["model"]): number for number, row in enumerate(read_jsonl(path))}
    for number, row in enumerate(read_jsonl(path)):
        if last[row["sample"], row["model"]] == number:
            yield row


Said = dict[tuple[int, str], dict[str, Any]]
"""By sample and model: the line of the recipe's output."""


def _keep(session: Session, run: Run, said: Said) -> None:
    mine = sa.select(Sample.id).where(Sample.project_id == run.project_id, Sample.id.in_({key[0] for key in said}))
    # Locked, no task can be cut of them until this is over; read afterwards, none that was cut before is missed.
    ids = set(session.scalars(mine.order_by(Sample.id).with_for_update()))
    known = sa.select(Generation.sample_id, Generation.model)
    done = set(session.execute(known.where(Generation.run_id == run.id, Generation.sample_id.in_(ids))).tuples())
    new = {key: row for key, row in said.items() if key[0] in ids and key not in done}
    if not new:
        return
    made: dict[tuple[int, str], int] = {}
    if responses := _responses(session, run, ids, new):
        columns = (Response.sample_id, Response.model, Response.id)
        rows = session.execute(insert(Response).values(responses).returning(*columns))
        made = {(sample, model): number for sample, model, number in rows}
    session.execute(insert(Generation).values([_columns(run, key[0], row, made.get(key)) for key, row in new.items()]))


def _responses(session: Session, run: Run, ids: set[int], new: Said) -> list[dict[str, Any]]:
    """What becomes a response: words of a model that the sample has none of, as long as it wants more."""
    judged = set(session.scalars(sa.select(Task.sample_id).where(Task.sample_id.in_(ids))))
    there = sa.select(Response.sample_id, Response.model, Response.position).where(Response.sample_id.in_(ids))
    models: dict[int, set[str]] = {each: set() for each in ids}
    positions = dict.fromkeys(ids, 0)
    for sample, model, position in session.execute(there):
        models[sample].add(model)
        positions[sample] = max(positions[sample], position + 1)
    found = []
    for (sample, model), row in new.items():
        enough = len(models[sample]) >= run.config["wanted"]
        if sample in judged or model in models[sample] or enough or not _has_words(run, row):
            continue
        found.append({"sample_id": sample, "position": positions[sample], "model": model, "text": row["text"]})
        models[sample].add(model)
        positions[sample] += 1
    return found


def _has_words(run: Run, row: dict[str, Any]) -> bool:
    return bool(row["text"]) and (row["state"] == "ok" or (row["state"] == "refused" and run.config["keep_refusals"]))


def _columns(run: Run, sample_id: int, row: dict[str, Any], response_id: int | None) -> dict[str, Any]:
    same = ("model", "state", "prompt", "settings", "finish", "tokens_in", "tokens_out", "cost", "seconds", "tries")
    ours = {"run_id": run.id, "sample_id": sample_id, "response_id": response_id, "fault": row["fault"]}
    return ours | {"text": "" if response_id else row["text"]} | {name: row[name] for name in same}


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[Said]:
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        yield {(int(row["sample"].removeprefix("s")), row["model"]): row for row in batch}
