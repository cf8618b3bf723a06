"""Is a function handed what its annotations ask for, and may it return any table there is?"""

from __future__ import annotations

import pytest
from command import Project

SOURCE = """
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Annotated

    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from assets_core import (
        DailyPartitions, HourlyPartitions, Partition, ProductPartitions, StaticPartitions, TimeWindow, Upstream, asset,
        external,
    )

    @asset()
    def source() -> pl.DataFrame:
        return pl.DataFrame({"name": ["a", "b", None], "size": [1, 2, 3], "unread": [0.5, 0.25, 0.125]})
"""
ROWS: list[dict[str, object]] = [
    {"name": "a", "size": 1, "unread": 0.5},
    {"name": "b", "size": 2, "unread": 0.25},
    {"name": None, "size": 3, "unread": 0.125},
]
FORMS = {
    "lazy": "pl.LazyFrame",
    "frame": "pl.DataFrame",
    "table": "pa.Table",
    "reader": "pa.RecordBatchReader",
    "relation": "duckdb.DuckDBPyRelation",
    "panda": "pd.DataFrame",
}


def test_each_annotation_is_handed_its_form_and_the_same_data_may_be_returned(project: Project) -> None:
    project.define(
        SOURCE
        + "".join(
            f"""
    @asset()
    def {name}(source: {form}) -> {form}:
        assert isinstance(source, {form}), type(source)
        return source
"""
            for name, form in FORMS.items()
        )
    )
    project.must("materialize")
    for name in FORMS:
        assert project.query(f'FROM "{name}"') == ROWS
    versions = {name: project.must("explain", name, "--json").value["version"] for name in FORMS}
    assert len({versions[name] for name in ("lazy", "frame", "table", "reader", "relation")}) == 1, versions


def test_what_is_read_again_from_the_store_is_the_same_as_what_is_handed_on_in_memory(project: Project) -> None:
    definitions = SOURCE + "".join(
        f"""
    @asset()
    def {name}(source: {form}) -> {form}:
        return source
"""
        for name, form in FORMS.items()
    )
    project.define(definitions)
    project.must("materialize")
    before = {name: project.must("explain", name, "--json").value["version"] for name in FORMS}
    project.must("materialize", "not source", "--force")  # source is not in the memory of this run
    assert {name: project.must("explain", name, "--json").value["version"] for name in FORMS} == before


def test_anything_that_speaks_the_arrow_stream_protocol_may_be_returned(project: Project) -> None:
    project.define(
        SOURCE
        + """
    class Stream:
        def __init__(self, table):
            self._table = table

        def __arrow_c_stream__(self, requested_schema=None):
            return self._table.__arrow_c_stream__(requested_schema)

    @asset()
    def capsule(source: pa.Table) -> Stream:
        return Stream(source)

    @asset()
    def batch(source: pa.Table) -> pa.RecordBatch:
        return source.combine_chunks().to_batches()[0]

    @asset()
    def nothing(source: pl.LazyFrame) -> pl.LazyFrame:
        return source.filter(pl.col("size") > 9)
"""
    )
    project.must("materialize")
    assert project.query("FROM capsule") == ROWS
    assert project.query("FROM batch") == ROWS
    shown = project.must("show", "nothing", "--json").value
    assert shown["rows"] == 0
    assert shown["schema"] == [
        {"name": "name", "type": "VARCHAR"},
        {"name": "size", "type": "BIGINT"},
        {"name": "unread", "type": "DOUBLE"},
    ]


@pytest.mark.parametrize("form", FORMS.values())
def test_only_the_declared_columns_are_handed_over_in_their_order(project: Project, form: str) -> None:
    project.define(
        SOURCE
        + f"""
    @asset()
    def narrow(given: Annotated[{form}, Upstream("source", columns=["size", "name"])]) -> {form}:
        return given
"""
    )
    project.must("materialize")
    assert project.query("FROM narrow") == [{"size": row["size"], "name": row["name"]} for row in ROWS]
    project.must("materialize", "narrow", "--force")  # from the store
    assert project.query("FROM narrow") == [{"size": row["size"], "name": row["name"]} for row in ROWS]


def test_a_declared_column_that_does_not_exist_fails_with_the_near_miss(project: Project) -> None:
    project.define(
        SOURCE
        + """
    @asset()
    def narrow(given: Annotated[pl.LazyFrame, Upstream("source", columns=["sise"])]) -> pl.LazyFrame:
        return given
"""
    )
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert "failed: narrow: there is no column 'sise' (did you mean 'size'?)" in outcome.err
    assert "remedy: declare columns among name, size, unread" in outcome.err


def test_a_change_in_a_column_that_is_not_declared_leaves_the_reader_fresh(project: Project) -> None:
    project.define(
        SOURCE
        + """
    @asset()
    def narrow(given: Annotated[pl.LazyFrame, Upstream("source", columns=["size", "name"])]) -> pl.LazyFrame:
        return given
"""
    )
    project.must("materialize")
    project.edit("assets.py", "0.125", "0.0625")
    before = project.tail
    project.must("materialize")
    assert project.made(behind=before) == {"source"}
    project.edit("assets.py", "[1, 2, 3]", "[1, 2, 4]")
    before = project.tail
    project.must("materialize")
    assert project.made(behind=before) == {"source", "narrow"}


def test_a_mapping_is_handed_a_frame_for_each_partition_by_its_key(project: Project) -> None:
    project.define(
        SOURCE
        + """
    DAYS = DailyPartitions("2024-01-01", "2024-01-05")

    @asset(partitions=DAYS)
    def days(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"n": [int(partition.key[-2:])]})

    @asset(partitions=DAYS)
    def windows(days: Annotated[Mapping[str, pl.DataFrame], Upstream(mapping=TimeWindow(last=2))]) -> pl.DataFrame:
        return pl.DataFrame({"day": list(days), "n": [frame["n"].item() for frame in days.values()]})

    @asset()
    def whole(days: dict[str, pa.Table]) -> pl.DataFrame:
        return pl.DataFrame({"day": list(days), "rows": [table.num_rows for table in days.values()]})
"""
    )
    project.must("materialize")
    assert project.must("show", "windows", "--partition", "2024-01-03", "--json").value["first"] == [
        {"day": "2024-01-02", "n": 2},
        {"day": "2024-01-03", "n": 3},
    ]
    assert project.must("show", "windows", "--partition", "2024-01-01", "--json").value["rows"] == 1
    assert [row["day"] for row in project.query("FROM whole")] == [f"2024-01-0{n}" for n in (1, 2, 3, 4)]


def test_several_partitions_are_handed_as_one_frame_in_the_order_of_their_keys(project: Project) -> None:
    project.define(
        SOURCE
        + "".join(
            f"""
    @asset()
    def {name}(days: {form}) -> {form}:
        return days
"""
            for name, form in FORMS.items()
        )
        + """
    @asset(partitions=DailyPartitions("2024-01-01", "2024-01-05"))
    def days(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"day": [partition.key, None]})
"""
    )
    project.must("materialize")
    expected = [{"day": day} for n in (1, 2, 3, 4) for day in (f"2024-01-0{n}", None)]
    for name in FORMS:
        assert project.query(f'FROM "{name}"') == expected, name


def test_a_partition_has_its_start_and_end_on_days_when_the_clocks_change(project: Project) -> None:
    project.define(
        SOURCE
        + """
    @asset(partitions=DailyPartitions("2024-03-30", "2024-04-01", tz="Europe/Berlin"))
    def spring(partition: Partition) -> pl.DataFrame:
        return described(partition)

    @asset(partitions=DailyPartitions("2024-10-27", "2024-10-28", tz="Europe/Berlin"))
    def autumn(partition: Partition) -> pl.DataFrame:
        return described(partition)

    @asset(partitions=HourlyPartitions("2024-10-27", "2024-10-28", tz="Europe/Berlin"))
    def hours(partition: Partition) -> pl.DataFrame:
        return described(partition)

    @asset(partitions=DailyPartitions("2024-10-27", "2024-10-28", tz="Europe/Berlin"))
    def day_of_hours(hours: pl.DataFrame) -> pl.DataFrame:
        return hours

    def described(partition):
        hours = (partition.end.timestamp() - partition.start.timestamp()) / 3600
        return pl.DataFrame({
            "key": [partition.key], "start": [partition.start.isoformat()], "end": [partition.end.isoformat()],
            "hours": [hours],
        })
"""
    )
    project.must("materialize")
    assert project.query("SELECT * FROM spring ORDER BY key")[1] == {
        "key": "2024-03-31",
        "start": "2024-03-31T00:00:00+01:00",
        "end": "2024-04-01T00:00:00+02:00",
        "hours": 23.0,
    }
    assert project.query("SELECT hours FROM autumn") == [{"hours": 25.0}]
    rows = project.query("FROM day_of_hours")
    assert [row["hours"] for row in rows] == [1.0] * 25
    assert [row["key"] for row in rows][2:4] == ["2024-10-27T02:00+02:00", "2024-10-27T02:00+01:00"]


def test_a_partition_of_a_product_has_the_partition_of_each_dimension(project: Project) -> None:
    project.define(
        SOURCE
        + """
    CELLS = ProductPartitions(day=DailyPartitions("2024-01-01", "2024-01-03"), region=StaticPartitions(["eu", "a|b"]))

    @asset(partitions=CELLS)
    def cells(partition: Partition) -> pl.DataFrame:
        day, region = partition.dimensions["day"], partition.dimensions["region"]
        return pl.DataFrame({"day": [day.key], "region": [region.key], "start": [partition.start.isoformat()]})

    @asset(partitions=DailyPartitions("2024-01-01", "2024-01-03"))
    def by_day(cells: pl.DataFrame) -> pl.DataFrame:
        return cells
"""
    )
    project.must("materialize")
    assert project.must("show", "by_day", "--partition", "2024-01-02", "--json").value["first"] == [
        {"day": "2024-01-02", "region": "a|b", "start": "2024-01-02T00:00:00+00:00"},
        {"day": "2024-01-02", "region": "eu", "start": "2024-01-02T00:00:00+00:00"},
    ]
    assert project.must("explain", "cells@2024-01-02|a\\|b", "--json").value["state"] == "fresh"


BATCHED = """
    DAYS = DailyPartitions("2024-01-01", "2024-01-07")

    @asset(partitions=DAYS, batch=True)
    def weather(days: Sequence[Partition]) -> dict[str, pl.DataFrame]:
        calls = [day.key for day in days]
        return {day.key: made(day, calls) for day in days}

    @asset(partitions=DAYS)
    def reader(weather: pl.DataFrame) -> pl.DataFrame:
        return weather

    def made(day, calls):
        if day.key == "2024-01-03":
            return BAD
        return pl.DataFrame({"day": [day.key], "calls": [",".join(call[-2:] for call in calls)]})
"""


def test_a_batched_function_is_called_once_for_a_run_of_partitions(project: Project) -> None:
    project.define(SOURCE + BATCHED.replace("BAD", 'pl.DataFrame({"day": [day.key], "calls": ["-"]})'))
    project.must("materialize")
    calls = [row["calls"] for row in project.query("SELECT DISTINCT calls FROM weather ORDER BY ALL")]
    assert calls == ["-", "01,02,03,04,05,06"]
    steps = [step for record in project.records("claimed") for step in record["steps"]]
    ((_, _, cells),) = [step for step in steps if step[1] == "weather"]
    assert cells == [f"2024-01-0{n}" for n in range(1, 7)]
    assert project.must("materialize").err == "nothing to do: 13 cells fresh\n"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('ValueError("no station answered")', "ValueError: no station answered"),
        ("None", "the function returned None, which is not a table"),
    ],
)
def test_one_bad_partition_of_a_batch_fails_alone(project: Project, bad: str, message: str) -> None:
    project.define(SOURCE + BATCHED.replace("BAD", bad))
    outcome = project.run("materialize", "weather+")
    assert outcome.code == 1
    assert f"failed: weather@2024-01-03: {message}" in outcome.err
    assert outcome.err.count("failed: ") == 1
    good = [f"2024-01-0{n}" for n in (1, 2, 4, 5, 6)]
    assert project.made() == {f"{asset}@{day}" for asset in ("weather", "reader") for day in good}
    assert "blocked: 1 cell of reader: weather failed" in outcome.err
    project.edit("assets.py", f"return {bad}", 'return pl.DataFrame({"day": [day.key], "calls": ["-"]})')
    assert project.run("materialize").code == 0


STOPPED = """
    @asset(partitions=DailyPartitions("2024-01-01", "2024-01-06"), batch=True)
    def weather(days: Sequence[Partition]) -> Iterator[tuple[str, pl.DataFrame]]:
        for day in days:
            if day.key == "2024-01-04":
                raise KeyError("the line went dead")
            yield day.key, pl.DataFrame({"day": [day.key]})
"""


def test_a_batch_that_stops_in_the_middle_keeps_what_it_had_yielded(project: Project) -> None:
    project.define(SOURCE + STOPPED)
    outcome = project.run("materialize", "weather")
    assert outcome.code == 1
    assert project.made() == {"weather@2024-01-01", "weather@2024-01-02", "weather@2024-01-03"}
    assert "failed: weather@2024-01-04 and 1 cell more of it: KeyError: 'the line went dead'" in outcome.err
    assert "line 21, in weather" in outcome.err


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("days[:1]", "the batched function returned nothing for '2024-01-02'"),
        ("[*days, *days]", "returned a frame for '2024-01-01', which it was not asked for (again)"),
        ("[Partition('2030-01-01')]", "returned a frame for '2030-01-01', which it was not asked for (again)"),
    ],
)
def test_a_batch_is_held_to_one_frame_for_each_partition(project: Project, returned: str, message: str) -> None:
    project.define(
        SOURCE
        + f"""
    @asset(partitions=DailyPartitions("2024-01-01", "2024-01-03"), batch=True)
    def weather(days: Sequence[Partition]) -> Iterator[tuple[str, pl.DataFrame]]:
        for day in {returned}:
            yield day.key, pl.DataFrame({{"day": [day.key]}})
"""
    )
    outcome = project.run("materialize", "weather")
    assert outcome.code == 1
    assert message in outcome.err


def test_parameters_with_defaults_are_no_upstreams_but_part_of_the_code(project: Project) -> None:
    project.define(
        SOURCE
        + """
    @asset()
    def scaled(source: pl.LazyFrame, factor: int = 2, *, offset: float = 0.5) -> pl.LazyFrame:
        return source.select(pl.col("size") * factor + offset)
"""
    )
    (scaled,) = [asset for asset in project.must("list", "--json").value if asset["asset"] == "scaled"]
    assert [upstream["asset"] for upstream in scaled["upstreams"]] == ["source"]
    project.must("materialize")
    assert project.query("FROM scaled LIMIT 1") == [{"size": 2.5}]
    project.edit("assets.py", "factor: int = 2", "factor: int = 4")
    before = project.tail
    project.must("materialize")
    assert project.made(behind=before) == {"scaled"}
    assert project.query("FROM scaled LIMIT 1") == [{"size": 4.5}]


def test_after_waits_without_reading(project: Project) -> None:
    project.define(
        f"""
        from pathlib import Path

        import polars as pl
        from assets_core import asset

        MARK = Path("{project.root}/mark")

        @asset(after=["z_first"])
        def a_second() -> pl.DataFrame:
            return pl.DataFrame({{"mark": [MARK.read_text()]}})

        @asset()
        def z_first() -> pl.DataFrame:
            MARK.write_text("made")
            return pl.DataFrame({{"n": [1]}})
        """
    )
    project.must("materialize")
    assert project.query("FROM a_second") == [{"mark": "made"}]
    project.edit("assets.py", '"n": [1]', '"n": [2]')
    before = project.tail
    project.must("materialize")
    assert project.made(behind=before) == {"z_first"}


def test_what_is_waited_for_and_fails_holds_back_what_waits(project: Project) -> None:
    project.define(
        """
        import polars as pl
        from assets_core import asset

        @asset(after=["gate"])
        def behind() -> pl.DataFrame:
            return pl.DataFrame({"n": [1]})

        @asset()
        def gate() -> pl.DataFrame:
            raise RuntimeError("closed")
        """
    )
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert project.made() == set()
    assert "blocked: 1 cell of behind: gate failed" in outcome.err


def test_functions_stay_plain_and_may_be_called_with_plain_frames(project: Project) -> None:
    path = project.define(SOURCE)
    scope: dict[str, object] = {}
    exec(compile(path.read_text(), str(path), "exec"), scope)  # noqa: S102  # as a test of the user's would import it
    source = scope["source"]
    assert callable(source)
    assert source().height == 3


def test_a_lazy_frame_that_fails_when_it_runs_names_where_it_was_declared(project: Project) -> None:
    project.define(
        SOURCE
        + """
    @asset()
    def late(source: pl.LazyFrame) -> pl.LazyFrame:
        return source.with_columns(pl.col("name").str.to_integer())
"""
    )
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert "failed: late: polars.exceptions." in outcome.err
    assert "declared at definitions/assets.py:17" in outcome.err
    assert "site-packages" not in outcome.err


@pytest.mark.parametrize("statement", ["import sys; sys.exit(0)", "raise KeyboardInterrupt", "raise GeneratorExit"])
def test_a_function_cannot_end_the_run(project: Project, statement: str) -> None:
    project.define(
        SOURCE
        + f"""
    @asset()
    def ends() -> pl.DataFrame:
        {statement}

    @asset()
    def reader(ends: pl.DataFrame) -> pl.DataFrame:
        return ends
"""
    )
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert "failed: ends: " in outcome.err
    assert "blocked: 1 cell of reader: ends failed" in outcome.err
    assert project.must("runs", "--json").value[0]["state"] == "failed"
