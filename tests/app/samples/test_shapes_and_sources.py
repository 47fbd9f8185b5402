"""Files of others: each way of writing samples down is read as samples, faults named by their line."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.annotations import bringing
from app.annotations.tables import Annotation
from app.core.errors import Invalid
from app.projects.tables import Project
from app.samples import guessing, imports, local, mapping, sources, unpacking
from app.samples.local import Wish
from app.samples.tables import Import, Sample
from tests import cast


@pytest.fixture
def project(session: Session) -> Project:
    return cast.project(session, cast.user(session, "alice"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "files"
    (root / "short").mkdir(parents=True)
    (root / "short" / "cat.jpg").write_bytes(cast.picture())
    return root


def bring(session: Session, project: Project, path: Path, **wish: Any) -> Import:
    author = cast.user(session, f"importer{session.scalar(sa.select(sa.func.count(Import.id)))}")
    begun = local.begin(session, project, author, path, Wish(**wish))
    session.commit()
    imports.perform(begun.id, bringing.keep)
    session.expire_all()
    return session.get_one(Import, begun.id)


def save(folder: Path, rows: list[dict[str, Any]], shards: int) -> None:
    """A datasets folder as the Hugging Face library saves it: Arrow streams, in an order that state.json tells."""
    folder.mkdir()
    names = [f"data-{n:05d}-of-{shards:05d}.arrow" for n in range(shards)]
    size = -(-len(rows) // shards)
    for n, name in enumerate(names):
        table = pa.Table.from_pylist(rows[n * size : (n + 1) * size])
        with pa.ipc.new_stream(folder / name, table.schema) as out:
            out.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (folder / "dataset_info.json").write_text("{}")


def samples(session: Session) -> list[Sample]:
    return list(session.scalars(sa.select(Sample).order_by(Sample.id)))


def texts(sample: Sample) -> list[str]:
    return [response.text for response in sample.responses]


def test_a_table_is_mapped_by_the_names_of_its_columns(session: Session, project: Project, folder: Path) -> None:
    with (folder / "table.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Question", "Image Path", "response_1", "model_1", "answer b"])
        rows.writerow(["What is\nit?", "short/cat.jpg", "A cat.", "tiny", "A dog."])
        rows.writerow(["What?", "short/none.jpg", "A cat.", "tiny", "A dog."])
    row = bring(session, project, folder / "table.csv")
    assert (row.shape, row.added, row.faulty, row.failure) == ("columns", 1, 1, "")
    assert [fault[0] for fault in row.faults] == [4]  # a cell of two lines stands before it
    (sample,) = samples(session)
    assert [(r.model, r.text) for r in sample.responses] == [("tiny", "A cat."), ("b", "A dog.")]
    assert bring(session, project, folder / "table.csv").already == 1


def test_parquet_and_a_datasets_folder_bring_the_pictures_within_them(
    session: Session, project: Project, tmp_path: Path
) -> None:
    rows = [
        {
            "image": {"bytes": cast.picture(), "path": None},
            "question": f"Number {n}?",
            "response_a": "A.",
            "response_b": "B.",
        }
        for n in range(5)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet", row_group_size=2)
    row = bring(session, project, tmp_path / "rows.parquet")
    assert (row.added, row.total, row.failure) == (5, 5, "")
    assert samples(session)[0].media[0].width == 64
    more = [{**each, "question": f"{each['question']} Again"} for each in rows]
    save(tmp_path / "saved", more, shards=2)
    assert bring(session, project, tmp_path / "saved").added == 5


def test_records_are_skipped_up_to_a_number(tmp_path: Path) -> None:
    save(tmp_path / "saved", [{"n": n} for n in range(7)], shards=3)
    found = [entry.value()["n"] for entry in sources.records(tmp_path / "saved", tmp_path, skip=4)]
    assert found == [4, 5, 6]
    (tmp_path / "array.json").write_text(json.dumps({"about": {"n": 0}, "rows": [{"n": n} for n in range(3)]}))
    assert [entry.value()["n"] for entry in sources.records(tmp_path / "array.json", tmp_path, skip=1)] == [1, 2]


def test_a_conversation_becomes_single_turns_with_what_was_said_before(
    session: Session, project: Project, folder: Path
) -> None:
    said = ["<image>\nWhat is it?", "A cat.", "Which colour?\nA. teal\nB. red", "A"]
    turns = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(said)]
    (folder / "chat.json").write_text(json.dumps([{"id": "c1", "image": "short/cat.jpg", "conversations": turns}]))
    assert bring(session, project, folder / "chat.json").added == 2
    first, second = samples(session)
    assert (first.external_id, first.prompt, first.question_type) == ("c1-1", "What is it?", "short")
    assert (second.external_id, second.question_type) == ("c1-2", "mcq")
    assert "Question: What is it?\n\nAnswer: A cat." in second.prompt
    assert second.prompt.endswith("Which colour?\nA. teal\nB. red")


def test_published_samples_bring_their_scores_ranks_and_reasons(
    session: Session, project: Project, folder: Path
) -> None:
    replies = [
        {"model": "m1", "text": "A cat.", "scores": {"Helpfulness": 5, "ethics": 4.0}, "rank": 1, "reason": "right"},
        {"model": "m2", "text": "A dog.", "scores": {"helpfulness": 1}, "rank": 3, "reason": "wrong"},
        {"model": "m3", "text": "A cow.", "scores": {}, "rank": 3},
    ]
    good = {"id": 7, "image": "short/cat.jpg", "question": "What?", "responses": replies, "rank_reason": "cats"}
    by_model = {**good, "question": "So?", "responses": {"m1": "A", "m2": "B"}, "ranks": {"m1": 2, "m2": 1}}
    bad = {**good, "responses": [{**replies[0], "scores": {"helpfulness": 9}}, replies[1]]}
    (folder / "data.jsonl").write_text("\n".join(json.dumps(each) for each in (good, bad, by_model)))
    row = bring(session, project, folder / "data.jsonl")
    assert (row.shape, row.added, row.faulty) == ("mm-rlhf", 2, 1)
    assert row.faults[0][:2] == [2, "judgement.scores.0.helpfulness"]
    annotation, _other = session.scalars(sa.select(Annotation).order_by(Annotation.id))
    one, two, three = (str(each.id) for each in annotation.sample.responses)
    assert annotation.state == "accepted"
    assert annotation.latest.content["ranking"] == [[one], [two, three]]
    assert annotation.latest.content["scores"] == {one: {"helpfulness": 5, "ethics": 4}, two: {"helpfulness": 1}}
    assert annotation.latest.content["reasons"] == {one: "right", two: "wrong"}
    assert annotation.latest.content["rank_reason"] == "cats"
    bring(session, project, folder / "data.jsonl")
    assert session.scalar(sa.select(sa.func.count(Annotation.id))) == 2


def test_scattered_pairs_of_one_question_are_one_ranking(session: Session, project: Project, folder: Path) -> None:
    def pair(id: str, chosen: str, rejected: str, prompt: str = "What?") -> str:
        about = {"id": id, "image": "short/cat.jpg", "prompt": prompt, "chosen": chosen, "rejected": rejected}
        return json.dumps({**about, "chosen_reason": f"why {chosen}", "rejected_reason": ""})

    lines = [pair("1", "a", "b"), pair("9", "x", "y", "Who?"), pair("2", "a", "c"), "{"]
    lines += [pair("3", "k", "l", "Odd?"), pair("4", "m", "n", "Odd?")]
    lines += [json.dumps(json.loads(pair("5", "o", "p", "How sure?")) | {"ls_factor": "very"})]
    (folder / "dpo_pairs.jsonl").write_text("\n".join(lines))
    row = bring(session, project, folder / "dpo_pairs.jsonl")
    assert (row.shape, row.added) == ("pairs", 2)
    assert [(fault[0], fault[2][:19]) for fault in row.faults] == [
        (4, "This is not JSON: u"),
        (5, "These pairs are not"),
        (7, "A reward margin is "),
    ]
    annotation = session.scalars(sa.select(Annotation).order_by(Annotation.id)).first()
    assert annotation is not None
    a, b, c = (str(each.id) for each in annotation.sample.responses)
    assert annotation.latest.content["ranking"] == [[a], [b, c]]
    assert annotation.latest.content["reasons"] == {a: "why a"}


def test_exports_of_other_platforms_keep_their_rankings(session: Session, project: Project, folder: Path) -> None:
    result = [{"type": "pairwise", "value": {"selected": "right"}}]
    data = {"image": "/data/local-files/?d=short/cat.jpg", "prompt": "What?", "answer_a": "A.", "answer_b": "B."}
    (folder / "ls.json").write_text(json.dumps([{"id": 3, "data": data, "annotations": [{"result": result}]}]))
    assert bring(session, project, folder / "ls.json").added == 1
    fields = {"image": "short/cat.jpg", "prompt": "So?", "response-1": "A.", "response-2": "B."}
    ranked = [{"value": "response-1", "rank": 2}, {"value": "response-2", "rank": 1}]
    record = {"id": "r", "fields": fields, "responses": {"preference": [{"value": ranked, "user_id": "u"}]}}
    (folder / "argilla.json").write_text(json.dumps([record]))
    assert bring(session, project, folder / "argilla.json").added == 1
    for annotation in session.scalars(sa.select(Annotation)):
        first, second = (str(each.id) for each in annotation.sample.responses)
        assert annotation.latest.content["ranking"] == [[second], [first]]


def test_an_import_that_broke_off_goes_on_where_it_stopped(session: Session, project: Project, folder: Path) -> None:
    line = {"image": "short/cat.jpg", "responses": []}
    (folder / "many.jsonl").write_text("\n".join(json.dumps({**line, "prompt": f"Number {n}?"}) for n in range(250)))
    begun = local.begin(session, project, cast.user(session, "bob"), folder / "many.jsonl", Wish())
    session.commit()
    fence = imports.perform(begun.id, bringing.keep, leave=lambda: True)
    assert imports.perform(begun.id, bringing.keep) is None  # somebody else's: nothing is done
    session.expire_all()
    assert (begun.reached, begun.added, begun.ended_at) == (100, 100, None)
    imports.perform(begun.id, bringing.keep, fence=fence)
    session.expire_all()
    assert (begun.reached, begun.added, begun.already) == (250, 250, 0)
    assert begun.ended_at is not None


def test_a_dry_run_counts_and_adds_nothing(session: Session, project: Project, folder: Path) -> None:
    (folder / "few.jsonl").write_text(
        json.dumps({"image": "short/cat.jpg", "prompt": "What?", "responses": []}) + "\n{"
    )
    row = bring(session, project, folder / "few.jsonl", dry=True)
    assert (row.added, row.faulty, len(samples(session))) == (1, 1, 0)


def test_a_damaged_file_stops_the_import_by_name(session: Session, project: Project, folder: Path) -> None:
    (folder / "cut.json").write_text('[{"prompt": "What?", "image": "short/cat.jpg"}, {"pro')
    row = bring(session, project, folder / "cut.json")
    assert row.failure.startswith("BadSource: This is not JSON")


def tar(*members: tuple[tarfile.TarInfo, bytes], packed: str = "gz") -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{packed}") as archive:  # type: ignore[call-overload]
        for about, content in members:
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return buffer


def member(name: str, kind: bytes = tarfile.REGTYPE, to: str = "") -> tarfile.TarInfo:
    about = tarfile.TarInfo(name)
    about.type, about.linkname = kind, to
    return about


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (tar((member("../evil.jsonl"), b"{}")), "leads outside"),
        (tar((member("/etc/evil"), b"{}")), "leads outside"),
        (tar((member("media", tarfile.SYMTYPE, "/etc"), b"")), "a link or a device"),
        (tar((member("media", tarfile.LNKTYPE, "/etc/passwd"), b"")), "a link or a device"),
        (tar((member("dev", tarfile.CHRTYPE), b"")), "a link or a device"),
        (tar((member("bomb.jsonl"), bytes(80 * 2**20))), "far more than it packs"),
        (io.BytesIO(tar((member("a.jsonl"), b"{}" * 9000), packed="xz").getvalue()[:-40]), "damaged"),
    ],
)
def test_a_hostile_archive_is_refused_by_name(tmp_path: Path, archive: io.BytesIO, words: str) -> None:
    with pytest.raises(unpacking.BadUpload, match=words):
        unpacking.unpack(archive, tmp_path)


def test_an_archive_with_its_media_is_imported(session: Session, project: Project, tmp_path: Path) -> None:
    line = json.dumps({"prompt": "What?", "image": "pictures/cat.jpg", "responses": []}).encode()
    content = tar((member("all/rows.jsonl"), line), (member("all/pictures/cat.jpg"), cast.picture()))
    (tmp_path / "all.tgz").write_bytes(content.getvalue())
    assert bring(session, project, tmp_path / "all.tgz").added == 1


def test_a_mapping_is_guessed_once_a_column_and_wrong_cells_are_named() -> None:
    found = mapping.guess(["text", "image", "answer", "Response A", "response_b", "model_b"])
    assert found["prompt"] == "text"
    assert found["reference"] == "answer"
    assert (found["response:Response A"], found["response:response_b"]) == ("A", "=model_b")
    with pytest.raises(Invalid, match="holds no text"):
        mapping.applied({"text": ["a"]}, {"prompt": "text"})
    assert guessing.guess({"prompt": "?", "image": "a", "responses": []}) == "assay"


def test_our_own_lines_need_no_responses_to_be_known_as_ours(session: Session, project: Project, folder: Path) -> None:
    rows = [
        {"prompt": "What?", "image": "short/cat.jpg"},
        {"prompt": "How dangerous?", "image": "short/cat.jpg", "danger": "violence", "responses": []},
        {"prompt": "Where?", "video": ["short/cat.jpg"]},
    ]
    (folder / "raw.jsonl").write_text("\n".join(map(json.dumps, rows)))
    row = bring(session, project, folder / "raw.jsonl")
    assert (row.shape, row.added, row.faulty) == ("assay", 3, 0)
    assert [each.domain for each in samples(session)] == ["image", "safety", "video"]


def test_a_column_that_is_empty_in_the_first_row_is_a_column(session: Session, project: Project, folder: Path) -> None:
    (folder / "t.csv").write_text(
        "prompt,image,answer a,answer b\nWhat?,short/cat.jpg,one,\nWho?,short/cat.jpg,two,three"
    )
    row = bring(session, project, folder / "t.csv")
    assert row.mapping == {"prompt": "prompt", "image": "image", "response:answer a": "a", "response:answer b": "b"}
    assert [[reply.text for reply in each.responses] for each in samples(session)] == [["one"], ["two", "three"]]


def test_a_file_of_something_else_is_refused_and_not_read_line_by_line(
    session: Session, project: Project, folder: Path
) -> None:
    dana = cast.user(session, "dana")
    for name, content in (
        ("cut.zip", b"PK\x03\x04" + b"\x01\n" * 99),
        ("words.txt", b"hello"),
        ("empty.jsonl.gz", b""),
    ):
        (folder / name).write_bytes(content)
        with pytest.raises(Invalid, match=r"neither a file of records|is empty"):
            local.begin(session, project, dana, folder / name, Wish())
    (folder / "lines").write_text(json.dumps({"prompt": "What?", "image": "short/cat.jpg"}))
    assert bring(session, project, folder / "lines").added == 1
