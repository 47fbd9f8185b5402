"""Tables of a few kilobytes that stand for gigabytes: a process with limits unpacks them; they are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.tables import User
from app.annotations import bringing
from app.projects.tables import Project
from app.samples import imports, sources
from app.samples.finding import Plan
from tests.app.samples.test_shapes_and_sources import bring, project

__all__ = ["project"]


def in_a_page_of_zeros(path: Path) -> None:
    """Its head tells truly what it unpacks to: 1.1 GiB."""
    batch = pa.record_batch({"prompt": pa.array(["0" * 2**20] * 16)})
    with pq.ParquetWriter(path, batch.schema, compression="zstd", use_dictionary=False) as out:
        for _group in range(70):
            out.write_batch(batch)


def in_a_value_that_rows_share(path: Path) -> None:
    """Its head counts the value once: 128 MiB, of which sixty rows are 7.5 GiB, and sixteen 2 GiB."""
    value = pa.DictionaryArray.from_arrays(pa.array([0] * 60, pa.int32()), pa.array(["0" * 2**27]))
    limits = {"store_schema": False, "dictionary_pagesize_limit": 2**30}
    pq.write_table(pa.table({"prompt": value}), path, compression="zstd", **limits)


@pytest.mark.parametrize("packed", [in_a_page_of_zeros, in_a_value_that_rows_share])
def test_a_table_of_a_few_kilobytes_that_stands_for_gigabytes_is_refused(
    tmp_path: Path, packed: Callable[[Path], None]
) -> None:
    packed(table := tmp_path / "rows.parquet")
    assert table.stat().st_size < 100_000
    with pytest.raises(sources.UnpacksTooFar, match="From row 1 on") as caught:
        list(sources.records(table, tmp_path))
    assert caught.value.where == "rows.parquet:1"
    assert "jsonl" in caught.value.advice


def test_its_import_ends_by_that_name(session: Session, project: Project, tmp_path: Path) -> None:
    in_a_page_of_zeros(tmp_path / "rows.parquet")
    with pytest.raises(sources.UnpacksTooFar):
        bring(session, project, tmp_path / "rows.parquet")
    alice = session.scalars(sa.select(User).filter_by(email="alice@example.org")).one()
    plan = Plan(tmp_path, tmp_path, "columns", {"prompt": "prompt"})
    row = imports.begin(session, project, alice, "token", "rows.parquet", tmp_path / "rows.parquet", plan)
    session.commit()
    imports.perform(row.id, bringing.keep)
    session.refresh(row)
    assert row.failure.startswith("UnpacksTooFar: From row 1 on")
    assert row.added == 0


def test_rows_of_every_kind_come_as_what_json_has(tmp_path: Path) -> None:
    row = {"at": datetime(2026, 1, 2, 3, 4), "price": Decimal("1.50"), "share": float("nan"), "none": None}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "rows.parquet")
    (entry,) = sources.records(tmp_path / "rows.parquet", tmp_path)
    assert entry.value() == {"at": "2026-01-02T03:04:00", "price": "1.50", "share": None}


def test_a_date_that_no_calendar_has_is_a_damaged_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"at": pa.array([2**62], pa.timestamp("us"))}), tmp_path / "rows.parquet")
    pq.write_table(pa.table({"at": pa.array([1], pa.timestamp("us"))}), tmp_path / "good.parquet")
    assert len(list(sources.records(tmp_path / "good.parquet", tmp_path))) == 1
    with pytest.raises(sources.BadSource, match="The table is damaged"):
        list(sources.records(tmp_path / "rows.parquet", tmp_path))


def test_a_table_whose_head_is_gone_has_no_count(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 and nothing more")
    assert sources.count_of(tmp_path / "rows.parquet") is None
