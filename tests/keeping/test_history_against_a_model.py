"""Random sequences of edits, runs, rollbacks and collections against a model in memory: what is each cell's data, now
and at every earlier record, and which files are there?

Two cells of an asset whose content is their value alone, so that they share files, and a third cell that reads both.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_core.errors import InputError, SelectionError, UserError
from assets_core.keeping.collect import Kept, collect, unneeded
from assets_core.keeping.rollback import roll_back
from assets_core.materialize import materialize
from assets_core.project import Project, find_project
from assets_core.published import reading
from catalog.segments import tail

ASSETS = """
import polars as pl
from assets_core import Partition, StaticPartitions, asset

VALUES = {values}

@asset(partitions=StaticPartitions(["a", "b"]))
def one(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({{"n": [VALUES[partition.key]]}})

@asset()
def both(one: pl.DataFrame) -> pl.DataFrame:
    return one.select(pl.col("n").sum())
"""
CELLS = {"one@a": ("one", "a"), "one@b": ("one", "b"), "both": ("both", None)}
File = tuple[str, int]
"""Asset and value: equal content of an asset is one file."""


@dataclass
class Model:
    """What is published, what was at earlier records, and which files there are."""

    values: dict[str, int] = field(default_factory=lambda: {"a": 0, "b": 0})
    had: dict[str, list[int]] = field(default_factory=lambda: {cell: [] for cell in CELLS})
    past: dict[int, dict[str, int]] = field(default_factory=dict)
    files: set[File] = field(default_factory=set)

    @property
    def now(self) -> dict[str, int]:
        return {cell: had[-1] for cell, had in self.had.items() if had}

    def publish(self, cell: str, value: int) -> None:
        self.had[cell].append(value)
        self.files.add((CELLS[cell][0], value))

    def run(self) -> None:
        for cell, value in (("one@a", self.values["a"]), ("one@b", self.values["b"])):
            self.publish(cell, value)
        self.publish("both", sum(self.values.values()))

    def needed(self, versions: int) -> set[File]:
        """Return the files of the newest versions of each cell, by when each was current last."""
        return {
            (CELLS[cell][0], value)
            for cell, had in self.had.items()
            for value in list(dict.fromkeys(reversed(had)))[:versions]
        }


class Story:
    """A project and the model of it, through the same steps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = Model()
        (folder / "definitions").mkdir()
        (folder / "assets.toml").write_text("[project]\nname = 'story'\n", encoding="utf-8")
        self.edit({})
        self.materialize()

    @property
    def project(self) -> Project:
        return find_project(self.folder)

    def edit(self, values: dict[str, int]) -> None:
        self.model.values |= values
        text = ASSETS.format(values=json.dumps(self.model.values))
        (self.folder / "definitions/assets.py").write_text(text, encoding="utf-8")

    def materialize(self) -> None:
        result = materialize(self.project)
        assert (result.failed, result.blocked) == (0, 0)
        self.model.run()

    def roll_back(self, cell: str, place: int) -> None:
        """Go back to one of the records that are remembered, counted from the end."""
        moments = list(self.model.past)
        position = moments[-1 - place % len(moments)]
        before = tail(self.folder / ".assets/journal").seq
        value = self.model.past[position][cell]
        now = datetime.now(UTC)
        if value == self.model.now[cell]:
            assert roll_back(self.project, cell, str(position), now).moves == ()
            assert tail(self.folder / ".assets/journal").seq == before
        elif (CELLS[cell][0], value) not in self.model.files:
            with pytest.raises(InputError, match="was collected"):
                roll_back(self.project, cell, str(position), now)
            assert tail(self.folder / ".assets/journal").seq == before
        else:
            (move,) = roll_back(self.project, cell, str(position), now, reason="story").moves
            assert str(move.cell) == cell
            self.model.had[cell].append(value)

    def collect(self, versions: int) -> None:
        kept, now = Kept(0, versions), datetime.now(UTC)
        needed = self.model.needed(versions)
        told = {one.place for one in unneeded(self.project, kept, now)}
        removed = collect(self.project, kept, now)
        assert {one.place for one in removed} == told
        assert len(removed) == len(self.model.files - needed)
        self.model.files &= needed
        self.check_past()
        end = tail(self.folder / ".assets/journal").seq
        assert collect(self.project, kept, now) == []
        assert tail(self.folder / ".assets/journal").seq == end

    def check(self) -> None:
        """Compare what there is now, and remember it."""
        self.model.past[tail(self.folder / ".assets/journal").seq] = self.model.now
        data = self.folder / ".assets/data"
        assert {(file.parent.name, value_of(file)) for file in data.rglob("*.parquet")} == self.model.files
        assert len(list(data.rglob("*.parquet"))) == len(self.model.files)
        self.check_values(None, self.model.now)

    def check_past(self) -> None:
        for position, values in self.model.past.items():
            self.check_values(position, values)

    def check_values(self, position: int | None, values: dict[str, int]) -> None:
        with reading(self.project, position) as published:
            for cell, value in values.items():
                asset, partition = CELLS[cell]
                if (asset, value) in self.model.files:
                    (file,) = published.cells(asset, partition).files
                    assert value_of(Path(file)) == value, (cell, position)
                else:
                    assert position is not None, f"the current data of {cell} was removed"
                    with pytest.raises(InputError, match="was collected"):
                        published.cells(asset, partition)


def value_of(file: Path) -> int:
    ((value,),) = pq.read_table(file).to_pydict().values()
    return int(value)


@contextmanager
def story() -> Iterator[Story]:
    with tempfile.TemporaryDirectory() as folder:
        yield Story(Path(folder))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.dictionaries(st.sampled_from("ab"), st.integers(0, 2), min_size=1)),
        st.tuples(st.just("roll_back"), st.sampled_from(sorted(CELLS)), st.integers(0, 5)),
        st.tuples(st.just("collect"), st.integers(1, 3)),
    ),
    max_size=7,
)


@settings(max_examples=8, deadline=None)
@given(STEPS)
def test_each_cell_s_data_is_what_was_published_at_every_record_until_it_is_collected(steps: list[Any]) -> None:
    with story() as told:
        told.check()
        for name, *arguments in steps:
            getattr(told, name)(*arguments)
            if name == "edit":
                told.materialize()
            told.check()
        told.check_past()


def test_a_long_story_with_all_in_it() -> None:
    steps = itertools.cycle([("a", 1), ("b", 1), ("a", 2), ("b", 0)])
    with story() as told:
        told.check()
        for cell, value in itertools.islice(steps, 4):
            told.edit({cell: value})
            told.materialize()
            told.check()
        for cell, place in (("one@a", 3), ("both", 2), ("one@b", 1), ("one@a", 0)):
            told.roll_back(cell, place)
            told.check()
        for versions in (3, 2, 1):
            told.collect(versions)
            told.check()
        with pytest.raises(SelectionError):
            roll_back(told.project, "one@a", "fffffff", datetime.now(UTC))
        with pytest.raises(UserError):
            roll_back(told.project, "one@a", "soon", datetime.now(UTC))
        told.materialize()
        told.check()
