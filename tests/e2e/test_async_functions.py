"""Are `async def` assets, batches and checks run like any other, each in an event loop of its own?"""

from __future__ import annotations

import pytest
from command import Project

HEAD = """
    import asyncio
    from collections.abc import AsyncIterator, Iterator, Sequence

    import polars as pl
    from assets_core import DailyPartitions, Partition, asset, check

    DAYS = DailyPartitions("2024-01-01", "2024-01-05")

    async def fetched(n: int) -> int:
        await asyncio.sleep(0)
        return n
"""


def test_an_async_function_makes_an_asset(project: Project) -> None:
    project.define(
        HEAD
        + """
    @asset()
    async def numbers() -> pl.DataFrame:
        return pl.DataFrame({"n": await asyncio.gather(*(fetched(n) for n in range(3)))})

    @asset()
    async def total(numbers: pl.DataFrame) -> int:
        return await fetched(numbers["n"].sum())

    @asset()
    def told(total: int) -> pl.LazyFrame:
        return pl.LazyFrame({"total": [total]})
"""
    )
    project.must("materialize")
    assert project.query("FROM told") == [{"total": 3}]
    assert project.must("materialize").err == "nothing to do: 3 cells fresh\n"
    before = project.tail
    project.edit("assets.py", "return n\n", "return n + 1\n")
    project.must("materialize")
    assert project.made(behind=before) == {"numbers", "total", "told"}
    assert project.query("FROM told") == [{"total": 7}]


def test_the_executor_in_processes_runs_it_too(project: Project) -> None:
    project.define(
        HEAD
        + """
    @asset(executor="processes")
    async def numbers() -> pl.DataFrame:
        return pl.DataFrame({"n": [await fetched(1)]})

    @asset(partitions=DAYS, batch=True, executor="processes")
    async def many(days: Sequence[Partition]) -> AsyncIterator[tuple[str, pl.DataFrame]]:
        for day in days:
            yield day.key, pl.DataFrame({"n": [await fetched(2)]})
"""
    )
    project.must("materialize")
    assert project.query("FROM numbers") == [{"n": 1}]
    assert project.query("FROM many") == [{"n": 2}] * 4


BATCHES = {
    "returns": "-> dict[str, pl.DataFrame]:\n        return {day.key: frame(day, await fetched(1)) for day in days}",
    "yields": "-> AsyncIterator[tuple[str, pl.DataFrame]]:\n        for day in days:\n"
    "            yield day.key, frame(day, await fetched(1))",
    "as_they_come": "-> AsyncIterator[tuple[str, pl.DataFrame]]:\n"
    "        async with asyncio.timeout(60), asyncio.TaskGroup() as group:\n"
    "            tasks = [group.create_task(one(day)) for day in days]\n"
    "            for task in asyncio.as_completed(tasks):\n                yield await task",
}


@pytest.mark.parametrize("form", BATCHES)
def test_a_batch_may_be_async_and_so_may_be_what_it_yields(project: Project, form: str) -> None:
    project.define(
        HEAD
        + f"""
    def frame(day: Partition, n: int) -> pl.DataFrame:
        return pl.DataFrame({{"day": [day.key], "n": [n]}})

    async def one(day: Partition) -> tuple[str, pl.DataFrame]:
        return day.key, frame(day, await fetched(1))

    @asset(partitions=DAYS, batch=True)
    async def many(days: Sequence[Partition]) {BATCHES[form]}
"""
    )
    project.must("materialize")
    assert project.query("FROM many ORDER BY day") == [{"day": f"2024-01-0{n}", "n": 1} for n in range(1, 5)]
    assert len(project.records("claimed")[0]["steps"]) == 1


def test_an_async_batch_that_stops_in_the_middle_keeps_what_it_had_yielded(project: Project) -> None:
    project.define(
        HEAD
        + """
    @asset(partitions=DAYS, batch=True)
    async def many(days: Sequence[Partition]) -> AsyncIterator[tuple[str, pl.DataFrame]]:
        for day in days:
            if day.key == "2024-01-03":
                async with asyncio.timeout(0):
                    await asyncio.Event().wait()
            yield day.key, pl.DataFrame({"n": [await fetched(1)]})
"""
    )
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert project.made() == {"many@2024-01-01", "many@2024-01-02"}
    assert "failed: many@2024-01-03 and 1 cell more of it: TimeoutError" in outcome.err


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("raise ValueError('no answer')", "ValueError: no answer"),
        ("raise asyncio.CancelledError", "asyncio.exceptions.CancelledError"),
        ("asyncio.current_task().cancel(); await asyncio.sleep(0)", "CancelledError"),
        ("await asyncio.wait_for(asyncio.Event().wait(), 0)", "TimeoutError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("return None", "the function returned None, which is not a table"),
        ("return fetched", "the function returned a builtins.function, which is not a table"),
    ],
)
@pytest.mark.parametrize("batch", [False, True])
def test_whatever_ends_an_async_function_is_an_outcome(
    project: Project, statement: str, said: str, batch: bool
) -> None:
    given = "partitions=DAYS, batch=True" if batch else ""
    parameters = "days: Sequence[Partition]" if batch else ""
    if batch:
        said = said.replace("the function returned a builtins.function", "the batched function returned a function")
        said = said.replace("the function returned None, which is not a table", "the batched function returned a None")
        said = said.partition(", which is not")[0]
    project.define(
        HEAD
        + f"""
    @asset({given})
    async def ends({parameters}) -> pl.DataFrame:
        {statement}

    @asset()
    def other() -> int:
        return 1
"""
    )
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert "failed: ends" in outcome.err
    assert said in outcome.err
    assert project.made() == {"other"}
    assert project.must("runs", "--json").value[0]["state"] == "failed"


def test_an_exception_shows_the_lines_of_the_project_that_raised_it(project: Project) -> None:
    project.define(
        HEAD
        + """
    @asset()
    async def ends() -> pl.DataFrame:
        return await inner()

    async def inner() -> pl.DataFrame:
        raise ValueError("deep")
"""
    )
    outcome = project.run("materialize")
    assert "in ends" in outcome.err
    assert "in inner" in outcome.err
    assert "asyncio/" not in outcome.err


def test_what_is_still_pending_is_cancelled_and_cleaned_up_when_the_function_returns(project: Project) -> None:
    project.define(
        f"""
    import asyncio
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    import polars as pl
    from assets_core import DailyPartitions, Partition, asset

    def note(word: str) -> None:
        with Path("{project.root}/seen").open("a") as file:
            file.write(word)

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            note("cancelled ")

    @asset()
    async def leaves() -> int:
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        return 1

    @asset(partitions=DailyPartitions("2024-01-01", "2024-01-03"), batch=True, after=[leaves])
    async def refused(days: Sequence[Partition]) -> AsyncIterator[tuple[str, pl.DataFrame]]:
        try:
            yield "2030-01-01", pl.DataFrame({{"n": [1]}})
        finally:
            note("closed ")
"""
    )
    assert project.run("materialize").code == 1
    assert (project.root / "seen").read_text() == "cancelled closed "
    assert project.made() == {"leaves"}


@pytest.mark.parametrize("passes", [True, False])
def test_a_check_may_be_async(project: Project, passes: bool) -> None:
    project.define(
        HEAD
        + f"""
    @asset()
    def numbers() -> pl.DataFrame:
        return pl.DataFrame({{"n": [1]}})

    @check(numbers)
    async def is_right(numbers: pl.DataFrame) -> bool:
        return await fetched(numbers.height) == {int(passes)}
"""
    )
    outcome = project.run("materialize")
    assert outcome.code == (0 if passes else 1)
    assert project.made() == ({"numbers"} if passes else set())
    assert ("check 'is_right' of asset 'numbers' returned False" in outcome.err) != passes


def test_an_async_check_that_raises_is_a_failed_check_with_its_line(project: Project) -> None:
    project.define(
        HEAD
        + """
    @asset()
    def numbers() -> pl.DataFrame:
        return pl.DataFrame({"n": [1]})

    @check(numbers)
    async def is_right(numbers: pl.DataFrame) -> bool:
        raise LookupError("no rule")
"""
    )
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert "check 'is_right' of asset 'numbers' raised LookupError at " in outcome.err
    assert "assets.py:19: no rule" in outcome.err


def test_an_async_generator_that_is_no_batch_is_refused_when_the_project_is_loaded(project: Project) -> None:
    project.define(
        HEAD
        + """
    @asset()
    async def numbers() -> AsyncIterator[pl.DataFrame]:
        yield pl.DataFrame({"n": [1]})
"""
    )
    outcome = project.run("materialize")
    assert outcome.code == 2
    assert "definitions/assets.py:13: numbers: an async generator yields many frames, but makes one cell" in outcome.err
