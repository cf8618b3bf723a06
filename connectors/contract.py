"""The suite that every IO manager must pass, ours or a third party's.

Subclass it in a test module, give it a manager, and pytest runs the rest:

    class TestMyStore(IOManagerContract):
        def make_manager(self, folder: Path) -> IOManager:
            return MyStore(folder)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from assets_core.errors import InputError
from assets_core.io.manager import IOManager, Reference, Staged, Stored
from assets_core.io.streams import Stream, stream_of
from assets_core.model.keys import AssetKey
from assets_core.versions.data import data_version

_ASSET = AssetKey("shop/sales")


def _accept(staged: Staged) -> bool:
    return staged.data.rows >= 0


def _difficult_table() -> pa.Table:
    """Return one row group of what stores get wrong: nulls, NaN, decimals, zones, nested and dictionary types."""
    return pa.table(
        {
            "number": pa.array([1, None, 3], pa.int32()),
            "real": pa.array([math.nan, -0.0, None], pa.float64()),
            "text": pa.array(["", None, "\u00e9 | ' OR 1=1 --"], pa.string()),
            "nothing": pa.array([None, None, None], pa.string()),
            "money": pa.array([Decimal("1.10"), None, Decimal("-0.05")], pa.decimal128(12, 2)),
            "day": pa.array([date(2013, 3, 10), None, date(1900, 1, 1)], pa.date32()),
            "moment": pa.array([datetime(2013, 11, 3, 6, tzinfo=UTC), None, None], pa.timestamp("us", "Asia/Tokyo")),
            "list": pa.array([[1, None], [], None], pa.list_(pa.int64())),
            "struct": pa.array([{"a": 1}, {"a": None}, None], pa.struct([("a", pa.int64())])),
            "word": pa.array(["x", "y", "x"]).dictionary_encode(),
        }
    )


class IOManagerContract:
    """Sentences that must hold of an IO manager."""

    def make_manager(self, folder: Path) -> IOManager:
        """Return a manager that keeps everything below an empty folder (or elsewhere, for this test alone)."""
        raise NotImplementedError

    def _save(self, manager: IOManager, table: pa.Table) -> Stored:
        stored = manager.save(_ASSET, stream_of(table), _accept)
        assert stored is not None
        return stored

    def _reference(self, stored: Stored) -> Reference:
        return Reference(_ASSET, stored.data.digest, stored.file)

    def test_what_was_saved_is_loaded_with_every_value_and_type(self, tmp_path: Path) -> None:
        manager, table = self.make_manager(tmp_path), _difficult_table()
        stored = self._save(manager, table)
        loaded = manager.load([self._reference(stored)], None).table()
        assert data_version(loaded).digest == data_version(table).digest == stored.data.digest

    def test_the_version_is_computed_from_what_is_stored(self, tmp_path: Path) -> None:
        manager = self.make_manager(tmp_path)
        stored = self._save(manager, _difficult_table())
        assert manager.version(self._reference(stored)) == stored.data

    def test_a_table_without_rows_keeps_its_columns(self, tmp_path: Path) -> None:
        manager, table = self.make_manager(tmp_path), _difficult_table().slice(0, 0)
        loaded = manager.load([self._reference(self._save(manager, table))], None).table()
        assert loaded.num_rows == 0
        assert loaded.schema.names == table.schema.names

    def test_partitions_are_loaded_as_one_table_in_the_order_asked_for(self, tmp_path: Path) -> None:
        manager = self.make_manager(tmp_path)
        second = self._reference(self._save(manager, pa.table({"n": [2]})))
        first = self._reference(self._save(manager, pa.table({"n": [1]})))
        assert manager.load([first, second], None).table()["n"].to_pylist() == [1, 2]
        assert manager.load([second, first, second], None).lazy_frame().collect()["n"].to_list() == [2, 1, 2]

    def test_only_the_columns_asked_for_are_loaded(self, tmp_path: Path) -> None:
        manager = self.make_manager(tmp_path)
        reference = self._reference(self._save(manager, _difficult_table()))
        assert manager.load([reference], ("text", "number")).table().schema.names == ["text", "number"]
        assert manager.load([reference], ("text",)).lazy_frame().collect().columns == ["text"]

    def test_a_column_that_does_not_exist_is_named_with_the_nearest(self, tmp_path: Path) -> None:
        manager = self.make_manager(tmp_path)
        reference = self._reference(self._save(manager, _difficult_table()))
        try:
            manager.load([reference], ("numbr",)).table()
        except InputError as error:
            assert "'numbr'" in str(error)
            assert "'number'" in str(error)
        else:
            raise AssertionError("a column that does not exist was loaded")

    def test_what_the_judge_refuses_is_not_stored(self, tmp_path: Path) -> None:
        manager = self.make_manager(tmp_path)
        seen: list[Staged] = []

        def refuse(staged: Staged) -> bool:
            seen.append(staged)
            return False

        assert manager.save(_ASSET, stream_of(pa.table({"n": [1]})), refuse) is None
        assert seen[0].data.rows == 1
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]

    def test_a_stream_that_fails_leaves_nothing_behind(self, tmp_path: Path) -> None:
        manager = self.make_manager(tmp_path)
        schema = pa.schema([("n", pa.int64())])

        def batches() -> Iterator[pa.RecordBatch]:
            yield pa.record_batch({"n": [1]}, schema=schema)
            raise ValueError("the source broke")

        try:
            manager.save(_ASSET, Stream(schema, batches()), _accept)
        except ValueError as error:
            assert str(error) == "the source broke"
        else:
            raise AssertionError("a broken stream was saved")
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]

    def test_saving_the_same_data_again_changes_nothing_for_its_readers(self, tmp_path: Path) -> None:
        manager = self.make_manager(tmp_path)
        once, again = self._save(manager, _difficult_table()), self._save(manager, _difficult_table())
        assert (once.data, once.file) == (again.data, again.file)
        assert manager.version(self._reference(once)) == once.data

    def test_data_that_is_gone_is_an_error_that_names_its_asset(self, tmp_path: Path) -> None:
        manager = self.make_manager(tmp_path)
        stored = self._save(manager, pa.table({"n": [1]}))
        for path in list(tmp_path.rglob("*.parquet")):
            path.unlink()
        try:
            manager.load([self._reference(stored)], None).table()
        except InputError as error:
            assert _ASSET in str(error)
        else:
            raise AssertionError("data that is gone was loaded")
