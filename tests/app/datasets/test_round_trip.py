"""The published format goes into the platform and comes out of it the same."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.annotations import bringing
from app.datasets import actions as datasets
from app.datasets.export import write_zip
from app.samples import imports, local
from app.samples.tables import Import
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
    with zipfile.ZipFile(out) as found:
        return {each: found.read(each) for each in found.namelist()}


def pairs_of(members: dict[str, bytes]) -> list[str]:
    """The lines sorted, without what the platform names anew: ids, and media by the content's hash."""
    return plain([json.loads(line) for line in members["dpo_pairs.jsonl"].splitlines()])


def plain(lines: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps({**each, "id": "", "image": "", "video": ""}, sort_keys=True) for each in lines)


def pack(path: Path, lines: list[dict[str, Any]], media: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("dpo_pairs.jsonl", "\n".join(json.dumps(each) for each in lines))
        for name, content in media.items():
            out.writestr(name, content)
    return path


def test_published_pairs_come_out_as_they_went_in(session: Session, tmp_path: Path) -> None:
    ranked = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("a", "d")]
    lines = [pair(*each) for each in ranked]
    lines += [pair("yes", "no", prompt="So?", image="safety/dog.jpg")]
    lines += [{**pair("up", "down", prompt="Where?"), "video": "video/7"}]
    del lines[-1]["image"]
    media = {"short/cat.jpg": cast.picture(), "safety/dog.jpg": cast.picture("red")}
    media |= {f"video/7/{n}.jpg": cast.picture(colour) for n, colour in enumerate(("blue", "green"))}
    first = through(session, "first", pack(tmp_path / "in.zip", lines, media), tmp_path / "first.zip")
    assert pairs_of(first) == plain(lines)
    shown = [json.loads(line) for line in first["dpo_pairs.jsonl"].splitlines()]
    by_prompt = {each["prompt"]: each for each in shown}
    assert by_prompt["So?"]["image"].startswith("safety/")
    assert by_prompt["Where?"]["video"].startswith("video/")
    second = through(session, "second", tmp_path / "first.zip", tmp_path / "second.zip")
    assert pairs_of(second) == pairs_of(first)
    pictures = [{content for name, content in each.items() if name.endswith(".jpg")} for each in (first, second)]
    assert pictures[0] == pictures[1] == set(media.values())
