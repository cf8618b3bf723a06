"""What a step says it read: for each form of input, for queries, for batches; nothing where nothing was made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from assets_core.errors import Place
from assets_core.io.local_folder import LocalFolder
from assets_core.io.manager import Reference
from assets_core.io.memory import RecentTables
from assets_core.io.parquet_store import ParquetStore
from assets_core.io.streams import stream_of
from assets_core.lineage.sql_reads import QueryReads
from assets_core.loading.runtime import Runtime
from assets_core.model.asset import Asset, AssetKind, HandOff
from assets_core.model.keys import AssetKey, PartitionKey
from assets_core.model.partitions import Partition
from assets_core.model.reads import ColumnsRead
from assets_core.steps.step import run_step
from assets_core.steps.work import Source, StepOutcome, Work, WorkInput, Workshop

UP, DOWN = AssetKey("up"), AssetKey("down")
TABLE = pa.table({"a": [1, 2, 3], "b": [3, 2, 1], "c": ["x", "y", "z"]})


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    store = ParquetStore(LocalFolder(tmp_path / "data"), tmp_path / "staging", 1 << 20)
    with duckdb.connect() as connection:
        yield Workshop(store, RecentTables(1 << 20), {}, connection)


@pytest.fixture
def stored(workshop: Workshop) -> Reference:
    kept = workshop.store.save(UP, stream_of(TABLE), lambda staged: True)
    assert kept is not None
    return Reference(UP, kept.data.digest, kept.file)


def given(
    *parts: Reference | Source,
    hand_off: HandOff = HandOff.POLARS_LAZY,
    columns: tuple[str, ...] | None = None,
    by_partition: bool = False,
    optional: bool = False,
) -> WorkInput:
    keyed = tuple((PartitionKey(str(number)), part) for number, part in enumerate(parts))
    return WorkInput("up", hand_off, columns, by_partition, keyed, optional)


def step(workshop: Workshop, runtime: Runtime, *inputs: WorkInput, batch: bool = False) -> StepOutcome:
    kind = AssetKind.SQL if runtime.query else AssetKind.FUNCTION
    asset = Asset(DOWN, kind, Place("x.py", 1), "0" * 32, batch=batch, partition_parameter="days" if batch else None)
    runtimes: dict[AssetKey, Runtime] = {DOWN: runtime}
    shop = Workshop(workshop.store, workshop.recent, {**workshop.runtimes, **runtimes}, workshop.connection)
    partitions = (Partition(PartitionKey("p")), Partition(PartitionKey("q"))) if batch else (None,)
    return run_step(Work(1, asset, tuple(range(len(partitions))), partitions, inputs), shop)


@pytest.mark.parametrize("is_recent", [True, False])
def test_a_function_of_a_lazy_frame_reads_what_its_result_needs(
    workshop: Workshop, stored: Reference, is_recent: bool
) -> None:
    if is_recent:
        workshop.recent.put(UP, stored.version, TABLE)
    runtime = Runtime(lambda up: up.filter(pl.col("b") > 1).select("a"))
    outcome = step(workshop, runtime, given(stored))
    assert outcome.reads == {"up": ColumnsRead(("a", "b"), True)}


def test_a_large_file_is_followed_as_exactly(workshop: Workshop) -> None:
    rows = pl.DataFrame({"a": range(1 << 20), "b": 1, "c": 2}).with_columns(pl.col("a").hash().alias("noise"))
    stream = stream_of(rows.with_columns(pl.col("noise").shuffle(1).alias("more")))
    kept = workshop.store.save(UP, stream, lambda staged: True)
    assert kept is not None
    assert kept.size_bytes > 1 << 24
    runtime = Runtime(lambda up: up.filter(pl.col("b") > 0).group_by("c").agg(pl.len()))
    outcome = step(workshop, runtime, given(Reference(UP, kept.data.digest, kept.file)))
    assert outcome.reads == {"up": ColumnsRead(("b", "c"), True)}


@pytest.mark.parametrize("hand_off", [form for form in HandOff if form not in (HandOff.POLARS_LAZY, HandOff.VALUE)])
def test_every_other_form_is_read_whole(workshop: Workshop, stored: Reference, hand_off: HandOff) -> None:
    def first(up: Any) -> Any:
        return up[["a"]] if isinstance(up, pd.DataFrame) else up

    assert step(workshop, Runtime(first), given(stored, hand_off=hand_off)).reads == {"up": None}
    outcome = step(workshop, Runtime(first), given(stored, hand_off=hand_off, columns=("b", "a")))
    assert outcome.reads == {"up": ColumnsRead(("a", "b"), False)}


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("select a from up where c > 'a'", ColumnsRead(("a", "c"), False)),
        ("select a as z, z + 1 as y from up", ColumnsRead(("a",), True)),
        ("select count(*) as n from up", ColumnsRead((), False)),
        ("select * from up", None),
        ("select max(columns('a|b')) from up", None),
    ],
)
@pytest.mark.parametrize("is_recent", [True, False])
def test_a_query_reads_the_columns_that_it_names(
    workshop: Workshop, stored: Reference, query: str, read: ColumnsRead | None, is_recent: bool
) -> None:
    if is_recent:
        workshop.recent.put(UP, stored.version, TABLE)
    outcome = step(workshop, Runtime(query=query), given(stored, hand_off=HandOff.DUCKDB))
    assert outcome.cells[0].stored is not None, outcome.cells[0].message
    assert outcome.reads == {"up": read}
    expected = workshop.connection.from_arrow(TABLE).query("up", query).to_arrow_table()
    assert outcome.cells[0].stored.table == expected


def test_a_query_of_declared_columns_reads_no_others(workshop: Workshop, stored: Reference) -> None:
    declared = given(stored, hand_off=HandOff.DUCKDB, columns=("a", "b"))
    assert step(workshop, Runtime(query="from up"), declared).reads == {"up": ColumnsRead(("a", "b"), False)}
    assert step(workshop, Runtime(query="select b from up"), declared).reads == {"up": ColumnsRead(("b",), False)}


def test_a_query_that_was_misunderstood_is_run_on_everything(workshop: Workshop, stored: Reference) -> None:
    query = "select a, b from up"
    mistaken = QueryReads({query: [({"up": TABLE.schema}, {"up": ColumnsRead(("a",), False)})]})
    runtimes = {DOWN: Runtime(query=query)}
    shop = Workshop(workshop.store, workshop.recent, runtimes, workshop.connection, mistaken)
    asset = Asset(DOWN, AssetKind.SQL, Place("x.py", 1), "0" * 32)
    outcome = run_step(Work(1, asset, (0,), (None,), (given(stored, hand_off=HandOff.DUCKDB),)), shop)
    assert outcome.cells[0].stored is not None
    assert outcome.reads == {"up": None}


def test_an_external_source_is_read_whole(workshop: Workshop) -> None:
    runtime = Runtime(lambda up: up.select("a"))
    source = Source(UP, None, None, "reader", "")
    shop = Workshop(workshop.store, workshop.recent, {UP: Runtime(lambda at: pl.LazyFrame(TABLE))}, workshop.connection)
    assert step(shop, runtime, given(source)).reads == {"up": None}
    assert step(shop, runtime, given(source, columns=("a",))).reads == {"up": ColumnsRead(("a",), False)}
    query = Runtime(query="select a from up")
    assert step(shop, query, given(source, hand_off=HandOff.DUCKDB)).reads == {"up": None}


def test_a_batch_reads_what_all_of_its_cells_read(workshop: Workshop, stored: Reference) -> None:
    def days(up: pl.LazyFrame, days: tuple[Partition, ...]) -> Iterator[tuple[str, object]]:
        yield days[0].key, up.select("a")
        yield days[1].key, ValueError("no data")

    outcome = step(workshop, Runtime(days), given(stored), batch=True)
    assert [cell.error for cell in outcome.cells] == [None, "ValueError"]
    assert outcome.reads == {"up": ColumnsRead(("a",), True)}


def test_partitions_handed_apart_are_read_together(workshop: Workshop, stored: Reference) -> None:
    runtime = Runtime(lambda up: pl.concat([up["0"].select("a"), up["1"].select(pl.col("b").alias("a"))]))
    outcome = step(workshop, runtime, given(stored, stored, by_partition=True))
    assert outcome.reads == {"up": ColumnsRead(("a", "b"), True)}


def test_what_was_not_made_read_nothing(workshop: Workshop, stored: Reference) -> None:
    def fail(up: pl.LazyFrame) -> None:
        up.collect()
        raise ValueError

    assert step(workshop, Runtime(fail), given(stored)).reads == {}
    asset = Asset(UP, AssetKind.FUNCTION, Place("x.py", 1), "0" * 32)
    shop = Workshop(workshop.store, workshop.recent, {UP: Runtime()}, workshop.connection)
    assert run_step(Work(1, asset, (0,), (None,), stored=stored), shop).reads == {}


def test_an_optional_input_without_a_partition_is_none(workshop: Workshop, stored: Reference) -> None:
    seen: list[object] = []

    def note(up: pl.LazyFrame | None) -> pl.DataFrame:
        seen.append(up)
        return pl.DataFrame({"n": [1]})

    outcome = step(workshop, Runtime(note), given(optional=True))
    assert seen == [None]
    assert outcome.reads == {"up": None}
    step(workshop, Runtime(note), given(optional=True, by_partition=True))
    assert seen[1:] == [{}]
    step(workshop, Runtime(note), given(stored, optional=True))
    assert isinstance(seen[2], pl.LazyFrame)
