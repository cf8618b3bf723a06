"""Are published files watched without reading them again, and does what happens to them make the right cells stale?

The notes of the last look only save time; content decides. Driven through the command.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from command import Project

from assets_core.io import parquet_store

ASSETS = """
    import polars as pl
    from assets_core import DailyPartitions, Partition, asset

    DAYS = DailyPartitions("2024-01-01", "2024-01-05")

    @asset(partitions=DAYS)
    def days(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"day": [partition.key], "naïve": [1]})

    @asset(partitions=DAYS)
    def alike(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"n": [7]})

    @asset()
    def total(days: pl.DataFrame, alike: pl.LazyFrame) -> pl.DataFrame:
        return pl.DataFrame({"n": [days.height]})
"""
EVERY_DAY = {f"alike@2024-01-0{day}" for day in (1, 2, 3, 4)}


@pytest.fixture
def made(project: Project) -> Project:
    project.define(ASSETS)
    project.must("materialize")
    return project


def file_of(project: Project, cell: str) -> Path:
    stored: str = project.must("explain", cell, "--json").value["stored"]
    return project.root / ".assets/data" / stored


def notes(project: Project) -> Path:
    return project.root / ".assets/outputs.json"


def drifted(project: Project) -> set[str]:
    """Return the cells whose file is not what was published."""
    found = set()
    for step in project.must("plan", "--json").value["steps"]:
        if {"kind": "output_drifted"} in step["causes"]:
            found.add(step["asset"] if step["partition"] is None else f"{step['asset']}@{step['partition']}")
    return found


def made_now(project: Project) -> set[str]:
    before = project.tail
    project.must("materialize")
    assert project.must("plan", "--json").value["stale"] == 0
    return project.made(behind=before)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"', '{"days": {"stamp": "", "read": {}}}', "\0\1"])
def test_damaged_notes_cost_a_look_and_change_no_answer(made: Project, text: str) -> None:
    assert drifted(made) == set()
    notes(made).write_text(text, encoding="utf-8")
    assert drifted(made) == set()
    file_of(made, "days@2024-01-02").unlink()
    notes(made).write_text(text, encoding="utf-8")
    assert drifted(made) == {"days@2024-01-02"}
    assert made_now(made) == {"days@2024-01-02"}


@pytest.mark.parametrize("text", ['{"days": 1}', '{"days": {"stamp": "x"}}', '{"days": {"stamp": "x", "read": []}}'])
def test_notes_of_another_form_are_forgotten(made: Project, text: str) -> None:
    notes(made).write_text(text, encoding="utf-8")
    assert drifted(made) == set()


def test_notes_that_are_gone_are_written_again(made: Project) -> None:
    made.must("plan")
    before = json.loads(notes(made).read_bytes())
    notes(made).unlink()
    assert drifted(made) == set()
    assert json.loads(notes(made).read_bytes()).keys() == before.keys() == {"days", "alike", "total"}


def test_notes_that_cannot_be_written_are_done_without(made: Project) -> None:
    notes(made).unlink(missing_ok=True)
    (notes(made) / "in the way").mkdir(parents=True)
    assert drifted(made) == set()
    file_of(made, "total").unlink()
    assert drifted(made) == {"total"}


def test_cells_of_one_content_share_a_file_and_drift_together(made: Project) -> None:
    files = {file_of(made, cell) for cell in EVERY_DAY}
    assert len(files) == 1
    (file,) = files
    file.unlink()
    assert drifted(made) == EVERY_DAY
    assert made_now(made) == EVERY_DAY
    assert file.exists()


def test_one_of_the_cells_that_share_a_file_heals_all_of_them(made: Project) -> None:
    file_of(made, "alike@2024-01-01").unlink()
    made.must("materialize", "alike", "--partitions", "2024-01-03")
    assert drifted(made) == set(), "the file that they share is there again"
    assert made_now(made) == set()


def test_a_drifted_cell_is_made_again_and_what_reads_it_stays_fresh(made: Project) -> None:
    version = made.must("explain", "days@2024-01-02", "--json").value["version"]
    os.truncate(file_of(made, "days@2024-01-02"), 40)
    steps = made.must("plan", "--json").value["steps"]
    assert [(step["asset"], step["provisional"]) for step in steps] == [("days", False), ("total", True)]
    assert made_now(made) == {"days@2024-01-02"}
    assert made.must("explain", "days@2024-01-02", "--json").value["version"] == version
    assert made.query("SELECT count(*) AS n FROM days") == [{"n": 4}]


def test_a_drift_stays_told_until_it_is_mended(made: Project) -> None:
    file = file_of(made, "total")
    data = file.read_bytes()
    os.truncate(file, 40)
    assert drifted(made) == drifted(made) == {"total"}
    file.write_bytes(data)
    assert drifted(made) == set(), "the same content, though the times are others"


def test_a_changed_name_of_a_column_that_is_no_text_any_more_is_a_drift_and_no_crash(made: Project) -> None:
    file = file_of(made, "days@2024-01-02")
    data = file.read_bytes()
    assert "naïve".encode() in data
    file.write_bytes(data.replace("naïve".encode(), b"na\xff\xffve"))
    assert drifted(made) == {"days@2024-01-02"}
    assert made.run("audit", "verify").code == 1
    assert made_now(made) == {"days@2024-01-02"}


def test_another_file_under_the_name_of_a_published_one_is_a_drift(made: Project) -> None:
    shutil.copy2(file_of(made, "days@2024-01-01"), file_of(made, "days@2024-01-02"))
    assert drifted(made) == {"days@2024-01-02"}


def test_files_beside_the_published_ones_change_nothing(made: Project) -> None:
    folder = file_of(made, "total").parent
    (folder / "stranger.parquet").write_bytes(b"not ours")
    (folder / "note.txt").write_text("not ours")
    assert drifted(made) == set()


def test_a_project_copied_with_all_times_new_stays_fresh_and_is_read_once(made: Project) -> None:
    """As after a restored backup: inodes and times are others, the content is the same."""
    copy = Project(made.root.parent / "copy")
    shutil.copytree(made.root, copy.root, copy_function=shutil.copyfile)
    assert copy.must("plan").err == "nothing to do: 9 cells fresh\n"
    first = notes(copy).read_bytes()
    assert copy.must("plan").err == "nothing to do: 9 cells fresh\n"
    assert notes(copy).read_bytes() == first
    read = json.loads(first)
    assert {asset: len(note["read"]) for asset, note in read.items()} == {"days": 4, "alike": 1, "total": 1}
    file_of(copy, "days@2024-01-03").write_bytes(file_of(copy, "days@2024-01-04").read_bytes())
    assert drifted(copy) == {"days@2024-01-03"}


def test_a_backup_that_is_restored_is_fresh(made: Project) -> None:
    backup = made.root.parent / "backup"
    made.must("catalog", "backup", str(backup))
    new = Project(made.root.parent / "new")
    shutil.copytree(made.root, new.root, ignore=shutil.ignore_patterns(".assets"))
    new.must("catalog", "restore", str(backup))
    assert new.must("plan").err == "nothing to do: 9 cells fresh\n"


def test_a_folder_of_data_that_is_gone_makes_all_its_cells_anew_and_nothing_behind_them(made: Project) -> None:
    shutil.rmtree(file_of(made, "days@2024-01-01").parent)
    days = {f"days@2024-01-0{day}" for day in (1, 2, 3, 4)}
    assert drifted(made) == days
    assert made_now(made) == days


def with_other_statistics(file: Path, old: int, new: int) -> None:
    """Have the footer of a file say that a number is the least and the greatest that is not; size and time stay."""
    data, stat = file.read_bytes(), file.stat()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    told = data[footer:].replace(old.to_bytes(8, "little"), new.to_bytes(8, "little"))
    assert told != data[footer:]
    file.write_bytes(data[:footer] + told)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_altered_statistics_that_hide_rows_are_found(made: Project) -> None:
    with_other_statistics(file_of(made, "total"), 4, 3)
    assert made.query("SELECT n FROM total") == [{"n": 4}]
    assert made.query("SELECT n FROM total WHERE n = 4") == [], "as little as that is seen of it"
    audit = made.run("audit", "verify")
    assert audit.code == 1
    assert "its bytes are not those that were written" in audit.out + audit.err
    backup = made.root.parent / "backup"
    refused = made.run("catalog", "backup", str(backup))
    assert refused.code == 3
    assert "its bytes are not those that were written" in refused.err
    assert drifted(made) == {"total"}
    assert made_now(made) == {"total"}
    assert made.query("SELECT n FROM total WHERE n = 4") == [{"n": 4}]
    made.must("audit", "verify")


def test_a_file_written_again_with_other_bytes_of_the_same_content_is_right(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, backup = file_of(made, "alike@2024-01-01"), made.root.parent / "backup"
    before = file.read_bytes()
    made.must("catalog", "backup", str(backup))
    monkeypatch.setattr(parquet_store, "_COMPRESSION_OF_SMALL", "gzip")  # as another version of this package might
    made.must("materialize", "alike", "--partitions", "2024-01-03", "--force")
    after = file.read_bytes()
    assert after != before
    for data in (after, before, after):
        file.write_bytes(data)
        assert drifted(made) == set()
        made.must("audit", "verify")
    made.must("catalog", "backup", str(backup))
    new = Project(made.root.parent / "new")
    shutil.copytree(made.root, new.root, ignore=shutil.ignore_patterns(".assets"))
    new.must("catalog", "restore", str(backup))
    assert new.must("plan").err == "nothing to do: 9 cells fresh\n"
    new.must("audit", "verify")
