"""Published data in a bucket of a real S3 API: the contract of IO managers, names, tags, and little or much of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import duckdb
import polars as pl
import pyarrow as pa
import pytest
from moto.server import ThreadedMotoServer

from assets_core.errors import AssetsError, InputError, UserError
from assets_core.io import object_store_input
from assets_core.io.data_folder import OWNER, Owner, Storage, data_folder
from assets_core.io.hand_off import hand_over
from assets_core.io.inputs import Input
from assets_core.io.local_folder import LocalFolder
from assets_core.io.manager import IOManager, Reference, Stored
from assets_core.io.object_store import ObjectFolder
from assets_core.io.parquet_store import ParquetStore, opened
from assets_core.io.reads import Trace
from assets_core.io.streams import stream_of
from assets_core.model.asset import HandOff
from assets_core.model.keys import AssetKey
from assets_core.model.reads import ColumnsRead
from connectors.contract import IOManagerContract

ASSET = AssetKey("shop/sales")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def storage(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Storage:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    name = f"data-{uuid.uuid4()}"
    boto3.resource("s3", region_name="us-east-1", endpoint_url=endpoint).Bucket(name).create()
    return Storage(f"s3://{name}/pre-fix/of=it", {"endpoint": endpoint, "region": "us-east-1", "retry_seconds": 5})


@pytest.fixture
def folder(storage: Storage) -> ObjectFolder:
    return ObjectFolder(storage)


@pytest.fixture
def store(folder: ObjectFolder, tmp_path: Path) -> ParquetStore:
    return ParquetStore(folder, tmp_path / "staging", 1 << 20)


def saved(store: ParquetStore, table: pa.Table) -> Reference:
    return reference_of(kept(store, table))


def kept(store: ParquetStore, table: pa.Table) -> Stored:
    stored = store.save(ASSET, stream_of(table), lambda staged: True)
    assert stored is not None
    return stored


def reference_of(stored: Stored) -> Reference:
    return Reference(ASSET, stored.data.digest, stored.file)


def keys_of(storage: Storage) -> list[str]:
    bucket = storage.url.removeprefix("s3://").partition("/")[0]
    made = boto3.resource("s3", region_name="us-east-1", endpoint_url=storage.options["endpoint"]).Bucket(bucket)
    return sorted(one.key for one in made.objects.all())


class _InABucket(IOManagerContract):
    """The sentences of the contract; what they remove by hand is removed from the bucket as well."""

    memory_bytes = 1 << 20

    @pytest.fixture(autouse=True)
    def _bucket(self, folder: ObjectFolder) -> None:
        self.folder = folder

    def make_manager(self, folder: Path) -> IOManager:
        return ParquetStore(self.folder, folder / "staging", self.memory_bytes)

    def test_data_that_is_gone_is_an_error_that_names_its_asset(self, tmp_path: Path) -> None:
        manager = self.make_manager(tmp_path)
        stored = self._save(manager, pa.table({"n": [1]}))
        self.folder.remove([stored.file])
        with pytest.raises(InputError, match="shop/sales"):
            manager.load([self._reference(stored)], None)


class TestInMemory(_InABucket):
    """Where everything is small."""


class TestStagedInAFile(_InABucket):
    """Where everything is too large for memory when it is made."""

    memory_bytes = 0


class TestReadInPlace(_InABucket):
    """Where everything is too large to be fetched whole."""

    @pytest.fixture(autouse=True)
    def _large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(object_store_input, "_WHOLE_BYTES", 0)
        monkeypatch.setattr(object_store_input, "_WHOLE_FILE_BYTES", 0)


def test_the_name_is_the_same_as_in_a_folder_and_stays_under_the_prefix(
    store: ParquetStore, storage: Storage, tmp_path: Path
) -> None:
    table = pa.table({"n": [1, 2]})
    local = ParquetStore(LocalFolder(tmp_path / "data"), tmp_path / "local", 1 << 20)
    stored, beside = kept(store, table), kept(local, table)
    assert (stored.file, stored.file_digest, stored.size_bytes) == (beside.file, beside.file_digest, beside.size_bytes)
    (key,) = keys_of(storage)
    assert key.endswith(f"/{stored.file}")
    assert key.startswith("pre")
    assert list(store.files.names()) == [stored.file]


@pytest.mark.parametrize(
    "file",
    [
        *("../evil.parquet", "sales/../../evil", "%2e%2e/evil", "sales\\..\\evil", "/etc/passwd", "", "sales//x"),
        f"..%2f{'0' * 64}.parquet",
        f"sales/../{'0' * 64}.parquet",
        f"sales/{'0' * 64}.parquet\n",
        f"{'0' * 64}.parquet",
    ],
)
def test_a_name_that_could_mean_another_place_is_never_asked_for(
    folder: ObjectFolder, storage: Storage, tmp_path: Path, file: str
) -> None:
    with pytest.raises(AssetsError, match="no name of published data"):
        folder.put(memoryview(b"x"), tmp_path / "draft", file)
    with pytest.raises(AssetsError, match="no name of published data"):
        folder.at_hand(file, tmp_path)
    with pytest.raises(AssetsError, match="no name of published data"):
        folder.remove([file])
    assert folder.stats([file]) == [None]
    assert "no name of published data" in (folder.wrong_with(file, "0" * 64, ()) or "")
    assert keys_of(storage) == []


def test_what_is_large_is_put_in_parts_and_known_by_its_tag(
    store: ParquetStore, folder: ObjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets_core.io.object_store._PART_BYTES", 5 << 20)
    table = pa.table({"n": pa.array(range(400_000)), "text": [uuid.uuid4().hex for _ in range(400_000)]})
    stored = kept(replace(store, memory_bytes=0), table)
    assert stored.size_bytes > 5 << 20
    assert "-" in stored.tag, "of what was put in parts, it says how many"
    (stat,) = folder.stats([stored.file])
    assert stat is not None
    assert stat.sign == [stored.size_bytes, stored.tag]
    assert folder.wrong_with(stored.file, stored.data.digest, [stored.file_digest]) is None
    assert not list(store.staging.iterdir())


def test_a_damaged_object_is_told_from_a_whole_one_and_mended_by_saving_again(
    store: ParquetStore, folder: ObjectFolder, tmp_path: Path
) -> None:
    table = pa.table({"n": list(range(1000))})
    stored = kept(store, table)
    version, digests = stored.data.digest, [stored.file_digest]
    assert folder.wrong_with(stored.file, version, digests) is None
    assert folder.wrong_with(stored.file, version, ()) is None
    content = folder.whole(stored.file)
    folder.put(memoryview(content[:-20]), tmp_path / "draft", stored.file)
    assert folder.wrong_with(stored.file, version, digests) == "its bytes are not those that were written"
    assert "cannot be read" in (folder.wrong_with(stored.file, version, ()) or "")
    kept(store, table)
    assert folder.wrong_with(stored.file, version, digests) is None
    folder.remove([stored.file])
    assert folder.wrong_with(stored.file, version, digests) == "the file is missing"
    assert folder.wrong_with(stored.file, version, ()) == "the file is missing"
    assert list(folder.missing([stored.file])) == [stored.file]


@pytest.mark.parametrize("is_large", [False, True])
def test_every_form_is_handed_over_with_the_types_of_a_local_file(
    store: ParquetStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_large: bool
) -> None:
    if is_large:
        monkeypatch.setattr(object_store_input, "_WHOLE_BYTES", 0)
        monkeypatch.setattr(object_store_input, "_WHOLE_FILE_BYTES", 0)
    table = pa.table({"n": pa.array(range(1000), pa.int32()), "word": pa.array(["x", "y"] * 500).dictionary_encode()})
    other = pa.table({"n": pa.array([7], pa.int32()), "word": pa.array(["z"]).dictionary_encode()})
    local = ParquetStore(LocalFolder(tmp_path / "data"), tmp_path / "local", 1 << 20)
    ours, theirs = (one.load([saved(one, table), saved(one, other)], None) for one in (store, local))

    def forms(data: Input) -> list[object]:
        with duckdb.connect() as connection:
            lazy = hand_over(data, HandOff.POLARS_LAZY, connection)
            relation = hand_over(data, HandOff.DUCKDB, connection)
            assert isinstance(lazy, pl.LazyFrame)
            assert isinstance(relation, duckdb.DuckDBPyRelation)
            return [
                lazy.collect_schema(),
                lazy.filter(pl.col("n") > 990).collect().to_dicts(),
                [str(kind) for kind in relation.types],
                relation.filter("n > 990").fetchall(),
                data.table().schema.types,
                data.frame().sum().to_dicts()[0]["n"],
            ]

    assert forms(ours) == forms(theirs)


@pytest.mark.parametrize("is_large", [False, True])
def test_the_columns_that_a_lazy_frame_reads_are_traced_as_of_a_file(
    store: ParquetStore, monkeypatch: pytest.MonkeyPatch, is_large: bool
) -> None:
    if is_large:
        monkeypatch.setattr(object_store_input, "_WHOLE_BYTES", 0)
        monkeypatch.setattr("assets_core.io.reads._LARGE_BYTES", 0)
    data = store.load([saved(store, pa.table({"a": [1, 2], "b": [3, 4], "c": [5, 6]}))], None)
    trace = Trace(("a", "b", "c"))
    with duckdb.connect() as connection:
        frame = hand_over(data, HandOff.POLARS_LAZY, connection, trace)
    assert isinstance(frame, pl.LazyFrame)
    assert frame.filter(pl.col("a") > 1).select("b").collect()["b"].to_list() == [4]
    assert trace.columns() == ColumnsRead(("a", "b"), True)


def test_of_a_large_object_only_the_columns_asked_for_are_fetched(
    store: ParquetStore, folder: ObjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store_input, "_WHOLE_BYTES", 0)
    monkeypatch.setattr(object_store_input, "_WHOLE_FILE_BYTES", 0)
    wide = pa.table({"n": list(range(40_000)), "text": [uuid.uuid4().hex for _ in range(40_000)]})
    reference = saved(store, wide)
    fetched: list[int] = []
    real = ObjectFolder.range

    def counted(self: ObjectFolder, file: str, start: int, length: int) -> bytes:
        fetched.append(length)
        return real(self, file, start, length)

    monkeypatch.setattr(ObjectFolder, "range", counted)
    assert store.load([reference], ("n",)).table()["n"].to_pylist() == list(range(40_000))
    (stat,) = folder.stats([reference.file])
    assert stat is not None
    assert 0 < sum(fetched) < stat.size_bytes / 2


def test_a_store_is_opened_elsewhere_from_plain_json_without_secrets(
    store: ParquetStore, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHERE_THE_DATA_IS", storage.url)
    monkeypatch.setenv("MY_SECRET", "canary")
    named = Storage("env:WHERE_THE_DATA_IS", {**storage.options, "secret_access_key": "env:MY_SECRET"})
    text = json.dumps(ParquetStore(ObjectFolder(named), tmp_path / "mine", 5).describe())
    assert "canary" not in text
    worker = opened(json.loads(text), tmp_path / "its")
    assert worker.staging == tmp_path / "its"
    stored = kept(worker, pa.table({"n": [1]}))
    assert store.version(reference_of(stored)) == stored.data
    local = ParquetStore(LocalFolder(tmp_path / "data"), tmp_path / "mine", 5)
    assert opened(json.loads(json.dumps(local.describe())), tmp_path / "its").staging == tmp_path / "mine"


def test_what_was_stored_is_noted_until_it_was_seen(storage: Storage, tmp_path: Path) -> None:
    folder = ObjectFolder(storage, tmp_path / "note")
    store = ParquetStore(folder, tmp_path / "staging", 1 << 20)
    first, second = (kept(store, pa.table({"n": [n]})) for n in range(2))
    store.settle([first])
    sign = folder.glance({str(ASSET): 2})(ASSET)[first.file.rpartition("/")[2]]
    assert folder.written() == {first.file: sign}
    store.settle([second])
    folder.noted()
    assert folder.written().keys() == {first.file, second.file}, "a run went on meanwhile"
    folder.noted()
    assert folder.written() == {}


@pytest.mark.parametrize("count", [1, 40])
def test_many_are_asked_for_by_listing_and_nested_keys_are_not_taken_for_them(
    folder: ObjectFolder, tmp_path: Path, count: int
) -> None:
    files = [f"shop/sales/{number:064x}.parquet" for number in range(count)]
    nested = f"shop/sales/deep/{1:064x}.parquet"
    for file in (*files, nested):
        folder.put(memoryview(file.encode()), tmp_path, file)
    absent = f"shop/sales/{'f' * 64}.parquet"
    stats = folder.stats([*files, absent, files[0]])
    assert [stat and stat.size_bytes for stat in stats] == [*map(len, files), None, len(files[0])]
    for expected in ({"shop/sales": count, "shop/sales/deep": 1}, {"shop/sales": 10_000, "shop/sales/deep": 10_000}):
        signs = folder.glance(expected)
        assert sorted(signs("shop/sales")) == [file.rpartition("/")[2] for file in files]
        assert len(signs("shop/sales/deep")) == 1


@pytest.mark.parametrize("is_bucket", [True, False])
def test_data_of_other_records_is_not_touched(storage: Storage, tmp_path: Path, is_bucket: bool) -> None:
    place = storage if is_bucket else Storage(f"file://{tmp_path}/shared")
    mine, other = (Owner("flights", digest * 32) for digest in ("ab", "cd"))
    data_folder(place, tmp_path, lambda: Owner("flights", "")).claim()
    data_folder(place, tmp_path, lambda: mine).claim()
    data_folder(place, tmp_path, lambda: mine).claim()
    for owner in (other, Owner("flights", "")):
        with pytest.raises(UserError, match=r"belongs to the records of another project.*abab") as refused:
            data_folder(place, tmp_path, lambda owner=owner: owner).claim()
        assert OWNER in str(refused.value)


@pytest.mark.parametrize(
    ("url", "options", "what"),
    [
        ("ftp://host/x", {}, "ftp"),
        ("s3:///x", {}, "names no bucket"),
        ("s3://user:canary@bucket/x", {}, "more than a place"),
        ("s3://bucket/x?sig=canary", {}, "more than a place"),
        ("s3://bucket/a/../b", {}, "goes up"),
        ("s3://bucket/a/%2E%2e/b", {}, "differently"),
        ("s3://bucket/a b", {}, "differently"),
        ("s3://bucket/a\\..\\b", {}, "differently"),
        ("file:///tmp/%2e%2e/b", {}, "goes up"),
        ("file://host/x", {}, "names no folder"),
        ("s3://bucket", {"secret_access_key": "canary"}, "is a secret"),
        ("s3://bucket", {"region": 1.5}, "region"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_without_telling_secrets(
    url: str, options: dict[str, str], what: str
) -> None:
    found = Storage(url, options).wrong()
    assert found is not None
    assert what in found[0]
    assert "canary" not in "".join(found)


def test_an_option_that_is_unknown_or_not_in_the_environment_is_named(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nonsense"):
        ObjectFolder(Storage(storage.url, {"nonsense": "1"})).stats([f"a/{'0' * 64}.parquet"])
    with pytest.raises(UserError, match="NOT_THERE_AT_ALL"):
        data_folder(Storage("env:NOT_THERE_AT_ALL"), tmp_path, lambda: Owner("a", ""))
