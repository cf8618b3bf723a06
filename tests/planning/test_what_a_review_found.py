"""Cases that a reader of the planner found, each once: a cell called fresh by mistake, an answer that never came."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assets_core.cli import main
from assets_core.materialize import materialize, plan
from assets_core.partition_sets import add_partitions, remove_partitions
from assets_core.project import find_project

FIRST = """
import polars as pl
from assets_core import DynamicPartitions, Partition, StaticPartitions, asset

@asset(partitions={partitions})
def up(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({{"k": [partition.key]}})

@asset()
def first(up: pl.DataFrame) -> pl.DataFrame:
    return up.head(1)
"""
TOTALS = """
from typing import Annotated
import polars as pl
from assets_core import DailyPartitions, TimeWindow, Upstream, asset

@asset(partitions=DailyPartitions("2020-01-01", "2022-01-01"))
def running(running: Annotated[pl.DataFrame | None, Upstream(mapping=TimeWindow(offset=-1))]) -> pl.DataFrame:
    return pl.DataFrame({"n": [1]})

@asset()
def total(running: pl.DataFrame) -> pl.DataFrame:
    return running
"""


def define(folder: Path, text: str) -> None:
    (folder / "definitions").mkdir(exist_ok=True)
    (folder / "assets.toml").write_text('[project]\nname = "x"\n', encoding="utf-8")
    (folder / "definitions/a.py").write_text(text, encoding="utf-8")


def forced(folder: Path) -> list[str]:
    """Return the published files of the reader before and after it is made anew by force."""
    before = sorted(path.name for path in (folder / ".assets/data/first").iterdir())
    materialize(find_project(folder), "first", force=True)
    assert sorted(path.name for path in (folder / ".assets/data/first").iterdir()) == before
    return before


def test_the_order_of_a_list_does_not_count_for_what_a_reader_is_handed(tmp_path: Path) -> None:
    define(tmp_path, FIRST.format(partitions='StaticPartitions(["b", "a"])'))
    assert materialize(find_project(tmp_path)).made == 3
    define(tmp_path, FIRST.format(partitions='StaticPartitions(["a", "b"])'))
    assert plan(find_project(tmp_path)).stale == 0
    assert len(forced(tmp_path)) == 1


def test_a_key_that_was_removed_and_added_again_stands_where_it_stood(tmp_path: Path) -> None:
    define(tmp_path, FIRST.format(partitions='DynamicPartitions("c")'))
    add_partitions(find_project(tmp_path), "c", ["a", "b"])
    assert materialize(find_project(tmp_path)).made == 3
    remove_partitions(find_project(tmp_path), "c", ["a"])
    add_partitions(find_project(tmp_path), "c", ["a"])
    assert plan(find_project(tmp_path)).stale == 0
    assert len(forced(tmp_path)) == 1


@pytest.mark.parametrize("cell", ["running@2021-12-31", "total"])
def test_an_asset_that_reads_itself_is_explained_however_far_back_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cell: str
) -> None:
    define(tmp_path, TOTALS)
    monkeypatch.setattr("sys.argv", ["assets", "explain", cell, "--json", "--project", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "missing"
    assert {node["asset"] for node in told["upstream"]} == {"running"}
