"""A project whose data lies in a bucket of a real S3 API: made, planned, read, audited, collected, backed up."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import SETTINGS, Project
from moto.server import ThreadedMotoServer
from s3_server import CREDENTIALS, Bucket, address, begin, use_credentials

from assets_core.io.object_store import ObjectFolder

ASSETS = """
    from pathlib import Path

    import polars as pl

    from assets_core import Partition, StaticPartitions, asset

    PARTS = StaticPartitions([r"..\\\\..", "%2e%2e", "a/b", "ü?*["])

    @asset(partitions=PARTS)
    def parts(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"key": [partition.key] * 3, "n": [1, 2, 3], "unused": [0, 0, 0]})

    @asset()
    def total(parts: pl.LazyFrame) -> pl.LazyFrame:
        return parts.group_by("key").agg(pl.col("n").sum()).sort("key")
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedMotoServer]:
    begun = begin()
    yield begun
    begun.stop()


@pytest.fixture
def bucket(server: ThreadedMotoServer, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    use_credentials(monkeypatch)
    return Bucket.new(server)


@pytest.fixture
def shared(project: Project, bucket: Bucket) -> Project:
    """A small project with its data in the bucket, made."""
    project.write("assets.toml", SETTINGS + bucket.settings())
    project.define(ASSETS)
    project.must("materialize")
    return project


def stale(project: Project) -> int:
    return int(project.must("plan", "--json").value["stale"])


def test_a_project_is_made_planned_read_and_audited_in_a_bucket(shared: Project, bucket: Bucket) -> None:
    assert not (shared.root / ".assets" / "data").exists()
    files = {record["file"] for record in shared.records("materialized")}
    assert bucket.keys == files | {".assets-owner.json"}
    assert len(files) == 5
    assert stale(shared) == 0
    assert shared.query("SELECT count(*) AS rows, sum(n) AS n FROM parts") == [{"rows": 12, "n": 24}]

    assert shared.must("show", "parts", "--partition", "a/b", "--json").value["rows"] == 3
    assert shared.must("audit", "verify").code == 0
    everything = b"".join(path.read_bytes() for path in (shared.root / ".assets").rglob("*") if path.is_file())
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"].encode() not in everything


def test_a_plan_after_a_run_reads_no_object(shared: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError(f"{arguments} is read")

    monkeypatch.setattr(ObjectFolder, "wrong_with", refuse)
    assert stale(shared) == 0
    shared.edit("assets.py", "[1, 2, 3]", "[1, 2, 4]")
    shared.must("materialize", "parts", "--partitions", "a/b")
    assert stale(shared) == 4
    (shared.root / ".assets" / "outputs.json").unlink()
    monkeypatch.undo()
    use_credentials(monkeypatch)
    assert stale(shared) == 4, "without its note, they are read, and found to be right"


def test_columns_that_are_not_read_do_not_count_there_either(shared: Project) -> None:
    shared.edit("assets.py", "[0, 0, 0]", "[0, 0, 1]")
    before = shared.tail
    shared.must("materialize")
    assert {cell.partition("@")[0] for cell in shared.made(behind=before)} == {"parts"}


@pytest.mark.parametrize("is_replaced", [True, False])
def test_an_object_that_was_replaced_or_deleted_from_outside_is_seen(
    shared: Project, bucket: Bucket, is_replaced: bool
) -> None:
    file = next(record["file"] for record in shared.records("materialized") if record["asset"] == "total")
    one = bucket.made.Object(f"of/small/{file}")
    if is_replaced:
        content = one.get()["Body"].read()
        one.put(Body=content.replace(b"parquet-cpp", b"parquet-c++"))
    else:
        one.delete()
    found = shared.run("audit", "verify")
    assert found.code == 1
    assert f"{bucket.url}/{file}" in found.out + found.err
    assert stale(shared) == 1
    if not is_replaced:
        assert "is gone" in shared.run("show", "total").err
    shared.must("materialize")
    assert stale(shared) == 0
    assert shared.must("audit", "verify").code == 0


def test_versions_are_compared_rolled_back_and_collected(shared: Project, bucket: Bucket) -> None:
    shared.edit("assets.py", "[1, 2, 3]", "[1, 2, 4]")
    shared.must("materialize")
    assert len(bucket.keys) == 11
    different = shared.must("diff", "total", "previous", "--key", "key", "--json").value
    assert different["rows"] == {"added": 0, "removed": 0, "changed": 4}
    shared.must("rollback", "total", "--to", different["before"]["version"][:12])
    shared.edit("assets.py", "[1, 2, 4]", "[1, 2, 5]")
    shared.must("materialize")
    options = ("--keep-days", "0", "--keep-versions", "1")
    trial = shared.must("gc", *options, "--json").value["files"]
    assert trial
    assert all(one["path"].startswith(f"{bucket.url}/") for one in trial)
    assert len(bucket.keys) == 16
    shared.must("gc", *options, "--delete")
    current = {record["file"] for record in shared.records("materialized")[-5:]}
    assert bucket.keys == current | {".assets-owner.json"}
    assert stale(shared) == 0
    assert shared.must("audit", "verify").code == 0
    assert shared.must("gc", *options, "--json").value["files"] == []


def test_another_copy_of_the_project_neither_makes_nor_collects_there(shared: Project, bucket: Bucket) -> None:
    clone = Project(shared.root.with_name("clone"))
    shutil.copytree(shared.root, clone.root, ignore=shutil.ignore_patterns(".assets"))
    before = bucket.keys
    for command in (("materialize",), ("gc", "--keep-days", "0", "--delete")):
        refused = clone.run(*command)
        assert refused.code == 2
        assert "belongs to the records of another project" in refused.err
    assert bucket.keys == before


def test_a_backup_holds_the_records_and_says_where_the_data_is(shared: Project, bucket: Bucket, tmp_path: Path) -> None:
    place = str(tmp_path / "backups")
    made = shared.must("catalog", "backup", place, "--json").value
    assert made["data"]["url"] == bucket.url
    assert made["data"]["files"] == 5
    clone = Project(shared.root.with_name("clone"))
    shutil.copytree(shared.root, clone.root, ignore=shutil.ignore_patterns(".assets"))
    clone.write("assets.toml", SETTINGS)
    refused = clone.run("catalog", "restore", place)
    assert refused.code == 2
    assert bucket.url in refused.err
    shutil.copy(shared.root / "assets.toml", clone.root / "assets.toml")
    total = next(record["file"] for record in shared.records("materialized") if record["asset"] == "total")
    bucket.made.Object(f"of/small/{total}").delete()
    assert clone.must("catalog", "restore", place, "--json").value["gone"] == [f"{bucket.url}/{total}"]
    clone.must("materialize")
    assert clone.must("audit", "verify").code == 0
    assert clone.query("SELECT count(*) AS rows FROM total") == [{"rows": 4}]
    assert "nothing was backed up" not in clone.must("catalog", "backup", place).err


def test_a_backup_is_refused_where_current_data_is_missing(shared: Project, bucket: Bucket, tmp_path: Path) -> None:
    total = next(record["file"] for record in shared.records("materialized") if record["asset"] == "total")
    bucket.made.Object(f"of/small/{total}").delete()
    refused = shared.run("catalog", "backup", str(tmp_path / "backups"))
    assert refused.code == 3
    assert f"{bucket.url}/{total}" in refused.err


def test_a_server_that_dies_fails_cells_and_the_next_run_goes_on(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_credentials(monkeypatch)
    bucket = Bucket.new(begin())
    project.write("assets.toml", SETTINGS + "[run]\nthreads = 1\n" + bucket.settings(retry_seconds=1))
    project.define(
        """
        from pathlib import Path

        import polars as pl

        from assets_core import asset

        HERE = Path(__file__).parent

        @asset()
        def first() -> pl.DataFrame:
            return pl.DataFrame({"n": [1]})

        @asset()
        def second(first: pl.DataFrame) -> pl.DataFrame:
            (HERE.parent / "reached").write_text("")
            while not (HERE.parent / "dead").exists():
                pass
            return first
        """
    )

    def end_server() -> None:
        while not (project.root / "reached").exists():
            pass
        bucket.server.stop()
        (project.root / "dead").write_text("")

    ending = threading.Thread(target=end_server)
    ending.start()
    failed = project.run("materialize")
    ending.join()
    assert failed.code == 1, failed.err
    assert "second" in failed.err
    assert "could not be stored" in failed.err
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in failed.err
    assert project.published() == {"first": 1}
    assert not list((project.root / ".assets" / "staging").glob("*/*"))
    unknown = project.run("plan")
    assert unknown.code == 3
    assert bucket.url in unknown.err
    again = begin()  # servers of one process hold the same buckets
    project.write("assets.toml", SETTINGS + bucket.settings().replace(bucket.endpoint, address(again)))
    project.must("materialize")
    assert project.query("FROM second") == [{"n": 1}]
    assert stale(project) == 0
    again.stop()


def test_a_shared_folder_is_staged_beside_the_data_and_collected(project: Project, tmp_path: Path) -> None:
    place = tmp_path / "mounted" / "small"
    project.write("assets.toml", SETTINGS + f'\n[storage]\nurl = "file://{place}"\n')
    project.define(ASSETS)
    project.must("materialize")
    assert {path.relative_to(place).as_posix() for path in place.rglob("*.parquet")} == {
        record["file"] for record in project.records("materialized")
    }
    (place / ".staging" / "left behind").mkdir(parents=True)
    (place / ".staging" / "left behind" / "x.parquet").write_text("x")
    project.must("gc", "--delete")
    assert not list((place / ".staging").iterdir())
    assert stale(project) == 0
    assert project.query("SELECT sum(n) AS n FROM parts") == [{"n": 24}]
    assert project.must("audit", "verify").code == 0


def test_settings_that_cannot_be_used_are_refused_with_the_place(project: Project) -> None:
    for text, what in (
        ('[storage]\nurl = "ftp://x/y"\n', "ftp"),
        ('[storage]\nurl = "s3://b"\n[storage.options]\nsecret_access_key = "canary"\n', "is a secret"),
        ("[storage]\noptions = {}\n", "does not say where"),
        ('[storage]\nurl = "s3://b"\nprefix = "x"\n', "no member 'prefix'"),
    ):
        project.write("assets.toml", SETTINGS + text)
        refused = project.run("plan")
        assert refused.code == 2
        assert what in refused.err
        assert "assets.toml" in refused.err
        assert "canary" not in json.dumps([refused.out, refused.err])


def test_without_the_library_it_says_what_to_install(
    project: Project, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("assets.toml", SETTINGS + bucket.settings())
    project.define(ASSETS)
    monkeypatch.setitem(sys.modules, "obstore", None)
    refused = project.run("materialize")
    assert refused.code == 2
    assert "pip install 'assets-core[object-stores]'" in refused.err
