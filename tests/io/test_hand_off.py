"""What a function is handed: each form of each input, without a copy where both sides are Arrow, within a budget."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from assets_core.errors import InputError, OutputError
from assets_core.io.hand_off import hand_over
from assets_core.io.inputs import Input, MemoryInput
from assets_core.io.local_folder import LocalFolder
from assets_core.io.manager import Reference
from assets_core.io.memory import RecentTables, size_of
from assets_core.io.parquet_store import ParquetStore
from assets_core.io.sources import SourceInput, read_source
from assets_core.io.streams import stream_of
from assets_core.model.asset import HandOff
from assets_core.model.keys import AssetKey

TABLE = pa.table({"n": pa.array([1, 2, 3], pa.int64()), "t": ["a", "b", None]})


def address(column: pa.ChunkedArray) -> int:
    return int(column.chunk(0).buffers()[1].address)


@pytest.fixture(params=["memory", "parquet", "source"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> Input:
    """Return the same data as an input of each origin."""
    if request.param == "memory":
        return MemoryInput((TABLE,), None)
    if request.param == "source":
        return SourceInput((pl.LazyFrame(TABLE),), None)
    store = ParquetStore(LocalFolder(tmp_path / "data"), tmp_path / "staging", 1 << 20)
    stored = store.save(AssetKey("x"), stream_of(TABLE), lambda staged: True)
    assert stored is not None
    return store.load([Reference(AssetKey("x"), stored.data.digest, stored.file)], None)


@pytest.mark.parametrize(
    ("hand_off", "kind"),
    [
        (HandOff.POLARS_LAZY, pl.LazyFrame),
        (HandOff.POLARS, pl.DataFrame),
        (HandOff.ARROW_TABLE, pa.Table),
        (HandOff.ARROW_READER, pa.RecordBatchReader),
        (HandOff.DUCKDB, duckdb.DuckDBPyRelation),
        (HandOff.PANDAS, pd.DataFrame),
    ],
)
def test_each_form_has_its_type_and_all_of_the_data(given: Input, hand_off: HandOff, kind: type) -> None:
    with duckdb.connect() as connection:
        value = hand_over(given, hand_off, connection)
        assert isinstance(value, kind)
        stream = stream_of(value)
        assert pa.Table.from_batches(stream.batches, stream.schema)["n"].to_pylist() == [1, 2, 3]


def test_a_table_in_memory_reaches_polars_and_arrow_with_the_same_buffers() -> None:
    with duckdb.connect() as connection:
        given = MemoryInput((TABLE,), None)
        table = hand_over(given, HandOff.ARROW_TABLE, connection)
        assert isinstance(table, pa.Table)
        assert address(table["n"]) == address(TABLE["n"])
        frame = hand_over(given, HandOff.POLARS, connection)
        assert isinstance(frame, pl.DataFrame)
        assert address(frame.to_arrow()["n"]) == address(TABLE["n"])


def test_a_frame_that_a_function_returns_is_kept_with_the_same_buffers(tmp_path: Path) -> None:
    frame = pl.DataFrame({"n": [1, 2, 3]})
    store = ParquetStore(LocalFolder(tmp_path / "data"), tmp_path / "staging", 1 << 20)
    stored = store.save(AssetKey("x"), stream_of(frame), lambda staged: True)
    assert stored is not None
    assert stored.table is not None
    assert address(stored.table["n"]) == address(frame.to_arrow()["n"])


def test_columns_are_narrowed_in_every_form(given: Input) -> None:
    narrowed = type(given)(*[getattr(given, name) for name in given.__slots__ if name != "columns"], ("t",))  # type: ignore[attr-defined]
    with duckdb.connect() as connection:
        for hand_off in set(HandOff) - {HandOff.VALUE}:
            stream = stream_of(hand_over(narrowed, hand_off, connection))
            assert stream.schema.names == ["t"], hand_off


def test_a_declared_column_that_is_not_there_is_refused(given: Input) -> None:
    narrowed = type(given)(*[getattr(given, name) for name in given.__slots__ if name != "columns"], ("nn",))  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="'nn'"):
        narrowed.table()
    with pytest.raises(InputError, match="'nn'"):
        narrowed.lazy_frame()


def test_recent_tables_never_exceed_their_budget_and_drop_the_oldest() -> None:
    recent = RecentTables(limit_bytes=size_of(TABLE) * 2)
    for version in ("a", "b", "c"):
        recent.put("x", version, TABLE)
    assert [recent.get("x", version) is not None for version in ("a", "b", "c")] == [False, True, True]
    recent.put("x", "huge", pa.concat_tables([TABLE] * 10).combine_chunks())
    assert recent.get("x", "huge") is None
    assert recent.get("x", "c") is not None


def test_recent_tables_are_no_more_than_ten_thousand_however_small() -> None:
    recent = RecentTables(limit_bytes=size_of(TABLE) * 20_000)
    for number in range(10_001):
        recent.put("x", str(number), TABLE)
    assert [recent.get("x", str(number)) is not None for number in (0, 1, 10_000)] == [False, True, True]


@pytest.mark.parametrize("value", [None, 3, "text", [1, 2], {"n": [1]}])
def test_what_is_not_a_table_is_refused_with_what_would_be(value: object) -> None:
    with pytest.raises(OutputError, match="is not a table") as caught:
        stream_of(value)
    assert "polars LazyFrame" in caught.value.remedy


def test_anything_with_the_arrow_capsule_protocol_is_a_table() -> None:
    class Foreign:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return TABLE.__arrow_c_stream__(requested_schema)

    assert stream_of(Foreign()).schema.names == ["n", "t"]


def test_sources_are_read_by_their_ending(tmp_path: Path) -> None:
    frame = pl.DataFrame({"n": [1, 2]})
    frame.write_csv(tmp_path / "x.csv")
    frame.write_parquet(tmp_path / "x.parquet")
    frame.write_ndjson(tmp_path / "x.ndjson")
    frame.write_ipc(tmp_path / "x.arrow")
    for ending in ("csv", "parquet", "ndjson", "arrow"):
        value = read_source(None, tmp_path / f"x.{ending}")
        assert SourceInput((value,), None).table()["n"].to_pylist() == [1, 2]
    with pytest.raises(InputError, match="nothing says how to read"):
        read_source(None, tmp_path / "x.xls")


def test_a_small_frame_becomes_the_table_that_polars_makes_of_it() -> None:
    times = [pl.Datetime("ns", "UTC"), pl.Datetime("ms"), pl.Duration("us"), pl.Date, pl.Time, pl.Decimal(38, 2)]
    others = [pl.Categorical, pl.Enum(["a"]), pl.List(pl.String), pl.Struct({"a": pl.Int8}), pl.Null, pl.Binary]
    for dtype in (pl.Int8, pl.UInt64, pl.Float32, pl.Boolean, pl.String, *times, *others):
        frame = pl.DataFrame({"one": pl.Series([None, None], dtype=dtype), "two": ["a", "b"]})
        for one in (frame, frame.clear(), pl.concat([frame, frame], rechunk=False)):
            stream, expected = stream_of(one), one.to_arrow()
            assert stream.schema.equals(expected.schema, check_metadata=True), dtype
            assert pa.Table.from_batches(stream.batches, stream.schema).equals(expected), dtype
