"""Does every executor keep what the port promises, and does a run come to the same on each?"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from executor_contract import KINDS, Bench, Kind, Pipes, bench, is_alive, write_project

from assets_core.executors.executor import CANCELLED, OUT_OF_MEMORY, TIMED_OUT, WORKER_DIED
from assets_core.materialize import materialize
from assets_core.model.handling import Handling
from assets_core.project import find_project
from catalog.segments import read

APART = [kind for kind in KINDS if kind.is_apart]
HOSTILE = ["a b", "../../etc/passwd", "ü|\\", "' OR 1=1 --", "\u202e\0x", "👩‍🚀", "\udc80", "con", "x" * 300]


def names(kind: Kind) -> str:
    return kind.name


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("contract") / "project")


@pytest.fixture(scope="module", params=KINDS, ids=names)
def any_bench(request: pytest.FixtureRequest, root: Path) -> Iterator[Bench]:
    with bench(request.param, root) as opened:
        yield opened


@pytest.fixture(scope="module", params=APART, ids=names)
def apart(request: pytest.FixtureRequest, root: Path) -> Iterator[Bench]:
    with bench(request.param, root) as opened:
        yield opened


def test_every_attempt_is_delivered_once(any_bench: Bench) -> None:
    works = [any_bench.work(f"{number}") for number in range(100)]
    again = [any_bench.work(attempt=attempt) for attempt in (2, 3)]
    any_bench.submit(*works, *again)
    outcomes = [any_bench.next() for _ in range(102)]
    delivered = sorted((outcome.work.step, outcome.work.attempt) for outcome in outcomes)
    assert delivered == sorted((work.step, work.attempt) for work in (*works, *again))
    assert all(outcome.cells[0].error is None for outcome in outcomes)
    assert any_bench.outcomes.empty()
    assert any_bench.executor.running() == []


@pytest.mark.parametrize("key", HOSTILE)
def test_any_key_crosses_as_it_is(any_bench: Bench, key: str) -> None:
    outcome = any_bench.run(any_bench.work(f"raise:{key}"))
    assert outcome.work.partitions[0].key == f"raise:{key}"  # type: ignore[union-attr]
    recordable = key.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair cannot be written down
    assert (outcome.cells[0].error, outcome.cells[0].message) == ("ValueError", f"ValueError: {recordable}")


def test_a_function_that_leaves_python_is_one_failed_attempt(any_bench: Bench) -> None:
    outcome = any_bench.run(any_bench.work("leave:1"))
    assert outcome.cells[0].kinds == ("SystemExit", "BaseException")
    assert any_bench.run(any_bench.work()).cells[0].error is None


def test_steps_run_side_by_side_and_are_told_while_they_do(any_bench: Bench, tmp_path: Path) -> None:
    pipes = [Pipes(tmp_path, str(number)) for number in range(2)]
    works = [any_bench.work(f"wait:{pipe.folder}") for pipe in pipes]
    any_bench.submit(*works)
    for pipe in pipes:
        pipe.begun()
    assert sorted(running.work.step for running in any_bench.executor.running()) == [work.step for work in works]
    for pipe in pipes:
        pipe.go()
    assert {any_bench.next().work.step for _ in works} == {work.step for work in works}


def test_what_has_not_begun_is_dropped_and_what_runs_is_delivered(any_bench: Bench, tmp_path: Path) -> None:
    pipes = [Pipes(tmp_path, str(number)) for number in range(2)]
    at_work = [any_bench.work(f"wait:{pipe.folder}") for pipe in pipes]
    waiting = [any_bench.work() for _ in range(5)]
    any_bench.submit(*at_work)
    for pipe in pipes:
        pipe.begun()
    any_bench.submit(*waiting)
    assert [work.step for work in any_bench.executor.cancel()] == [work.step for work in waiting]
    for pipe in pipes:
        pipe.go()
    assert {any_bench.next().work.step for _ in at_work} == {work.step for work in at_work}
    assert any_bench.run(any_bench.work()).cells[0].error is None


def test_a_table_larger_than_the_memory_for_it_is_streamed(any_bench: Bench) -> None:
    limit = Handling(memory_bytes=180_000_000)
    outcome = any_bench.run(any_bench.work("stream:40", limit))
    stored = outcome.cells[0].stored
    assert stored is not None, outcome.cells[0].message
    assert (stored.data.rows, stored.table) == (40_000_000, None)


@pytest.mark.parametrize("kind", KINDS, ids=names)
def test_to_close_lets_running_steps_end_and_leaves_nothing_behind(kind: Kind, tmp_path: Path) -> None:
    pipe = Pipes(tmp_path, "pipe")
    with bench(kind, write_project(tmp_path / "project")) as opened:
        opened.submit(opened.work(f"wait:{pipe.folder}"))
        (process,) = pipe.begun()
        opened.submit(*(opened.work(f"{number}") for number in range(3)))
        opened.executor.cancel()
        pipe.go()
        opened.executor.close()
        outcomes = [opened.next()]
        while not opened.outcomes.empty():
            outcomes.append(opened.next())
        assert all(outcome.cells[0].error is None for outcome in outcomes)
        assert process == os.getpid() or not is_alive(process)
        assert not opened.staging.exists() or not [path for path in opened.staging.rglob("*") if path.is_file()]


# Executors whose steps can be ended from outside


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("exit:7", "exit code 7"),
        ("exit:0", "exit code 0"),
        ("signal:SIGKILL", "SIGKILL"),
        ("read nowhere", "SIGSEGV"),
    ],
)
def test_a_worker_that_dies_is_one_failed_attempt_and_no_more(apart: Bench, key: str, told: str) -> None:
    beside = [apart.work() for _ in range(6)]
    dying = apart.work(key)
    apart.submit(*beside[:3], dying, *beside[3:])
    outcomes = {outcome.work.step: outcome for outcome in (apart.next() for _ in range(7))}
    died = outcomes.pop(dying.step).cells[0]
    assert (died.error, died.kinds) == (WORKER_DIED, (WORKER_DIED,))
    assert told in died.message
    assert ("about to leave" in died.message) == key.startswith("exit")
    assert all(outcome.cells[0].error is None for outcome in outcomes.values())


def test_a_step_that_takes_too_long_is_ended(apart: Bench) -> None:
    outcome = apart.run(apart.work("spin", Handling(timeout_seconds=0.2)))
    assert outcome.cells[0].error == TIMED_OUT
    assert 0.2 <= outcome.seconds < 5
    assert "0.2 s" in outcome.cells[0].message


def test_a_step_that_holds_too_much_memory_is_ended(apart: Bench) -> None:
    outcome = apart.run(apart.work("grow", Handling(memory_bytes=100 << 20)))
    assert outcome.cells[0].error == OUT_OF_MEMORY, outcome.cells[0].message
    assert outcome.seconds < 5


def test_a_limit_counts_from_what_the_worker_held_before(apart: Bench) -> None:
    made = apart.run(apart.work("rows:100000", Handling(memory_bytes=64 << 20)))
    assert made.cells[0].error is None, made.cells[0].message


def test_a_step_is_ended_with_the_processes_that_it_started(apart: Bench, tmp_path: Path) -> None:
    pipe = Pipes(tmp_path, "pipe")
    apart.submit(apart.work(f"wait with a child:{pipe.folder}"))
    worker, child = pipe.begun()
    assert is_alive(child)
    apart.executor.kill()
    outcome = apart.next()
    assert outcome.cells[0].error == CANCELLED
    assert not is_alive(worker)
    assert not is_alive(child)
    assert apart.run(apart.work()).cells[0].error is None


def test_an_interrupt_is_for_the_coordinator(apart: Bench, tmp_path: Path) -> None:
    pipe = Pipes(tmp_path, "pipe")
    apart.submit(apart.work(f"wait:{pipe.folder}"))
    (worker,) = pipe.begun()
    os.kill(worker, signal.SIGINT)
    pipe.go()
    assert apart.next().cells[0].error is None


# Whole runs

EVERYTHING = """
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pandas as pd
import pandera.polars as pa_schema
import polars as pl
import pyarrow as pa
from assets_core import (
    DailyPartitions, Partition, ProductPartitions, Retries, StaticPartitions, asset, check, check_result,
    external, sql_asset,
)

DAYS = DailyPartitions("2024-03-30", "2024-04-02", tz="Europe/Berlin")
PLACES = StaticPartitions(["a b", "../x", "ü|", "' OR 1=1 --"])

external("feed", path="landing/feed.csv")

@asset()
def source(feed: pl.LazyFrame, size: int = 50_000) -> pl.LazyFrame:
    numbers = pl.LazyFrame({"n": range(size)}).with_columns(h=pl.col("n").hash(1))
    return feed.join(numbers, how="cross").sort("word", "n")

@asset()
def lazy(source: pl.LazyFrame) -> pl.LazyFrame:
    return source.filter(pl.col("n") % 2 == 0)

@asset()
def frame(source: pl.DataFrame) -> pl.DataFrame:
    return source.head(1000)

@asset()
def table(source: pa.Table) -> pa.Table:
    return source.slice(10, 1000)

@asset()
def reader(source: pa.RecordBatchReader) -> pa.RecordBatchReader:
    return source

@asset()
def relation(source: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return source.filter("n < 500").project("n, h")

@asset()
def panda(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["n"]]

class Contract(pa_schema.DataFrameModel):
    n: int = pa_schema.Field(ge=0)

@asset(schema=Contract)
def contracted(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("n")

@asset(schema=Contract)
def refused() -> pl.DataFrame:
    return pl.DataFrame({"n": [-1]})

@check(contracted)
def plenty(data: pl.DataFrame):
    return check_result(data.height > 10, "few", rows=data.height, share=0.25)

@check(contracted, severity="warn")
def doubtful(data: pl.DataFrame):
    return check_result(False, "not sure")

@asset(partitions=DAYS)
def daily(partition: Partition) -> pl.DataFrame:
    hours = (partition.end - partition.start).total_seconds() / 3600
    utc = (partition.end.timestamp() - partition.start.timestamp()) / 3600
    return pl.DataFrame({"day": [partition.key], "hours": [hours], "utc": [utc], "zone": [str(partition.start.tzinfo)]})

@asset(partitions=DAYS, batch=True)
def batched(daily: Mapping[str, pl.DataFrame], days: Sequence[Partition]):
    for day in days[:-1]:
        yield day.key, daily[day.key]
    raise RuntimeError("the last one is missing")

@asset(partitions=ProductPartitions(day=DAYS, place=PLACES))
def grid(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({"day": [partition.dimensions["day"].key], "place": [partition.dimensions["place"].key]})

sql_asset("totals", "SELECT count(*) AS n, sum(hours) AS hours FROM daily")
sql_asset("large", "SELECT n, h FROM source WHERE n < $most", parameters={"most": 700})

@asset()
def failing(source: pl.LazyFrame) -> pl.DataFrame:
    raise ValueError("always ü")

@asset()
def behind(failing: pl.DataFrame) -> pl.DataFrame:
    return failing

@asset()
def leaving() -> pl.DataFrame:
    raise SystemExit(3)

@asset(retries=Retries(1, wait="1s"))
def flaky() -> pl.DataFrame:
    marks = Path(__file__).parents[1] / "marks"
    marks.mkdir(exist_ok=True)
    tries = len(list(marks.iterdir()))
    (marks / str(tries)).touch()
    if not tries:
        raise OSError(f"try {tries}")
    return pl.DataFrame({"made": [True]})

@asset()
def nothing() -> pl.DataFrame:
    return None
"""


@pytest.fixture(scope="module")
def threads_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return recorded_run(tmp_path_factory.mktemp("threads") / "project", "threads")


OF_ONE_RUN = ("run", "step", "seconds", "position", "started_at", "ended_at")


def recorded_run(root: Path, executor: str) -> dict[str, Any]:
    """Run everything; return what the records say of it, but for times and numbers."""
    write_project(root, EVERYTHING)
    (root / "landing").mkdir()
    (root / "landing" / "feed.csv").write_text("word\nx\nü\n")
    project = find_project(root)
    result = materialize(project, executor=executor)
    told: dict[str, Any] = {"counts": (result.made, result.failed, result.blocked)}
    for record in read(root / ".assets" / "journal", 0):
        if record.kind in ("materialized", "judged", "failed"):
            text = json.dumps({name: value for name, value in record.payload.items() if name not in OF_ONE_RUN})
            facts = json.loads(text.replace(str(root), "ROOT"))
            told.setdefault(record.kind, []).append(facts)
    for kind in ("materialized", "judged", "failed"):
        told[kind].sort(key=lambda facts: json.dumps(facts, sort_keys=True))
    data = root / ".assets" / "data"
    told["files"] = sorted((str(path.relative_to(data)), path.read_bytes()) for path in data.rglob("*.parquet"))
    assert not (root / ".assets" / "staging").exists() or not list((root / ".assets" / "staging").iterdir())
    return told


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.name != "threads"], ids=names)
def test_a_run_comes_to_the_same_as_on_threads(kind: Kind, threads_run: dict[str, Any], tmp_path: Path) -> None:
    told = recorded_run(tmp_path / "project", kind.name)
    assert threads_run["counts"] == (28, 5, 1)
    for what, expected in threads_run.items():
        assert told[what] == expected, what
