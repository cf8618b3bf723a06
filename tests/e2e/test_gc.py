"""Does `assets gc` remove what nobody needs and nothing else, also where it is killed, beside runs and readers?"""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from command import Project, ended, wait_until

from assets_core.execution.lease import Lease

ASSETS = """
    import time
    from pathlib import Path

    import polars as pl
    from assets_core import StaticPartitions, Partition, asset

    VALUES = {{"a": 1, "b": 100}}
    HELD, REACHED = Path("{root}/held"), Path("{root}/reached")

    @asset(partitions=StaticPartitions(["a", "b"]))
    def one(partition: Partition) -> pl.DataFrame:
        if partition.key == "b" and HELD.exists():
            REACHED.touch()
            while HELD.exists():
                time.sleep(0.005)
        return pl.DataFrame({{"n": [VALUES[partition.key]]}})
"""
ALL = ("--keep-days", "0", "--keep-versions", "1")


@pytest.fixture
def made(project: Project) -> Project:
    """Three versions of one@a: 1, 2, 3; one of one@b."""
    project.define(ASSETS.format(root=project.root))
    project.must("materialize")
    give(project, a=2)
    give(project, a=3)
    return project


def give(project: Project, **values: int) -> None:
    """Let cells hold other values."""
    before = (project.root / "definitions/assets.py").read_text(encoding="utf-8")
    line = next(line for line in before.splitlines() if line.startswith("VALUES"))
    known = ast.literal_eval(line.partition("= ")[2])
    project.edit("assets.py", line, f"VALUES = {known | values}")
    project.must("materialize")


def gc(project: Project, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = project.must("gc", *arguments, "--json").value
    return found


def stored(project: Project) -> set[Path]:
    return set((project.root / ".assets/data").rglob("*.parquet"))


def versions(project: Project, partition: str) -> list[str]:
    """Return the versions of a cell of `one`, the oldest first."""
    found = [made["version"] for made in project.records("materialized") if made["partition"] == partition]
    return list(dict.fromkeys(found))


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def test_a_dry_run_names_what_could_go_and_removes_nothing(made: Project) -> None:
    before, files = made.tail, stored(made)
    told = gc(made, *ALL)
    first, second, _ = versions(made, "a")
    assert [(file["asset"], file["partitions"], file["version"]) for file in told["files"]] == [
        ("one", ["a"], version) for version in sorted((first, second))
    ]
    assert told["bytes"] == sum(file["bytes"] for file in told["files"]) > 0
    assert all(file["reason"].startswith("superseded 20") for file in told["files"])
    assert (made.tail, stored(made), told["deleted"]) == (before, files, False)
    assert made.must("gc", *ALL).err.startswith("2 files, ")


def test_what_is_recent_or_among_the_newest_is_kept(made: Project) -> None:
    assert gc(made, "--keep-versions", "1")["files"] == []
    assert gc(made, "--keep-days", "0", "--keep-versions", "3")["files"] == []
    (oldest,) = gc(made, "--keep-days", "0")["files"]
    assert oldest["version"] == versions(made, "a")[0]
    assert gc(made)["files"] == []
    made.write("assets.toml", '[project]\nname = "small"\n[retention]\nkeep_versions = 1\n')
    assert len(gc(made, "--keep-days", "0")["files"]) == 2


def test_what_is_deleted_is_recorded_refused_and_stays_in_the_history(made: Project) -> None:
    moment = str(next(record["seq"] for record in made.journal if record["kind"] == "run_ended"))
    first, second, third = versions(made, "a")
    told = gc(made, *ALL, "--delete")
    assert {path.stem for path in stored(made)} == {third, *versions(made, "b")}
    (record,) = made.records("collected")
    assert sorted(record["versions"]) == sorted(["one", v, f"one/{v}.parquet"] for v in (first, second))
    assert told["deleted"]
    for command in (
        ("rollback", "one@a", "--to", first[:8]),
        ("show", "one", "--as-of", moment),
        ("query", "FROM one", "--as-of", moment),
        ("diff", "one@a", first[:8]),
    ):
        outcome = made.run(*command)
        assert outcome.code in (1, 2)
        assert f"the data of one@a at version {first[:12]} was collected 20" in outcome.err
        assert "Traceback" not in outcome.err
    assert made.query("SELECT n FROM one ORDER BY n") == [{"n": 3}, {"n": 100}]
    assert made.must("audit", "verify").out == ""


def test_a_second_time_there_is_nothing_to_do(made: Project) -> None:
    gc(made, *ALL, "--delete")
    before = made.tail
    assert gc(made, *ALL, "--delete")["files"] == []
    assert made.must("gc", *ALL, "--delete").err == "nothing to remove\n"
    assert made.tail == before


def test_a_version_that_is_made_again_is_there_again(made: Project) -> None:
    first, *_ = versions(made, "a")
    gc(made, *ALL, "--delete")
    give(made, a=1)
    give(made, a=3)
    made.must("rollback", "one@a", "--to", first[:8])
    assert gc(made, *ALL, "--delete")["files"][0]["version"] == versions(made, "a")[2]
    assert made.query("SELECT n FROM one ORDER BY n") == [{"n": 1}, {"n": 100}]


def test_a_file_that_another_cell_has_too_stays_while_either_needs_it(made: Project) -> None:
    give(made, b=1)  # the content of the first version of a
    assert {file["version"] for file in gc(made, *ALL)["files"]} == {versions(made, "a")[1], versions(made, "b")[0]}
    give(made, b=2)
    assert versions(made, "a")[0] in {file["version"] for file in gc(made, *ALL, "--delete")["files"]}
    assert made.query("SELECT n FROM one ORDER BY n") == [{"n": 2}, {"n": 3}]


def test_cells_that_an_atomic_run_withheld_go_when_it_is_over(made: Project) -> None:
    before = stored(made)
    made.edit("assets.py", "VALUES = {'a': 3", "VALUES = {'a': 4")
    made.edit("assets.py", "return pl", "assert partition.key != 'b'\n    return pl")
    assert made.run("materialize", "--atomic").code == 1
    (withheld,) = stored(made) - before
    told = gc(made, "--delete")["files"]
    assert [(file["version"], file["reason"]) for file in told] == [
        (withheld.stem, "never published, and its run is over")
    ]
    assert stored(made) == before


def test_files_that_no_record_names_go_when_they_are_older_than_a_day(made: Project) -> None:
    orphan = made.root / f".assets/data/one/{'0' * 64}.parquet"
    orphan.write_bytes(b"left behind")
    stranger = made.write(".assets/data/one/notes.txt", "mine")
    age(stranger, 3)
    assert gc(made, "--delete")["files"] == []
    age(orphan, 2)
    (told,) = gc(made, "--delete")["files"]
    assert (told["asset"], told["path"], told["bytes"]) == (None, f"data/one/{orphan.name}", 11)
    assert not orphan.exists()
    assert stranger.exists()
    assert made.records("collected") == []


def test_staging_folders_of_dead_runs_go_and_those_of_runs_at_work_stay(made: Project) -> None:
    dead, alive = (made.root / ".assets/staging" / str(uuid.uuid4()) for _ in range(2))
    for folder in (dead, alive):
        made.write(f".assets/staging/{folder.name}/half.parquet", "half")
    with Lease(made.root / ".assets/runs", alive.name, 1, 30.0):
        assert [file["path"] for file in gc(made, "--delete")["files"]] == [f"staging/{dead.name}"]
    assert (dead.exists(), alive.exists()) == (False, True)


@pytest.mark.parametrize("folder", ["runs", "readers"])
def test_what_a_lease_may_still_read_is_kept_until_it_ends(made: Project, folder: str) -> None:
    ends = [record["seq"] for record in made.journal if record["kind"] == "run_ended"]
    _, second, _ = versions(made, "a")
    with Lease(made.root / ".assets" / folder, str(uuid.uuid4()), ends[1]):
        for file in stored(made):
            age(file, 2)
        assert [file["version"] for file in gc(made, *ALL, "--delete")["files"]] == [versions(made, "a")[0]]
        made.must("show", "one", "--as-of", str(ends[1]))
    assert [file["version"] for file in gc(made, *ALL, "--delete")["files"]] == [second]


def test_an_unpublished_cell_of_a_run_at_work_is_kept(made: Project) -> None:
    held = made.root / "held"
    held.touch()
    made.edit("assets.py", "VALUES = {'a': 3", "VALUES = {'a': 5")
    process = made.start("materialize", "--atomic")
    count = len(made.records("materialized"))
    wait_until(lambda: len(made.records("materialized")) == count + 1, process)
    fresh = made.root / f".assets/data/{made.records('materialized')[-1]['file']}"
    age(fresh, 2)
    assert fresh.stem not in {file["version"] for file in gc(made, *ALL, "--delete")["files"]}
    held.unlink()
    assert ended(process).code == 0
    assert made.query("SELECT n FROM one ORDER BY n") == [{"n": 5}, {"n": 100}]


KILLED = """
import os, signal
from assets_core.cli import main
from assets_core.io.local_folder import LocalFolder
left = {left}
remove = LocalFolder.remove
def remove_some(self, files):
    remove(self, files[:left])
    os.kill(os.getpid(), signal.SIGKILL)
LocalFolder.remove = remove_some
main()
"""


@pytest.mark.parametrize("left", [0, 1])
def test_what_a_killed_gc_decided_is_finished_by_the_next(made: Project, left: int) -> None:
    words = ["gc", *ALL, "--delete", "--project", str(made.root)]
    done = subprocess.run([sys.executable, "-c", KILLED.format(left=left), *words], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(stored(made)) == 4 - left
    gone = {version for _, version, _ in made.records("collected")[0]["versions"]}
    assert gone == set(versions(made, "a")[:2])
    for version in gone:  # also where the file is still there: it counts as gone
        assert "was collected" in made.run("rollback", "one@a", "--to", version[:10]).err
    before = made.tail
    told = gc(made, *ALL, "--delete")["files"]
    assert len(told) == 2 - left
    assert all("stopped before" in file["reason"] for file in told)
    assert made.tail == before
    assert len(stored(made)) == 2


def test_what_is_made_again_after_a_killed_gc_is_not_removed_by_the_next(made: Project) -> None:
    words = ["gc", *ALL, "--delete", "--project", str(made.root)]
    subprocess.run([sys.executable, "-c", KILLED.format(left=0), *words], capture_output=True, check=False)
    give(made, a=1)
    told = gc(made, *ALL, "--delete")["files"]
    first, second, third = versions(made, "a")
    assert {file["version"] for file in told} == {second, third}
    assert first in {path.stem for path in stored(made)}
    assert made.query("SELECT n FROM one ORDER BY n") == [{"n": 1}, {"n": 100}]


def test_two_at_a_time_remove_each_file_once(made: Project) -> None:
    outcomes = [ended(process) for process in [made.start("gc", *ALL, "--delete", "--json") for _ in range(2)]]
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
    gone = [version for record in made.records("collected") for _, version, _ in record["versions"]]
    assert sorted(gone) == sorted(versions(made, "a")[:2])
    assert len(stored(made)) == 2
