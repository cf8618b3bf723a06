"""Cases in which a cell could be called fresh by mistake, each found once by a reader of the code."""

from __future__ import annotations

from pathlib import Path

from assets_core.materialize import materialize, plan
from assets_core.project import find_project

NARROWED = """
from typing import Annotated
import polars as pl
from assets_core import Partition, StaticPartitions, Upstream, asset

KEYS = StaticPartitions({keys})
X = {{"a": 1, "b": 2, "c": {c}}}

@asset(partitions=KEYS)
def up(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({{"x": [X[partition.key]], "y": [0], "z": [0]}})

@asset(partitions=KEYS)
def down(up: Annotated[pl.DataFrame, Upstream(columns=["x", "y"])]) -> pl.DataFrame:
    return up
"""

UNPARTITIONED = """
import polars as pl
from assets_core import DailyPartitions, asset

@asset({partitions})
def numbers() -> pl.DataFrame:
    return pl.DataFrame({{"n": [1]}})
"""

READER = """
import importlib
from pathlib import Path
import polars as pl
from assets_core import asset, external

def read(path: Path) -> pl.DataFrame:
    return pl.DataFrame({"n": [importlib.import_module("tal" + "ly").N]})

external("source", path="source.txt", read=read)

@asset()
def reader(source: pl.DataFrame) -> pl.DataFrame:
    return source
"""


def write(folder: Path, text: str) -> None:
    (folder / "definitions").mkdir(exist_ok=True)
    (folder / "assets.toml").write_text('[project]\nname = "x"\n', encoding="utf-8")
    (folder / "definitions/a.py").write_text(text, encoding="utf-8")


def test_columns_of_partitions_whose_positions_moved_are_not_mixed(tmp_path: Path) -> None:
    write(tmp_path, NARROWED.format(keys=["a", "b"], c=1))
    assert materialize(find_project(tmp_path)).made == 4
    write(tmp_path, NARROWED.format(keys=["c", "a", "b"], c=1))
    materialize(find_project(tmp_path))
    assert materialize(find_project(tmp_path)).run is None
    write(tmp_path, NARROWED.format(keys=["c", "a", "b"], c=99))
    assert materialize(find_project(tmp_path), "up").made == 3
    stale = [str(cell) for _, _, cell in plan(find_project(tmp_path), "down").cells()]
    assert stale == ["down@c"]


def test_partitions_can_be_given_and_taken_away(tmp_path: Path) -> None:
    days = 'partitions=DailyPartitions("2024-01-01", "2024-01-03")'
    for partitions, made in (("", 1), (days, 2), ("", 0), (days, 0)):
        write(tmp_path, UNPARTITIONED.format(partitions=partitions))
        assert materialize(find_project(tmp_path)).made == made
    assert materialize(find_project(tmp_path)).run is None


def test_a_source_read_by_code_that_cannot_be_known_makes_its_readers_unknown(tmp_path: Path) -> None:
    write(tmp_path, READER)
    (tmp_path / "source.txt").write_text("x", encoding="utf-8")
    (tmp_path / "tally.py").write_text("N = 1\n", encoding="utf-8")
    assert materialize(find_project(tmp_path)).made == 1
    (tmp_path / "tally.py").write_text("N = 2\n", encoding="utf-8")
    assert [str(cell) for _, _, cell in plan(find_project(tmp_path)).cells()] == ["reader"]


def test_a_linked_folder_inside_of_a_source_counts(tmp_path: Path) -> None:
    write(tmp_path, READER.replace("source.txt", "source").replace('importlib.import_module("tal" + "ly").N', "1"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/part.txt").write_text("1", encoding="utf-8")
    (tmp_path / "source").mkdir()
    (tmp_path / "source/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "source/loop").symlink_to(tmp_path / "source")
    assert materialize(find_project(tmp_path)).made == 1
    (tmp_path / "elsewhere/part.txt").write_text("2", encoding="utf-8")
    assert plan(find_project(tmp_path)).stale == 1
