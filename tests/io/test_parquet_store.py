"""The Parquet store keeps the contract of IO managers, and its own promises: staging, addresses, bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from blake3 import blake3

from assets_core.errors import InputError
from assets_core.io.local_folder import LocalFolder
from assets_core.io.manager import IOManager, Reference, Staged
from assets_core.io.parquet_store import ParquetStore, wrong_with
from assets_core.io.streams import Stream, stream_of
from assets_core.model.keys import AssetKey
from assets_core.versions.data import data_version
from connectors.contract import IOManagerContract

ASSET = AssetKey("sales")


def store_in(folder: Path, memory_bytes: int = 1 << 20) -> ParquetStore:
    return ParquetStore(LocalFolder(folder / "data"), folder / "staging", memory_bytes)


class TestInMemory(IOManagerContract):
    def make_manager(self, folder: Path) -> IOManager:
        return store_in(folder)


class TestStagedInAFile(IOManagerContract):
    """The same sentences where everything is too large for memory."""

    def make_manager(self, folder: Path) -> IOManager:
        return store_in(folder, memory_bytes=0)


def test_a_file_is_named_by_its_content(tmp_path: Path) -> None:
    table = pa.table({"n": [1, 2]})
    stored = store_in(tmp_path).save(ASSET, stream_of(table), lambda staged: True)
    assert stored is not None
    assert stored.file == f"sales/{data_version(table).digest}.parquet"
    assert not list((tmp_path / "staging").iterdir())


def test_a_stream_larger_than_the_limit_is_never_held_whole(tmp_path: Path) -> None:
    schema = pa.schema([("n", pa.int64())])
    alive: list[int] = []
    before = pa.total_allocated_bytes()

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(200):
            alive.append(pa.total_allocated_bytes() - before)
            yield pa.record_batch({"n": pa.array([number] * 50_000, pa.int64())}, schema=schema)

    def judge(staged: Staged) -> bool:
        assert staged.table is None
        assert staged.path is not None
        return pl.scan_parquet(staged.path).select(pl.len()).collect().item() == 10_000_000

    stored = store_in(tmp_path, memory_bytes=2_000_000).save(ASSET, Stream(schema, batches()), judge)
    assert stored is not None
    assert stored.data.rows == 10_000_000
    assert max(alive) < 40_000_000, "80 MB went through, far less was alive at any time"


def test_a_lazy_query_is_run_in_batches(tmp_path: Path) -> None:
    frame = pl.LazyFrame({"n": range(500_000)}).with_columns(square=pl.col("n") ** 2)
    stored = store_in(tmp_path, memory_bytes=1_000).save(ASSET, stream_of(frame), lambda staged: staged.table is None)
    assert stored is not None
    assert stored.data.digest == data_version(frame.collect().to_arrow()).digest


def test_a_lazy_query_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    frame = pl.LazyFrame({"n": [1], "t": ["x"]}).filter(pl.col("n") > 1)
    stored = store_in(tmp_path).save(ASSET, stream_of(frame), lambda staged: True)
    assert stored is not None
    assert [(column.name, column.type) for column in stored.data.columns] == [("n", "int64"), ("t", "string")]


def test_a_damaged_file_is_told_from_a_whole_one_and_mended_by_saving_again(tmp_path: Path) -> None:
    store, table = store_in(tmp_path), pa.table({"n": list(range(1000))})
    stored = store.save(ASSET, stream_of(table), lambda staged: True)
    assert stored is not None
    path = Path(store.files.place(stored.file))
    assert wrong_with(path, stored.data.digest, ()) is None
    path.write_bytes(path.read_bytes()[:-20])
    assert wrong_with(path, stored.data.digest, ()) is not None
    store.save(ASSET, stream_of(table), lambda staged: True)
    assert wrong_with(path, stored.data.digest, ()) is None


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
def test_the_bytes_of_a_file_decide_where_their_digest_is_known_and_else_its_content(
    tmp_path: Path, memory_bytes: int
) -> None:
    store = store_in(tmp_path, memory_bytes)
    stored = store.save(ASSET, stream_of(pa.table({"n": list(range(300_000))})), lambda staged: True)
    assert stored is not None
    path, version = Path(store.files.place(stored.file)), stored.data.digest
    data = path.read_bytes()
    assert stored.file_digest == blake3(data).hexdigest()[:32]
    assert wrong_with(path, version, ["0" * 32, stored.file_digest]) is None
    path.write_bytes(data.replace(b"parquet-cpp", b"parquet-c++"))
    assert path.read_bytes() != data
    assert wrong_with(path, version, [stored.file_digest]) == "its bytes are not those that were written"
    assert wrong_with(path, version, ()) is None
    path.unlink()
    assert "cannot be read" in (wrong_with(path, version, [stored.file_digest]) or "")


def test_partitions_with_unlike_columns_are_refused_by_name(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    references = []
    for table in (pa.table({"n": [1]}), pa.table({"n": [1], "extra": [2]})):
        stored = store.save(ASSET, stream_of(table), lambda staged: True)
        assert stored is not None
        references.append(Reference(ASSET, stored.data.digest, stored.file))
    for read in (lambda: store.load(references, None).table(), lambda: store.load(references, None).lazy_frame()):
        with pytest.raises(InputError, match="'extra'"):
            read()


def test_partitions_whose_types_widen_are_read_as_one(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    references = []
    for table in (pa.table({"n": pa.array([1], pa.int32())}), pa.table({"n": pa.array([2], pa.int64())})):
        stored = store.save(ASSET, stream_of(table), lambda staged: True)
        assert stored is not None
        references.append(Reference(ASSET, stored.data.digest, stored.file))
    assert store.load(references, None).table()["n"].to_pylist() == [1, 2]
    assert store.load(references, None).lazy_frame().collect()["n"].to_list() == [1, 2]
