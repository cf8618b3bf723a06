"""Do queries become assets, from files and from Python, with parameters, an order, lineage, and nothing else?"""

from __future__ import annotations

import os

import pytest
from command import Project

ASSETS = """
    import polars as pl
    from assets_core import DailyPartitions, Partition, Upstream, asset, sql_asset

    DAYS = DailyPartitions("2024-01-01", "2024-01-04", tz="Europe/Berlin")

    @asset(partitions=DAYS)
    def orders(partition: Partition) -> pl.DataFrame:
        day = int(partition.key[-2:])
        return pl.DataFrame({"product": ["tea", "milk"], "amount": [day, 10 * day], "note": ["x", "y"]})

    @asset()
    def prices() -> pl.DataFrame:
        return pl.DataFrame({"product": ["milk", "tea"], "price": [1.5, 4.5]})
"""
DAILY = """
/* asset
key = "marts/daily"
partitions = {kind = "daily", start = "2024-01-01", end = "2024-01-04", tz = "Europe/Berlin"}
owners = ["team:shop"]
tags = {domain = "sales"}
group = "marts"
description = "Turnover of the day."
*/
-- what a day brought in
SELECT
    $partition_key AS day, $partition_start AS begins, $partition_end AS ends,
    sum(orders.amount * prices.price) AS turnover
FROM orders JOIN prices USING (product)
"""
BEST = """
/* asset
[upstreams.daily]
asset = "marts/daily"
columns = ["day", "turnover"]
*/
SELECT day, turnover FROM daily WHERE turnover = (SELECT max(turnover) FROM daily)
"""


@pytest.fixture
def shop(project: Project) -> Project:
    project.define(ASSETS)
    project.define(DAILY, "daily.sql")
    project.define(BEST, "best.sql")
    return project


def test_a_query_with_a_header_is_an_asset_with_its_upstreams_and_facts(shop: Project) -> None:
    assets = {asset["asset"]: asset for asset in shop.must("list", "kind:sql", "--json").value}
    assert assets.keys() == {"marts/daily", "best"}
    daily = assets["marts/daily"]
    assert [upstream["asset"] for upstream in daily["upstreams"]] == ["orders", "prices"]
    assert (daily["owners"], daily["tags"], daily["group"]) == (["team:shop"], {"domain": "sales"}, "marts")
    assert daily["description"] == "Turnover of the day."
    assert daily["file"] == "definitions/daily.sql"
    (edge,) = assets["best"]["upstreams"]
    assert (edge["name"], edge["asset"], edge["columns"]) == ("daily", "marts/daily", ["day", "turnover"])


def test_the_parameters_of_a_query_are_the_key_the_start_and_the_end_of_its_partition(shop: Project) -> None:
    shop.must("materialize")
    row = shop.must("show", "marts/daily", "--partition", "2024-01-02", "--json").value["first"][0]
    assert (row["day"], row["turnover"]) == ("2024-01-02", 39.0)
    rows = shop.query(
        'SELECT day, epoch(begins)::BIGINT AS begins, epoch(ends)::BIGINT AS ends FROM "marts/daily" ORDER BY day'
    )
    assert rows[0] == {"day": "2024-01-01", "begins": 1704063600, "ends": 1704063600 + 24 * 3600}
    assert shop.query("FROM best") == [{"day": "2024-01-03", "turnover": 58.5}]


def test_layout_case_and_comments_of_a_query_rebuild_nothing_and_its_meaning_does(shop: Project) -> None:
    shop.must("materialize")
    shop.edit("daily.sql", "-- what a day brought in", "/* a day */ -- and a remark")
    shop.edit("daily.sql", "JOIN prices USING (product)", "join   prices\n    using (product)  ;")
    assert shop.must("materialize").err == "nothing to do: 8 cells fresh\n"
    shop.edit("daily.sql", "orders.amount * prices.price", "orders.amount * prices.price * 2")
    before = shop.tail
    shop.must("materialize")
    assert shop.made(behind=before) == {"best", *(f"marts/daily@2024-01-0{n}" for n in (1, 2, 3))}


def test_a_column_that_a_query_does_not_read_is_declared_away(shop: Project) -> None:
    shop.must("materialize")
    shop.edit("daily.sql", "AS turnover", "AS turnover, 1 AS unread")
    before = shop.tail
    shop.must("materialize")
    assert shop.made(behind=before) == {f"marts/daily@2024-01-0{n}" for n in (1, 2, 3)}


def test_a_query_may_be_declared_in_python_with_names_for_its_tables(shop: Project) -> None:
    shop.define(
        """
        from assets_core import AllPartitions, StaticPartitions, TimeWindow, Upstream, sql_asset
        from definitions.assets import DAYS, prices

        sql_asset(
            "rolling",
            'SELECT count(*) AS rows, $partition_key AS day FROM sales, p',
            partitions=DAYS,
            upstreams={
                "sales": Upstream("orders", mapping=TimeWindow(last=2)),
                "p": Upstream(prices, columns=["price"]),
            },
            owners=["team:shop"],
        )
        """,
        "rolling.py",
    )
    shop.must("materialize", "+rolling")
    assert shop.query("SELECT day, rows FROM rolling ORDER BY day") == [
        {"day": "2024-01-01", "rows": 4},
        {"day": "2024-01-02", "rows": 8},
        {"day": "2024-01-03", "rows": 8},
    ]


def test_rows_without_an_order_are_stored_in_a_fixed_one(project: Project) -> None:
    project.define(
        """
        import polars as pl
        from assets_core import asset, sql_asset

        @asset()
        def numbers() -> pl.DataFrame:
            return pl.DataFrame({"n": [(i * 7919) % 5000 for i in range(5000)]})

        sql_asset("grouped", "SELECT n % 1000 AS bucket, count(*) AS rows FROM numbers GROUP BY bucket")
        sql_asset("ordered", "SELECT n FROM numbers ORDER BY n DESC LIMIT 3")
        sql_asset("mixed", "SELECT NULL AS n UNION ALL SELECT 2 UNION ALL SELECT 1;  -- done")
        """
    )
    project.must("materialize")
    assert [row["bucket"] for row in project.query("FROM grouped")] == list(range(1000))
    assert [row["n"] for row in project.query("FROM ordered")] == [4999, 4998, 4997]
    assert [row["n"] for row in project.query("FROM mixed")] == [1, 2, None]
    version = project.must("explain", "grouped", "--json").value["version"]
    project.must("materialize", "grouped", "--force")
    assert project.must("explain", "grouped", "--json").value["version"] == version


def test_the_zone_of_the_machine_changes_nothing_that_a_query_makes(shop: Project) -> None:
    shop.edit("daily.sql", "$partition_start AS begins", "date_trunc('day', $partition_start) AS begins")
    versions = []
    for zone in ("Asia/Tokyo", "America/New_York"):
        made = shop.process("materialize", "+marts/daily", "--force", env={**os.environ, "TZ": zone})
        assert made.code == 0, made.err
        versions.append(shop.must("explain", "marts/daily@2024-01-02", "--json").value["version"])
    assert versions[0] == versions[1]


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('prices.csv')",
        "'prices.csv'",
        "read_parquet('*.parquet')",
        "read_text('prices.csv')",
        "glob('*')",
        "sniff_csv('prices.csv')",
    ],
)
def test_a_query_that_reads_a_file_by_itself_is_refused_and_nothing_is_made(project: Project, source: str) -> None:
    project.write("prices.csv", "product,price\ntea,1\n")
    project.define(f"/* asset */\nSELECT * FROM {source}\n", "direct.sql")
    outcome = project.process("materialize")
    assert outcome.code in (1, 2)
    assert "definitions/direct.sql:1" in outcome.err
    assert ("prices.csv" in outcome.err) or ("*" in outcome.err)
    assert "Traceback" not in outcome.err
    assert project.made() == set()


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("SELECT nme FROM prices", 'Referenced column "nme" not found'),
        ("SELECT product + 1 AS n FROM prices", "No function matches"),
        ("SELECT product::INTEGER AS n FROM prices", "Could not convert string 'milk' to INT32"),
        ("SELECT $partition_key AS day FROM prices", "the query wants $partition_key, which broken does not have"),
        ("SELECT $day AS day FROM prices", "the query wants $day, which broken does not have"),
    ],
)
def test_a_query_that_cannot_run_fails_with_its_file_and_without_frames_of_libraries(
    project: Project, query: str, what: str
) -> None:
    project.define(ASSETS)
    project.define(f"/* asset */\n{query}\n", "broken.sql")
    outcome = project.run("materialize", "+broken")
    assert outcome.code == 1
    assert "failed: broken: " in outcome.err
    assert what in outcome.err
    assert "declared at definitions/broken.sql:1" in outcome.err
    assert "site-packages" not in outcome.err


def test_a_query_sees_its_upstreams_and_no_variable_of_the_process(project: Project) -> None:
    project.define(ASSETS)
    project.define("/* asset */\nSELECT * FROM work\n", "spy.sql")
    outcome = project.run("list")
    assert outcome.code == 2
    assert "asset 'spy' reads 'work', which does not exist" in outcome.err


def test_the_contract_and_severity_of_a_header_judge_the_rows_of_the_query(project: Project) -> None:
    project.define(ASSETS)
    project.define(
        """
        import pandera.polars as pa

        class Cheap(pa.DataFrameModel):
            product: str
            price: float = pa.Field(lt=4)
        """,
        "contracts.py",
    )
    project.define('/* asset\nschema = "definitions.contracts:Cheap"\n*/\nSELECT * FROM prices\n', "cheap.sql")
    outcome = project.run("materialize", "+cheap")
    assert outcome.code == 1
    assert "less_than(4) failed in 1 row: row 1 (4.5)" in outcome.err
    project.edit("cheap.sql", "*/", 'severity = "warn"\n*/')
    assert "warning: cheap: contract " in project.must("materialize", "+cheap").err


def test_lineage_of_a_query_names_the_columns_that_each_column_comes_from(shop: Project) -> None:
    shop.must("materialize")
    edges = shop.must("lineage", "best.turnover", "--upstream", "--json").value["edges"]
    pairs = {(edge["from"], edge["to"]) for edge in edges}
    assert ("marts/daily.turnover", "best.turnover") in pairs
    assert {("orders.amount", "marts/daily.turnover"), ("prices.price", "marts/daily.turnover")} <= pairs
    down = shop.must("lineage", "prices.price", "--downstream", "--json").value["edges"]
    assert {edge["direction"] for edge in down} == {"downstream"}
    assert ("prices.price", "marts/daily.turnover") in {(edge["from"], edge["to"]) for edge in down}


def test_a_sql_file_without_a_header_is_refused_and_one_in_a_subfolder_is_an_asset(project: Project) -> None:
    project.define(ASSETS)
    project.define("/* assets\n*/ SELECT * FROM nowhere\n", "notes.sql")
    project.define("\n\n/* asset\n*/\nSELECT 1 AS n\n", "deep/er/one.sql")
    refused = project.run("list")
    assert refused.code == 2
    assert "definitions/notes.sql:1: the file has no header" in refused.err
    project.define("\n", "notes.sql")
    assert {row[0] for row in project.must("list").rows} == {"orders", "prices", "one"}
