"""Is a backup whole, proved, cheap the second time, and a project again when it is restored elsewhere?

Folders, and buckets of a real S3 API: a server of moto, as a process on a free port.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from blake3 import blake3
from command import Project, ended, kill, wait_until

from catalog.audit import prove
from catalog.segments import read, segments
from catalog.session import Catalog

ASSETS = """
    import time
    from pathlib import Path

    import polars as pl
    from assets_core import DailyPartitions, Partition, asset

    DAYS = DailyPartitions("2024-01-01", "2024-02-01")
    GATE = Path("{root}/gate")

    @asset(partitions=DAYS)
    def first(partition: Partition) -> pl.DataFrame:
        while partition.key > "2024-01-08" and GATE.exists():
            time.sleep(0.005)
        return pl.DataFrame({{"day": [partition.key]}})

    @asset(partitions=DAYS)
    def second(first: pl.DataFrame) -> pl.DataFrame:
        return first.with_columns(twice=pl.col("day") + pl.col("day"))
"""


@pytest.fixture
def days(project: Project) -> Project:
    project.define(ASSETS.format(root=project.root.parent))
    return project


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "backups"


class Pipe:
    """Stands where a file was: whoever reads that waits."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._aside = file.rename(file.with_suffix(".aside"))
        os.mkfifo(file)

    def remove(self) -> None:
        self._aside.rename(self._file)


def elsewhere(project: Project, name: str = "elsewhere") -> Project:
    """Return another project with the same definitions and nothing made."""
    other = Project(project.root.parent / name, project.processes)
    shutil.copytree(project.root, other.root, ignore=shutil.ignore_patterns(".assets"))
    return other


def assert_same(project: Project, other: Project, cells: int) -> None:
    """Everything of the other project is proved, and nothing is to be made there."""
    assert prove(other.root / ".assets" / "journal").problems == []
    assert prove(other.root / ".assets" / "journal").notes == []
    assert Catalog(other.root / ".assets").verify() == []
    assert other.must("audit", "verify", "--json").value["problems"] == []
    done = other.must("materialize", "*", "--json").value
    assert (done["run"], done["fresh"]) == (None, cells)
    question = "SELECT count(*) AS rows, max(twice) AS last FROM second"
    assert other.query(question) == project.query(question)


def test_a_restored_backup_is_a_project_with_nothing_to_do(days: Project, place: Path) -> None:
    days.must("materialize", "*")
    made = days.must("catalog", "backup", str(place), "--json").value
    assert made["record"] == days.tail
    assert made["copied"] == made["files"] == 62 + 1
    other = elsewhere(days)
    assert other.must("catalog", "restore", str(place), "--json").value["records"] == days.tail
    assert_same(days, other, 62)
    assert not list(other.root.glob(".assets.*"))


def test_a_second_backup_copies_only_what_is_new(days: Project, place: Path) -> None:
    days.must("materialize", "*", "--partitions", "2024-01-01..2024-01-20")
    first = days.must("catalog", "backup", str(place), "--json").value
    days.must("materialize", "*", "--partitions", "2024-01-21")
    second = days.must("catalog", "backup", str(place), "--json").value
    assert second["copied"] == 2 + 1  # two cells, and the segment that the journal's end is in
    assert second["files"] == first["files"] + 2
    assert sorted(path.name for path in place.glob("*")) == sorted(
        ["data", "journal", first["backup"], second["backup"]]
    )
    third = days.must("catalog", "backup", str(place), "--json").value
    assert (third["copied"], third["backup"]) == (0, second["backup"])


def test_a_backup_while_a_run_goes_on_is_whole_as_of_one_record(days: Project, place: Path) -> None:
    gate = days.root.parent / "gate"
    gate.touch()
    run = days.start("backfill", "*", "--partitions", "2024-01-01..2024-01-31")
    wait_until(lambda: len(days.records("published")) > 0, run)
    made = days.must("catalog", "backup", str(place), "--json").value
    assert run.poll() is None
    gate.unlink()
    assert ended(run).code == 0
    assert 0 < made["record"] < days.tail
    other = elsewhere(days)
    other.must("catalog", "restore", str(place))
    assert other.tail == made["record"]
    assert other.must("audit", "verify", "--json").value["problems"] == []
    done = other.must("materialize", "*", "--json").value  # takes over what the run had begun
    assert done["made"] + done["fresh"] == 62
    assert done["fresh"] >= 8
    assert_same(days, other, 62)


@pytest.mark.parametrize("pattern", ["data/second/*.parquet", "journal/*", "backup-*.json"])
def test_a_damaged_byte_is_noticed_by_the_next_backup_and_by_a_restore(
    days: Project, place: Path, pattern: str
) -> None:
    days.must("materialize", "*", "--partitions", "2024-01-01..2024-01-03")
    days.must("catalog", "backup", str(place))
    victim = min(place.glob(pattern))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    other = elsewhere(days)
    refused = other.run("catalog", "restore", str(place))
    assert refused.code == 1
    assert victim.name in refused.err
    assert not (other.root / ".assets" / "journal").exists()
    assert not list(other.root.glob(".assets.*"))
    again = days.run("catalog", "backup", str(place))
    assert again.code == 1
    assert victim.name in again.err
    victim.unlink()
    days.must("catalog", "backup", str(place))
    other.must("catalog", "restore", str(place))


def test_damaged_data_is_not_backed_up(days: Project, place: Path) -> None:
    days.must("materialize", "*", "--partitions", "2024-01-01")
    victim = next((days.root / ".assets" / "data" / "second").iterdir())
    victim.write_bytes(victim.read_bytes()[:-8] + b"xxxxPAR1")
    refused = days.run("catalog", "backup", str(place))
    assert refused.code == 3
    assert victim.name in refused.err
    assert not list(place.glob("backup-*"))


def altered(place: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the newest manifest and make its digest fit again, as somebody would who can write there."""
    (file,) = place.glob("backup-*.json")
    document = json.loads(file.read_text())
    del document["digest"]
    change(document)
    text = json.dumps(document, ensure_ascii=False, sort_keys=True)
    file.write_text(json.dumps(document | {"digest": blake3(text.encode()).hexdigest()}))


def test_data_that_was_altered_together_with_its_manifest_is_not_restored(days: Project, place: Path) -> None:
    days.must("materialize")
    days.must("catalog", "backup", str(place))
    files = sorted((place / "data" / "first").iterdir())
    files[0].write_bytes(files[1].read_bytes())

    def fit(document: dict[str, Any]) -> None:
        for entry in document["files"]:
            content = (place / entry["stored"]).read_bytes()
            entry["size"], entry["blake3"] = len(content), blake3(content).hexdigest()

    altered(place, fit)
    other = elsewhere(days)
    outcome = other.run("catalog", "restore", str(place))
    assert outcome.code == 3
    assert "its bytes are not those that were written" in outcome.err
    assert not (other.root / ".assets" / "journal").exists()


@pytest.mark.parametrize("stored", ["/dev/zero", "data/../../secret", "data/a\0b", "secret"])
def test_a_manifest_that_points_elsewhere_is_refused(days: Project, place: Path, stored: str) -> None:
    days.must("materialize", "first", "--partitions", "2024-01-01")
    days.must("catalog", "backup", str(place))
    altered(place, lambda document: document["files"][-1].update(stored=stored))
    outcome = elsewhere(days).run("catalog", "restore", str(place))
    assert outcome.code not in (0, None)
    assert "it lists" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_killed_backup_leaves_no_manifest_and_the_next_one_completes_it(days: Project, place: Path) -> None:
    days.must("materialize", "*")
    pipe = Pipe(max((days.root / ".assets" / "data" / "second").iterdir()))
    process = days.start("catalog", "backup", str(place))
    wait_until(lambda: len(list(place.glob("data/*/*.parquet"))) > 30, process)
    kill(process)
    assert not list(place.glob("backup-*"))
    assert days.run("catalog", "restore", str(place)).code == 2
    pipe.remove()
    made = days.must("catalog", "backup", str(place), "--json").value
    assert 0 < made["copied"] < made["files"]
    other = elsewhere(days)
    other.must("catalog", "restore", str(place))
    assert_same(days, other, 62)


def test_a_killed_restore_leaves_no_project_and_the_next_one_makes_it(days: Project, place: Path) -> None:
    days.must("materialize", "*")
    days.must("catalog", "backup", str(place))
    other = elsewhere(days)
    pipe = Pipe(max((place / "data" / "second").iterdir()))
    process = other.start("catalog", "restore", str(place))
    wait_until(lambda: len(list(other.root.glob(".assets.restoring/data/*/*.parquet"))) > 30, process)
    kill(process)
    assert not (other.root / ".assets").exists()
    pipe.remove()
    other.must("catalog", "restore", str(place))
    assert_same(days, other, 62)
    assert not list(other.root.glob(".assets.*"))


def test_a_project_with_a_journal_is_not_overwritten(days: Project, place: Path) -> None:
    days.must("materialize", "*", "--partitions", "2024-01-01")
    days.must("catalog", "backup", str(place))
    refused = days.run("catalog", "restore", str(place))
    assert refused.code == 2
    assert "would be overwritten" in refused.err


def test_a_place_with_backups_of_another_journal_is_refused(days: Project, place: Path) -> None:
    days.must("materialize", "*", "--partitions", "2024-01-01")
    days.must("catalog", "backup", str(place))
    other = elsewhere(days)
    other.must("materialize", "*", "--partitions", "2024-01-01..2024-01-03")
    refused = other.run("catalog", "backup", str(place))
    assert refused.code == 2
    assert "another journal" in refused.err


def test_what_a_backup_needs_is_not_collected_meanwhile(days: Project, place: Path) -> None:
    days.must("materialize", "first", "--partitions", "2024-01-01")
    days.edit("assets.py", "[partition.key]", '[partition.key + "!"]')
    days.must("materialize", "first", "--partitions", "2024-01-01")
    days.edit("assets.py", '[partition.key + "!"]', '[partition.key + "?"]')
    days.must("materialize", "first", "--partitions", "2024-01-01")
    for file in (days.root / ".assets" / "data").rglob("*.parquet"):
        os.utime(file, (0, 0))
    collect = ("gc", "--keep-days", "0", "--keep-versions", "1", "--json")
    assert len(days.must(*collect).value["files"]) == 2
    pipe = Pipe(max((days.root / ".assets" / "data" / "first").iterdir()))
    process = days.start("catalog", "backup", str(place))
    wait_until(lambda: len(list(place.glob("data/*/*.parquet"))) == 2, process)
    assert days.must(*collect).value["files"] == []
    kill(process)
    pipe.remove()
    assert [one["version"] is None for one in days.must(*collect).value["files"]] == [False, False, True]


def test_compaction_and_pruning_change_nothing_for_the_user(days: Project, place: Path) -> None:
    for mark in "!?":
        days.must("materialize", "*", "--partitions", "2024-01-01..2024-01-05")
        days.must("audit", "anchor")
        days.edit("assets.py", '"day": [', f'"day": ["{mark}" + ')
    days.must("materialize", "*", "--partitions", "2024-01-01..2024-01-05")
    days.must("audit", "anchor")
    days.write("assets.toml", '[project]\nname = "small"\n[retention]\nkeep_days = 1\nkeep_versions = 1\n')
    plan = days.must("plan", "*", "--json").value
    status = days.must("status", "--json").value
    made = sum(record.kind == "materialized" for record in read(days.root / ".assets" / "journal"))
    done = days.must("catalog", "compact", "--json").value
    assert done["segments"] == 3
    assert done["bytes_after"] < done["bytes_before"]
    assert done["pruned"]["texts"] == 0
    assert all(segment.is_compressed for segment in segments(days.root / ".assets" / "journal")[:-1])
    told = days.must("catalog", "compact", "--prune-before", "0", "--dry-run", "--json").value["pruned"]
    done = days.must("catalog", "compact", "--prune-before", "0", "--json").value["pruned"]
    assert done["texts"] == told["texts"] > 0
    assert days.must("plan", "*", "--json").value == plan
    assert days.must("status", "--json").value == status
    assert days.must("audit", "verify", "--json").value["pruned"] == done["texts"]
    with Catalog(days.root / ".assets").read() as connection:  # what was superseded a moment ago has its data still
        ((left,),) = connection.sql("SELECT count(*) FROM materialization").fetchall()
    assert left == made
    assert days.must("catalog", "compact", "--json").value["segments"] == 0
    days.must("catalog", "backup", str(place))
    other = elsewhere(days)
    other.must("catalog", "restore", str(place))
    assert other.must("plan", "*", "--json").value == plan


def test_a_wrong_horizon_is_refused(days: Project) -> None:
    days.must("materialize", "*", "--partitions", "2024-01-01")
    for text in ("soon", "2999-01-01", "99999999999"):
        assert days.run("catalog", "compact", "--prune-before", text).code == 2


# A bucket


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while True:
        assert server.poll() is None
        assert time.monotonic() < deadline
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            os.sched_yield()
    yield f"http://127.0.0.1:{port}"
    server.send_signal(signal.SIGTERM)
    server.wait()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    made = boto3.resource("s3", region_name="us-east-1").Bucket(f"backups-{uuid.uuid4()}")
    made.create()
    return made


def test_a_bucket_holds_backups_as_a_folder_does(days: Project, bucket: Any) -> None:
    url = f"s3://{bucket.name}/of/days"
    days.must("materialize", "*", "--partitions", "2024-01-01..2024-01-20")
    days.must("catalog", "backup", url)
    days.must("materialize", "*")
    made = days.must("catalog", "backup", url, "--json").value
    assert made["copied"] == 22 + 1
    names = [entry.key for entry in bucket.objects.all()]
    assert len(names) == 62 + 2 + 2
    assert all(name.startswith("of/days/") for name in names)
    assert not [name for name in names if name.endswith(".partial")]
    other = elsewhere(days)
    other.must("catalog", "restore", url)
    assert_same(days, other, 62)


def test_a_damaged_byte_in_a_bucket_is_noticed(days: Project, bucket: Any) -> None:
    url = f"s3://{bucket.name}"
    days.must("materialize", "*", "--partitions", "2024-01-01..2024-01-03")
    days.must("catalog", "backup", url)
    victim = next(entry for entry in bucket.objects.all() if entry.key.startswith("data/second/"))
    content = bytearray(victim.get()["Body"].read())
    content[100] ^= 1
    bucket.put_object(Key=victim.key, Body=bytes(content))
    for refused in (days.run("catalog", "backup", url), elsewhere(days).run("catalog", "restore", url)):
        assert refused.code == 1
        assert victim.key in refused.err


def test_a_manifest_is_not_written_over_another_one(bucket: Any) -> None:
    from assets_core.errors import UserError
    from assets_core.keeping.destination import destination

    there = destination(f"s3://{bucket.name}/some")
    there.write_new("backup", b"one")
    with pytest.raises(UserError, match="there already"):
        there.write_new("backup", b"two")
    assert b"".join(there.read("backup")) == b"one"


def test_a_bucket_that_does_not_answer_is_said_in_one_line(days: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    days.must("materialize", "*", "--partitions", "2024-01-01")
    refused = days.run("catalog", "backup", "s3://nowhere/of/days")
    assert refused.code == 3
    assert "Traceback" not in refused.err
