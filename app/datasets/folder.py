"""Writing a dataset folder: the same annotations give the same bytes, and a folder is complete or absent."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from app.core import storage
from app.core.language import N_, plain
from app.core.language import gettext as _
from app.datasets.lines import Lines, medium_path
from app.datasets.refusals import MediumMissing
from app.datasets.voting import RULES, Vote
from app.samples.tables import Sample


@contextmanager
def made_whole(place: Path) -> Iterator[Path]:
    """A folder to fill, which takes its place only if nothing goes wrong."""
    aside = place.with_name(f".aside-{place.name}")
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "media").mkdir(parents=True)
    try:
        yield aside
        shutil.rmtree(place, ignore_errors=True)  # of a transaction that did not come through
        os.replace(aside, place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_lines(folder: Path, found: Iterable[tuple[Sample, Lines]]) -> None:
    """samples.jsonl, pairs.jsonl and media/. Raises MediumMissing."""
    with (folder / "samples.jsonl").open("wb") as samples, (folder / "pairs.jsonl").open("wb") as pairs:
        for sample, lines in found:
            if lines.sample is None:
                continue
            samples.write(line_of(lines.sample))
            for vote in lines.pairs:
                pairs.write(line_of(pair_line(lines.sample, vote, lines.margins.get(vote.pair))))
            _bring_media(folder, sample)


def pair_line(sample: dict[str, Any], vote: Vote, margin: float | None = None) -> dict[str, Any]:
    """margin: the one that came with the imported data."""
    line = {
        "sample": sample["id"],
        "chosen": vote.pair.chosen,
        "rejected": vote.pair.rejected,
        "split": sample["split"],
        "votes": {"for": vote.votes_for, "against": vote.against, "tied": vote.tied},
        "confidence": vote.confidence,
    }
    return line if margin is None else {**line, "margin": margin}


def line_of(row: dict[str, Any]) -> bytes:
    return orjson.dumps(row) + b"\n"


def _bring_media(folder: Path, sample: Sample) -> None:
    for medium in sample.seen:
        blob, place = storage.blob(medium.blob_sha256), folder / medium_path(medium)
        if place.exists():
            continue
        if not blob.exists():
            raise MediumMissing(
                _(
                    "The file of picture %(position)s of sample %(id)s is gone.",
                    position=medium.position + 1,
                    id=sample.id,
                ),
                "media",
            )
        try:
            os.link(blob, place)  # blobs never change, so one copy on the disk is enough
        except OSError:
            shutil.copyfile(blob, place)


def write_card(folder: Path, card: dict[str, Any]) -> None:
    text = orjson.dumps(card, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
    (folder / "card.json").write_bytes(text)
    (folder / "card.md").write_text(card_text(card), encoding="utf-8")


def card_text(card: dict[str, Any]) -> str:
    """The card for a reader: what is inside, how it came to be, where the pictures come from."""
    counts, settings = card["counts"], card["settings"]
    rows = [(name, counts[name]) for name in ("samples", "pairs", "responses", "annotations", "reasons", "ties")]
    rows += [(f"constructed {kind} samples", counts[f"{kind}s"]) for kind in ("positive", "negative")]
    rows += [("votes of the playground", counts["playground"])] if counts.get("playground") else []
    parts = [("train", counts["train"]), ("held out", counts["held_out"])]
    for part, word in (("by_question_type", "type"), ("by_domain", "domain"), ("by_danger", "danger")):
        parts += [(f"{word} {name}", each) for name, each in counts.get(part, {}).items()]
    lines = [
        f"# {card['name']}",
        f"Preference pairs judged by people in the project {card['project']}.",
        _table(("what", "count"), [(name, f"{count:,}") for name, count in rows]),
        _table(("part", "samples", "pairs"), [(n, f"{c['samples']:,}", f"{c['pairs']:,}") for n, c in parts]),
        "Pairs are all comparisons of unlike rank; a positive sample beats, a negative one loses to its tied group. "
        "Each pair of pairs.jsonl carries its votes and its confidence.",
        BROUGHT.format(counts["margins"]) if counts.get("margins") else "",
        "## How several judgements became one order",
        how_text(settings["aggregation"]),
        f"Held out: whole samples, share {settings['held_out_share']:g}, seed {settings['seed']}; samples that share "
        "a picture are never in both splits.",
        _table(("left out", "count"), [(n.replace("_", " "), f"{c:,}") for n, c in settings["left_out"].items()]),
        "## Criteria\n\n" + "\n".join(f"- {name}" for name in card["criteria"]),
        "## Pictures\n\n" + "\n".join(f"- {credit}" for credit in card["credits"]) if card["credits"] else "",
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def how_text(chosen: dict[str, Any]) -> str:
    """The rule in words, with its bounds; the card is written in English."""
    return f"{RULES[chosen['rule']].title}. {' '.join(how_sentences(chosen))}"


def how_sentences(chosen: dict[str, Any]) -> list[str]:
    """The same in English sentences without the rule's name, for a page to tell in the reader's language."""
    said = [RULES[chosen["rule"]].sentence]
    if "minimum" in chosen:
        said.append(plain(N_("At least %(votes)s votes for a pair."), votes=chosen["minimum"]))
    if "confidence" in chosen:
        chance = f"{chosen['confidence']:g}"
        said.append(plain(N_("A pair is right with a chance of at least %(chance)s."), chance=chance))
    if people := chosen.get("reliability", {}).get("people"):
        low, high = (f"{chosen['reliability'][end]:.2f}" for end in ("lowest", "highest"))
        reliability = N_("Reliability of %(people)s people: %(low)s to %(high)s.")
        said.append(plain(reliability, people=people, low=low, high=high))
    if chosen.get("waiting"):
        said.append(N_("Annotations that waited for a verdict voted too."))
    if chosen.get("playground"):
        said.append(PLAYGROUND)
    return said


BROUGHT = (
    "Pairs with a reward margin that came with the imported data, by the reward model of those who published it: {:,}. "
    "A download that names a score run has that run's margins in their place."
)
PLAYGROUND = N_(
    "Votes of the playground are in it too, as samples whose ids begin with t: one person each, between two policies."
)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ("---",) * len(head), *rows])


def seal(folder: Path) -> str:
    """Write SHA256SUMS over every file, and return the SHA-256 (hex) of that list."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = "".join(f"{storage.sha256_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
    (folder / "SHA256SUMS").write_text(sums, encoding="utf-8")
    return hashlib.sha256(sums.encode()).hexdigest()
