"""What a batched step says of each of its cells, whatever its function gives; saves overlap and change nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from assets_core.errors import Place
from assets_core.io.local_folder import LocalFolder
from assets_core.io.manager import Reference
from assets_core.io.memory import RecentTables
from assets_core.io.parquet_store import ParquetStore
from assets_core.loading.runtime import Runtime
from assets_core.model.asset import Asset, AssetKind, HandOff
from assets_core.model.checks import Check, Severity
from assets_core.model.keys import AssetKey
from assets_core.model.partitions import StaticPartitions
from assets_core.steps.step import run_step
from assets_core.steps.work import StepOutcome, Work, Workshop

KEYS = [f"k{n:02}" for n in range(30)]
PARTITIONS = StaticPartitions(KEYS)
DOWN = AssetKey("down")


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    store = ParquetStore(LocalFolder(tmp_path / "data"), tmp_path / "staging", 1 << 20)
    with duckdb.connect() as connection:
        yield Workshop(store, RecentTables(1 << 20), {}, connection)


def run(workshop: Workshop, runtime: Runtime) -> StepOutcome:
    asset = Asset(
        DOWN, AssetKind.FUNCTION, Place("x.py", 1), "0" * 32, PARTITIONS, batch=True, partition_parameter="days"
    )
    ordinals = tuple(range(len(KEYS)))
    work = Work(1, asset, ordinals, tuple(PARTITIONS.partition(ordinal) for ordinal in ordinals))
    return run_step(work, replace(workshop, runtimes={DOWN: runtime}))


def contents(workshop: Workshop, outcome: StepOutcome) -> list[Any]:
    """Return the column `n` of each cell as it is stored, or the kind of its error."""
    found: list[Any] = []
    for cell in outcome.cells:
        if cell.stored is None:
            found.append(cell.error)
            continue
        data = workshop.store.load([Reference(DOWN, cell.stored.data.digest, cell.stored.file)], None)
        found.append(data.table()["n"].to_pylist())
    return found


FORMS: dict[str, Any] = {
    "polars": lambda n: pl.DataFrame({"n": [n]}),
    "lazy": lambda n: pl.LazyFrame({"n": [n]}),
    "arrow": lambda n: pa.table({"n": [n]}),
    "reader": lambda n: pa.table({"n": [n]}).to_reader(),
    "pandas": lambda n: pl.DataFrame({"n": [n]}).to_pandas(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("yields", [True, False])
def test_every_form_of_a_batch_is_stored_under_its_own_partition(workshop: Workshop, form: str, yields: bool) -> None:
    def made(days: Any) -> Any:
        pairs = ((day.key, FORMS[form](int(day.key[1:]))) for day in days)
        return pairs if yields else dict(pairs)

    outcome = run(workshop, Runtime(made))
    assert [cell.ordinal for cell in outcome.cells] == list(range(len(KEYS)))
    assert contents(workshop, outcome) == [[n] for n in range(len(KEYS))]


def test_a_generator_may_use_a_buffer_again_that_it_has_yielded(workshop: Workshop) -> None:
    def made(days: Any) -> Any:
        numbers = np.zeros(1000, np.int64)
        for day in days:
            numbers[:] = int(day.key[1:])
            yield day.key, pa.table({"n": numbers})

    def changed(days: Any) -> Any:
        frame = pl.DataFrame({"n": [0] * 1000})
        for day in days:
            frame.replace_column(0, pl.Series("n", [int(day.key[1:])] * 1000))
            yield day.key, frame

    for function in (made, changed):
        outcome = run(replace(workshop, recent=RecentTables(0)), Runtime(function))
        assert contents(workshop, outcome) == [[n] * 1000 for n in range(len(KEYS))]


@pytest.mark.parametrize("hand_off", [HandOff.POLARS, HandOff.DUCKDB])
def test_each_cell_is_judged_by_itself_whoever_stores_it(workshop: Workshop, hand_off: HandOff) -> None:
    seen: list[int] = []

    def is_even(given: Any) -> bool:
        number = given["n"].item() if hand_off is HandOff.POLARS else given.fetchall()[0][0]
        seen.append(number)
        return bool(number % 2 == 0)

    check = Check("is_even", DOWN, is_even, Severity.ERROR)
    runtime = Runtime(lambda days: {day.key: FORMS["polars"](int(day.key[1:])) for day in days})
    runtime.checks.append((check, hand_off))
    outcome = run(workshop, runtime)
    assert contents(workshop, outcome) == ["CheckFailed" if n % 2 else [n] for n in range(len(KEYS))]
    assert sorted(seen) == list(range(len(KEYS)))


def test_what_is_wrong_with_one_cell_is_of_that_cell(workshop: Workshop) -> None:
    def made(days: Any) -> Any:
        wrong = {1: ValueError("no"), 2: None, 3: 7, 4: KeyboardInterrupt(), 5: pl.LazyFrame({"n": [1]}).select("m")}
        for number, day in enumerate(days):
            if number != 6:
                yield day.key, wrong.get(number, FORMS["polars"](number))

    outcome = run(workshop, Runtime(made))
    errors = {cell.ordinal: cell.error for cell in outcome.cells if cell.error is not None}
    kinds = ["ValueError", "OutputError", "OutputError", "KeyboardInterrupt", "ColumnNotFoundError", "OutputError"]
    assert errors == dict(enumerate(kinds, 1))
    assert "returned nothing for 'k06'" in outcome.cells[-1].message


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, pl.exceptions.PanicException])
def test_what_was_yielded_before_a_generator_failed_stays_made(workshop: Workshop, error: type[BaseException]) -> None:
    def made(days: Any) -> Any:
        for number, day in enumerate(days):
            if number == 20:
                raise error("stop")
            yield day.key, FORMS["polars"](number)

    assert contents(workshop, run(workshop, Runtime(made))) == [[n] for n in range(20)] + [error.__name__] * 10


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (("elsewhere", pl.DataFrame({"n": [1]})), "a frame for 'elsewhere', which it was not asked for (again)"),
        (("k00", pl.DataFrame({"n": [1]})), "a frame for 'k00', which it was not asked for (again)"),
        ((PARTITIONS.partition(3), pl.DataFrame({"n": [1]})), "gave a tuple of Partition, DataFrame where a pair"),
        (pl.DataFrame({"n": [1]}), "gave a DataFrame where a pair"),
        (None, "gave a NoneType where a pair"),
        (("k03",), "gave a tuple of str where a pair"),
    ],
)
def test_something_that_was_not_asked_for_refuses_all_cells(workshop: Workshop, pair: Any, said: str) -> None:
    closed = threading.Event()

    def made(days: Any) -> Any:  # noqa: ARG001  # it is called with them
        try:
            yield "k00", FORMS["polars"](0)
            yield pair
        finally:
            closed.set()

    outcome = run(workshop, Runtime(made))
    assert {cell.error for cell in outcome.cells} == {"OutputError"}
    assert len(outcome.cells) == len(KEYS)
    assert said in outcome.cells[0].message
    assert closed.is_set()
