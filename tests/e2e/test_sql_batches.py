"""One query for a run of partitions: is each row of its own cell, each cell judged by itself, and nothing guessed?"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from command import SETTINGS, Project
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FLIGHTS = """
    import polars as pl
    from assets_core import (
        DailyPartitions, HourlyPartitions, MonthlyPartitions, Partition, ProductPartitions, StaticPartitions, asset,
        check, sql_asset,
    )

    DAYS = DailyPartitions("2024-03-25", "2024-04-04", tz="Europe/Berlin")

    @asset()
    def flights() -> pl.DataFrame:
        first, last = pl.datetime(2024, 3, 24, 12), pl.datetime(2024, 4, 5)
        hours = pl.datetime_range(first, last, "1h", time_zone="UTC", eager=True)
        carriers, ns = zip(*((["AA", "BB", "CC"][n * n % 3], n * 37 % 11) for n in range(len(hours))))
        return pl.DataFrame({"moment": hours, "unread": 1, "carrier": carriers, "n": ns})
"""
QUERY = """SELECT strftime(timezone('Europe/Berlin', moment), '%Y-%m-%d') AS flight_date,
    carrier, sum(n) AS n, count(*) AS flights
    FROM flights WHERE moment >= $partition_start AND moment < $partition_end GROUP BY ALL"""
BOTH = f"""
    sql_asset("batched", '''{QUERY}''', partitions=DAYS, batch="flight_date")
    sql_asset("single", '''{QUERY}''', partitions=DAYS)
"""


def versions(project: Project, asset: str) -> dict[str, str]:
    return {
        record["partition"]: record["version"] for record in project.records("materialized") if record["asset"] == asset
    }


def steps(project: Project, asset: str) -> list[list[str]]:
    return [step[2] for record in project.records("claimed") for step in record["steps"] if step[1] == asset]


def test_one_query_makes_the_same_cells_as_a_query_for_each(project: Project) -> None:
    project.define(FLIGHTS + BOTH)
    project.must("materialize")
    assert len(steps(project, "batched")) == 1
    assert len(steps(project, "single")) == 10
    assert versions(project, "batched") == versions(project, "single")
    assert len(versions(project, "batched")) == 10
    assert project.query("SELECT sum(flights) AS n FROM batched WHERE flight_date = '2024-03-31'") == [{"n": 23}]
    assert project.must("materialize").err == "nothing to do: 21 cells fresh\n"


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    ranges=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted), min_size=1, max_size=3),
    column=st.sampled_from(
        [
            "strftime(timezone('Europe/Berlin', moment), '%Y-%m-%d')",
            "timezone('Europe/Berlin', moment)::DATE",
            "date_trunc('hour', timezone('Europe/Berlin', moment))",
            "moment",
        ]
    ),
    order=st.sampled_from(["", "ORDER BY n DESC, carrier, flight_date"]),
)
def test_whatever_range_is_asked_for_the_cells_are_those_of_single_queries(
    ranges: list[list[int]], column: str, order: str
) -> None:
    query = f"""SELECT {column} AS flight_date, carrier, sum(n) AS n
        FROM flights WHERE moment >= $partition_start AND moment < $partition_end AND carrier <> 'CC'
        GROUP BY ALL {order}"""
    days = [f"2024-03-{25 + n}" if n < 7 else f"2024-04-0{n - 6}" for n in range(10)]
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder).resolve() / "project")
        project.write("assets.toml", SETTINGS)
        project.define(
            FLIGHTS
            + f"""
    sql_asset("batched", '''{query}''', partitions=DAYS, batch="flight_date")
    sql_asset("single", '''{query}''', partitions=DAYS)
"""
        )
        for low, high in ranges:
            project.must("materialize", "--partitions", f"{days[low]}..{days[high]}", "flights or batched or single")
        wanted = {days[n] for low, high in ranges for n in range(low, high + 1)}
        assert versions(project, "batched") == versions(project, "single")
        assert versions(project, "batched").keys() == wanted


def test_a_header_names_the_column_and_a_partition_without_rows_is_an_empty_cell(project: Project) -> None:
    project.define(FLIGHTS)
    project.define(
        """
        /* asset
        partitions = {kind = "daily", start = "2024-03-25", end = "2024-03-30", tz = "Europe/Berlin"}
        batch = "day"
        */
        SELECT timezone('Europe/Berlin', moment)::DATE AS day, n FROM flights
        WHERE day BETWEEN '2024-03-26' AND '2024-03-27'
        """,
        "some.sql",
    )
    project.must("materialize")
    rows = {record["partition"]: record["rows"] for record in project.records("materialized") if record["partition"]}
    assert rows == {f"2024-03-{n}": 24 if n in (26, 27) else 0 for n in range(25, 30)}
    shown = project.must("show", "some", "--partition", "2024-03-29", "--json").value
    assert shown["schema"] == [{"name": "day", "type": "DATE"}, {"name": "n", "type": "BIGINT"}]


def test_static_dynamic_and_product_partitions_are_told_apart_by_their_keys(project: Project) -> None:
    project.define(
        FLIGHTS
        + """
    CARRIERS = StaticPartitions(["AA", "BB", "it's"])
    CELLS = ProductPartitions(day=DailyPartitions("2024-03-25", "2024-03-27"), carrier=StaticPartitions(["AA", "BB"]))

    sql_asset(
        "by_carrier", "SELECT carrier, sum(n) AS n FROM flights WHERE carrier IN $partition_keys GROUP BY ALL",
        partitions=CARRIERS, batch="carrier",
    )
    sql_asset(
        "by_both",
        '''SELECT strftime(moment, '%Y-%m-%d') || '|' || carrier AS cell, sum(n) AS n
        FROM flights WHERE list_contains($partition_keys, cell) GROUP BY ALL''',
        partitions=CELLS, batch="cell",
    )
"""
    )
    project.must("materialize")
    assert [row["carrier"] for row in project.query("FROM by_carrier ORDER BY ALL")] == ["AA", "BB"]
    keys = {record["partition"] for record in project.records("materialized") if record["asset"] == "by_both"}
    assert keys == {f"2024-03-{day}|{carrier}" for day in (25, 26) for carrier in ("AA", "BB")}
    before = project.tail
    project.must("materialize", "by_carrier", "--partitions", "BB", "--force")
    assert project.made(behind=before) == {"by_carrier@BB"}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "SELECT strftime(moment, '%Y-%m-%d') AS day FROM flights WHERE moment < '2024-03-27'",
            "12 rows of the query of no partition that was asked for (2024-03-25 to 2024-04-03): "
            "day is '2024-03-24' (12)",
        ),
        (
            "SELECT CASE WHEN n = 3 THEN NULL ELSE '2024-03-25' END AS day FROM flights WHERE n < 4",
            "rows of the query with NULL in 'day', which is no partition",
        ),
        ("SELECT 'infinity'::DATE AS day FROM flights", "rows of the query of no partition"),
        ("SELECT 'infinity'::TIMESTAMP AS day FROM flights", "rows of the query of no partition"),
        ("SELECT '-infinity'::TIMESTAMPTZ AS day FROM flights", "rows of the query of no partition"),
        ("SELECT 20240325 AS day FROM flights", "column 'day' tells partitions apart but is of type int32"),
        ("SELECT * FROM flights", "the query has no column 'day', by which batch='day' tells partitions apart"),
    ],
)
def test_rows_that_cannot_be_placed_refuse_every_cell_with_one_error(project: Project, query: str, said: str) -> None:
    project.define(f"{FLIGHTS}\n    sql_asset('daily', \"{query}\", partitions=DAYS, batch='day')\n")
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert said in outcome.err
    assert "failed: daily@2024-03-25 and 9 cells more of it: " in outcome.err
    assert project.made() == {"flights"}


def test_an_hour_that_comes_twice_is_placed_by_its_zone_or_not_at_all(project: Project) -> None:
    definition = """
    HOURS = HourlyPartitions("2024-10-27", "2024-10-28", tz="Europe/Berlin")

    @asset()
    def ticks() -> pl.DataFrame:
        first, last = pl.datetime(2024, 10, 26, 22), pl.datetime(2024, 10, 27, 22)
        hours = pl.datetime_range(first, last, "1h", time_zone="UTC", eager=True)
        return pl.DataFrame({"moment": hours})

    sql_asset("hourly", "SELECT COLUMN AS hour FROM ticks", partitions=HOURS, batch="hour")
"""
    project.define(FLIGHTS + definition.replace("COLUMN", "timezone('Europe/Berlin', moment)"))
    outcome = project.run("materialize", "+hourly")
    assert outcome.code == 1
    assert "2 rows of the query at a time that the clock shows twice, in two partitions: hour is" in outcome.err
    assert "as TIMESTAMPTZ" in outcome.err
    project.edit("assets.py", "timezone('Europe/Berlin', moment)", "moment")
    project.must("materialize", "hourly")
    rows = [record["rows"] for record in project.records("materialized") if record["asset"] == "hourly"]
    assert rows == [1] * 25


def test_a_cell_that_its_check_refuses_fails_alone(project: Project) -> None:
    project.define(
        FLIGHTS
        + f"""
    sql_asset("batched", '''{QUERY}''', partitions=DAYS, batch="flight_date")

    @check("batched")
    def is_right(batched: pl.DataFrame) -> bool:
        return "2024-03-31" not in batched["flight_date"]
"""
    )
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert outcome.err.count("failed: ") == 1
    assert "failed: batched@2024-03-31: check 'is_right' of asset 'batched' returned False" in outcome.err
    assert len(project.made()) == 1 + 9


def test_a_query_in_batches_reads_the_columns_that_it_names_and_tells_their_lineage(project: Project) -> None:
    project.define(FLIGHTS + BOTH)
    project.must("materialize")
    lineage = {record["asset"]: record["columns"] for record in project.records("column_lineage")}
    assert lineage["batched"] == lineage["single"]
    assert ["flights", "moment", "transformed"] in lineage["batched"]["flight_date"]
    before = project.tail
    project.edit("assets.py", '"unread": 1', '"unread": 2')
    project.must("materialize")
    assert project.made(behind=before) == {"flights"}


def test_the_column_is_part_of_the_code(project: Project) -> None:
    found = set()
    for batch in ("", ', batch="flight_date"', ', batch="carrier"'):
        project.define(f'{FLIGHTS}\n    sql_asset(\'batched\', """{QUERY}""", partitions=DAYS{batch})\n')
        (batched,) = project.must("list", "batched", "--json").value
        found.add(batched["code_version"])
    assert len(found) == 3


WRONG = [
    ("SELECT $partition_key AS day FROM flights", "batch='day', so there is no $partition_key"),
    ("SELECT moment::DATE AS dey FROM flights", "no column 'day' to tell partitions apart by (did you mean 'dey'?)"),
    (
        "SELECT moment::DATE AS day FROM flights ORDER BY ALL LIMIT 3",
        "LIMIT counts the rows of all partitions together",
    ),
]


def test_what_cannot_be_right_is_refused_when_the_project_is_loaded_all_at_once(project: Project) -> None:
    assets = "".join(
        f"\n    sql_asset('q{n}', '{query}', partitions=DAYS, batch='day')\n" for n, (query, _) in enumerate(WRONG)
    )
    project.define(
        FLIGHTS
        + assets
        + """
    sql_asset("bare", "SELECT moment::DATE AS day FROM flights", batch="day")
    sql_asset("flag", "SELECT moment::DATE AS day FROM flights", partitions=DAYS, batch=True)
    sql_asset("keys", "SELECT $partition_keys AS day FROM flights", partitions=DAYS)
"""
    )
    project.define("/* asset\nbatch = 3\n*/\nSELECT 1 AS day", "typed.sql")
    outcome = project.run("materialize")
    assert outcome.code == 2
    for said in [
        *(said for _, said in WRONG),
        "bare: batch='day' is for an asset with partitions",
        "flag: batch=True",
        "keys: the query is of one partition, and has no $partition_keys",
        "member 'batch' of the header is 3",
        "use $partition_start and $partition_end, $partition_keys (a list), or none of them",
    ]:
        assert said in outcome.err
    assert "7 definition errors" in outcome.err
    assert outcome.err.count("definitions/assets.py:") == 6
