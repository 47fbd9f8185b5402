"""The published format goes into the platform and comes out of it the same."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.annotations import bringing
from app.datasets import actions as datasets
from app.datasets.export import write_zip
from app.datasets.tables import Dataset
from app.samples import imports, local
from app.samples.tables import Import, Sample
from tests import cast


def pair(chosen: str, rejected: str, **about: Any) -> dict[str, Any]:
    reasons = {"chosen_reason": f"why {chosen}", "rejected_reason": f"why {rejected}"}
    return {"image": "short/cat.jpg", "prompt": "What?", "chosen": chosen, "rejected": rejected, **reasons, **about}


def through(session: Session, name: str, archive: Path, out: Path) -> dict[str, bytes]:
    """The members of what a new project makes of an archive in the published format."""
    alice = cast.user(session, name)
    project = cast.project(session, alice, name)
    begun = local.begin(session, project, alice, archive, local.Wish())
    session.commit()
    imports.perform(begun.id, bringing.keep)
    session.expire_all()
    row = session.get_one(Import, begun.id)
    assert (row.faulty, row.failure) == (0, "")
    seat = cast.seat(session, alice, project, "researcher")
    dataset = datasets.freeze(session, seat, name)
    session.commit()
    write_zip(dataset, "mm-rlhf", out)
    return members_of(out)


def told(members: dict[str, bytes], file: str = "dpo_pairs.jsonl") -> list[str]:
    """The lines of a file, sorted, each with the sums of its media in their order: ids and names are given anew."""
    return sorted(
        json.dumps(with_sums(json.loads(line), members), sort_keys=True) for line in members[file].splitlines()
    )


def with_sums(line: dict[str, Any], members: dict[str, bytes]) -> dict[str, Any]:
    names = line.pop("image", None) or sorted(name for name in members if name.startswith(f"{line['video']}/"))
    folder = line.pop("video", "").partition("/")[0]
    names = [names] if isinstance(names, str) else names
    kind = {"folder": folder or names[0].partition("/")[0], "is_video": bool(folder)}
    return {**line, **kind, "id": "", "media": [hashlib.sha256(members[name]).hexdigest() for name in names]}


def pack(path: Path, lines: list[dict[str, Any]], media: dict[str, bytes], name: str = "dpo_pairs.jsonl") -> Path:
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(name, "\n".join(json.dumps(each) for each in lines))
        for each, content in media.items():
            out.writestr(each, content)
    return path


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as found:
        return {each: found.read(each) for each in found.namelist()}


COLOURS = ("blue", "green", "yellow", "black")
FRAMES = {f"video/7/{n}.jpg": cast.picture(colour) for n, colour in enumerate(COLOURS)}
FRAMES |= {f"safety/8/{n}.jpg": cast.picture(colour) for n, colour in enumerate(reversed(COLOURS))}
MEDIA = {"short/cat.jpg": cast.picture(), "safety/dog.jpg": cast.picture("red"), "long/a.jpg": cast.picture("gray")}
MEDIA |= {"mcq/b.png": cast.picture("white")} | FRAMES


def test_published_pairs_come_out_as_they_went_in(session: Session, tmp_path: Path) -> None:
    ranked = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("a", "d")]
    lines = [pair(*each) for each in ranked]
    lines += [
        pair("yes", "no", prompt="So?", image="safety/dog.jpg"),
        pair("both", "one", image=["long/a.jpg", "mcq/b.png"]),
    ]
    lines += [moving(pair("up", "down", prompt="Where?"), "video/7"), moving(pair("off", "on"), "safety/8")]
    given = pack(tmp_path / "in.zip", lines, MEDIA)
    first = through(session, "first", given, tmp_path / "first.zip")
    assert told(first) == told(members_of(given))
    second = through(session, "second", tmp_path / "first.zip", tmp_path / "second.zip")
    assert told(second) == told(first)
    assert told(second, "data.jsonl") == told(first, "data.jsonl")


def test_margins_of_published_pairs_come_out_as_they_went_in(session: Session, tmp_path: Path) -> None:
    lines = [
        pair("a", "b", ls_factor=0.1234567890123),
        pair("a", "c"),
        pair("b", "c", ls_factor=-2.5),
        pair("yes", "no", prompt="So?", image="safety/dog.jpg", ls_factor=0.0),
    ]
    given = pack(tmp_path / "in.zip", lines, MEDIA)
    first = through(session, "first", given, tmp_path / "first.zip")
    assert told(first) == told(members_of(given))
    assert "published it: 3." in first["card.md"].decode()
    assert told(through(session, "second", tmp_path / "first.zip", tmp_path / "second.zip")) == told(first)
    assert json.loads(first["data.jsonl"].splitlines()[1])["ls_factors"] == [[0, 1, 0.0]]


def test_a_chosen_score_runs_margins_stand_in_place_of_the_imported_ones(session: Session, tmp_path: Path) -> None:
    ranked = [pair("a", "b", ls_factor=0.5), pair("a", "c", ls_factor=0.75), pair("b", "c")]
    through(session, "first", pack(tmp_path / "in.zip", ranked, MEDIA), tmp_path / "first.zip")
    dataset = session.scalars(sa.select(Dataset)).one()
    sample = session.scalars(sa.select(Sample)).one()
    best, worst = (f"r{each.id}" for each in sample.responses if each.text in "ac")
    write_zip(dataset, "mm-rlhf", tmp_path / "scored.zip", {(f"s{sample.id}", best, worst): 2.0})
    lines = [json.loads(line) for line in members_of(tmp_path / "scored.zip")["dpo_pairs.jsonl"].splitlines()]
    assert {(line["chosen"], line["rejected"]): line.get("ls_factor") for line in lines} == {
        ("a", "b"): None,
        ("a", "c"): 2.0,
        ("b", "c"): None,
    }


def moving(line: dict[str, Any], folder: str) -> dict[str, Any]:
    del line["image"]
    return line | {"video": folder}


def reply(model: str, rank: int, helpfulness: int, **more: Any) -> dict[str, Any]:
    scores = {"ethics": 5, "faithfulness": 6 - rank, "helpfulness": helpfulness}
    return {"model": model, "text": f"By {model}.", "rank": rank, "scores": scores, "reason": f"why {model}", **more}


def judged(prompt: str, domain: str, question_type: str, **more: Any) -> dict[str, Any]:
    about = {"prompt": prompt, "domain": domain, "question_type": question_type, "rank_reason": f"on {prompt}"}
    return {
        "id": prompt,
        **about,
        "responses": [reply("m1", 2, 3), reply("m2", 1, 5), reply("m3", 2, 1, reason="")],
        **more,
    }


def test_published_judgements_come_out_as_they_went_in(session: Session, tmp_path: Path) -> None:
    tied = [reply("m1", 1, 4), reply("m2", 1, 4, scores={})]
    lines = [
        judged("What?", "image", "short", image="short/cat.jpg"),
        judged("Which?\nA. one\nB. two", "image", "mcq", image=["mcq/b.png", "mcq/c.png"]),
        judged("How?", "safety", "short", image="safety/dog.jpg", danger="self_injury"),
        judged("Where?", "video", "long", video="video/7"),
        judged("When?", "safety", "short", video="safety/8", danger="violence"),
        judged("Equal?", "image", "long", image="long/a.jpg", responses=tied),
    ]
    given = pack(tmp_path / "in.zip", lines, MEDIA | {"mcq/c.png": cast.picture("pink")}, "data.jsonl")
    first = through(session, "first", given, tmp_path / "first.zip")
    assert told(first, "data.jsonl") == told(members_of(given), "data.jsonl")
    assert len(first["dpo_pairs.jsonl"].splitlines()) == 5 * 2  # of the tie there are none
