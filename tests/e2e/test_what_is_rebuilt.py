"""After a change, does a run make exactly the cells that the change touches, and say so?

Shops deliver a file a day; days are cleaned, months are summed, a report reads the months.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command import Project

DAYS = ["2024-01-31", "2024-02-01", "2024-02-02"]
ASSETS = '''
    import polars as pl
    from assets_core import DailyPartitions, MonthlyPartitions, asset, external
    from definitions.money import in_euro

    DAYS = DailyPartitions("2024-01-31", "2024-02-03")
    external("raw_sales", path="landing/{partition}.csv", partitions=DAYS)

    @asset(partitions=DAYS)
    def sales(raw_sales: pl.LazyFrame) -> pl.LazyFrame:
        """Sales of a day."""
        return raw_sales.unique().sort("shop", "amount").with_columns(amount=in_euro(pl.col("amount")))

    @asset(partitions=DAYS)
    def shops(raw_sales: pl.LazyFrame) -> pl.LazyFrame:
        return raw_sales.select(pl.col("shop").unique().sort())

    @asset(partitions=MonthlyPartitions("2024-01-01", "2024-03-01"))
    def totals(sales: pl.LazyFrame) -> pl.LazyFrame:
        return sales.group_by("shop").agg(pl.col("amount").sum()).sort("shop")

    @asset()
    def report(totals: pl.LazyFrame) -> pl.LazyFrame:
        return totals.select(pl.col("amount").max())
'''
MONEY = """
    RATE = 2.0
    DIGITS = 6
    UNUSED = 1

    def in_euro(amount):
        return (amount * RATE).round(DIGITS)
"""
EVERYTHING = {
    *(f"sales@{day}" for day in DAYS),
    *(f"shops@{day}" for day in DAYS),
    "totals@2024-01",
    "totals@2024-02",
    "report",
}


def deliver(project: Project, day: str, *lines: str) -> Path:
    return project.write(f"landing/{day}.csv", "\n".join(["shop,amount", *lines, ""]))


@pytest.fixture
def made(project: Project) -> Project:
    """The project of the shops with everything made."""
    project.define(ASSETS)
    project.define(MONEY, "money.py")
    for number, day in enumerate(DAYS):
        deliver(project, day, f"north,{number + 1}", "south,10")
    project.must("materialize")
    return project


def test_a_first_run_makes_every_cell_once_and_what_it_makes_is_right(made: Project) -> None:
    assert made.made() == EVERYTHING
    assert made.query("FROM report") == [{"amount": 40.0}]
    assert made.query("SELECT shop, amount FROM totals ORDER BY ALL") == [
        {"shop": "north", "amount": 2.0},
        {"shop": "north", "amount": 10.0},
        {"shop": "south", "amount": 20.0},
        {"shop": "south", "amount": 40.0},
    ]


def test_a_second_materialize_does_nothing_and_says_so(made: Project) -> None:
    segments = sorted((made.root / ".assets" / "journal").glob("*.jsonl"))
    before = [segment.read_bytes() for segment in segments]
    outcome = made.run("materialize")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == "nothing to do: 9 cells fresh\n"
    assert [segment.read_bytes() for segment in segments] == before
    assert made.must("plan").err == "nothing to do: 9 cells fresh\n"
    assert made.must("backfill", "*", "--partitions", "2024-01-31..2024-02-02").err == "nothing to do: 9 cells fresh\n"


def test_reformatting_comments_and_docstrings_rebuild_nothing(made: Project) -> None:
    made.edit("assets.py", '"""Sales of a day."""', '"""Sales of a day, in euro."""\n    # a remark')
    made.edit("assets.py", '.sort("shop", "amount")', ".sort(\n        'shop',\n        'amount',\n    )")
    made.edit("assets.py", "import polars as pl\n", "# a heading\n\nimport polars as pl\n\n\n")
    made.edit("money.py", "(amount * RATE)", "((amount) * (RATE))  ")
    assert made.must("plan", "--json").value["stale"] == 0
    assert made.must("materialize").err == "nothing to do: 9 cells fresh\n"


def test_a_constant_in_a_helper_rebuilds_exactly_its_users_and_their_readers(made: Project) -> None:
    made.edit("money.py", "RATE = 2.0", "RATE = 3.0")
    before = made.tail
    made.must("materialize")
    assert made.made(behind=before) == {cell for cell in EVERYTHING if not cell.startswith("shops@")}
    assert made.query("FROM report") == [{"amount": 60.0}]


def test_a_constant_that_changes_no_content_rebuilds_its_users_and_nothing_after_them(made: Project) -> None:
    made.edit("money.py", "DIGITS = 6", "DIGITS = 7")
    before = made.tail
    outcome = made.must("materialize", "--json").value
    assert made.made(behind=before) == {f"sales@{day}" for day in DAYS}
    assert (outcome["made"], outcome["fresh"]) == (3, 6)
    assert made.must("materialize").err == "nothing to do: 9 cells fresh\n"


def test_a_constant_that_nothing_uses_rebuilds_nothing(made: Project) -> None:
    made.edit("money.py", "UNUSED = 1", "UNUSED = 2")
    assert made.must("materialize").err == "nothing to do: 9 cells fresh\n"


def test_a_changed_raw_day_rebuilds_that_day_and_only_what_reads_it(made: Project) -> None:
    deliver(made, "2024-02-01", "north,2", "south,70", "west,1")
    before = made.tail
    made.must("materialize")
    assert made.made(behind=before) == {"sales@2024-02-01", "shops@2024-02-01", "totals@2024-02", "report"}
    assert made.query("FROM report") == [{"amount": 160.0}]


def test_the_plan_names_the_raw_day_that_changed_and_what_is_only_provisional(made: Project) -> None:
    deliver(made, "2024-02-01", "north,2", "south,70")
    steps = {(step["asset"], step["partition"]): step for step in made.must("plan", "--json").value["steps"]}
    changed = [{"kind": "source_changed", "upstream": "raw_sales", "partitions": ["2024-02-01"]}]
    waits = {"kind": "upstream_will_run", "upstream": "sales", "partitions": ["2024-02-01"]}
    roots = {"roots": [{"asset": "sales", "kind": "source_changed"}]}
    assert {key: step["causes"] for key, step in steps.items()} == {
        ("sales", "2024-02-01"): changed,
        ("shops", "2024-02-01"): changed,
        ("totals", "2024-02"): [waits | roots],
        ("report", None): [{"kind": "upstream_will_run", "upstream": "totals", "partitions": ["2024-02"]} | roots],
    }
    assert {asset: step["provisional"] for (asset, _), step in steps.items()} == {
        "sales": False,
        "shops": False,
        "totals": True,
        "report": True,
    }
    printed = made.must("plan")
    assert "sales\t1\t2024-02-01\tsource changed: raw_sales@2024-02-01" in printed.out.splitlines()
    assert printed.err.startswith("4 cells stale (2 of them provisional), 5 fresh")


def test_where_the_cleaned_day_comes_out_identical_nothing_after_it_is_made(made: Project) -> None:
    deliver(made, "2024-02-01", "south,10", "north,2", "south,10")  # another order, and a line delivered twice
    before = made.tail
    outcome = made.must("materialize", "--json").value
    assert made.made(behind=before) == {"sales@2024-02-01", "shops@2024-02-01"}
    assert (outcome["made"], outcome["fresh"], outcome["failed"], outcome["blocked"]) == (2, 7, 0, 0)
    skipped = [(record["asset"], record["ranges"][0][2:]) for record in made.records("skipped", behind=before)]
    assert skipped == [("totals", ["2024-02"] * 2), ("report", [None] * 2)]
    assert made.must("materialize").err == "nothing to do: 9 cells fresh\n"


def test_a_raw_file_that_was_only_touched_or_written_again_rebuilds_nothing(made: Project) -> None:
    os.utime(made.root / "landing" / "2024-02-01.csv", (1, 1))
    deliver(made, "2024-01-31", "north,1", "south,10")
    assert made.must("materialize").err == "nothing to do: 9 cells fresh\n"


def test_a_raw_day_put_back_as_it_was_gives_the_first_version_back(made: Project) -> None:
    first = made.must("explain", "report", "--json").value["version"]
    deliver(made, "2024-02-01", "south,70")
    made.must("materialize")
    assert made.must("explain", "report", "--json").value["version"] != first
    deliver(made, "2024-02-01", "north,2", "south,10")
    made.must("materialize")
    assert made.must("explain", "report", "--json").value["version"] == first


def test_what_was_not_selected_stays_stale_and_is_made_by_the_next_run(made: Project) -> None:
    made.edit("money.py", "RATE = 2.0", "RATE = 3.0")
    before = made.tail
    made.must("materialize", "sales", "--partitions", "2024-02-01")
    assert made.made(behind=before) == {"sales@2024-02-01"}
    rows = {row["asset"]: row for row in made.must("status", "--json").value}
    assert rows["sales"] == {"asset": "sales", "cells": 3, "fresh": 1, "stale": 2, "missing": 0, "failed": 0}
    assert (rows["totals"]["stale"], rows["report"]["stale"], rows["shops"]["fresh"]) == (2, 1, 3)
    before = made.tail
    made.must("materialize")
    assert made.made(behind=before) == {
        "sales@2024-01-31",
        "sales@2024-02-02",
        "totals@2024-01",
        "totals@2024-02",
        "report",
    }


def test_force_makes_what_is_fresh_too_and_leaves_its_readers_fresh(made: Project) -> None:
    before = made.tail
    made.must("materialize", "shops", "--partitions", "2024-01-31..2024-02-01", "--force")
    assert made.made(behind=before) == {"shops@2024-01-31", "shops@2024-02-01"}
    assert made.must("plan").err == "nothing to do: 9 cells fresh\n"


def test_a_definition_that_is_gone_is_withdrawn_and_its_data_is_no_longer_shown(made: Project) -> None:
    made.edit("assets.py", "@asset()\ndef report", "def report")
    made.edit("money.py", "RATE = 2.0", "RATE = 3.0")
    made.must("materialize")
    assert made.records("withdrawn") == [{"asset": "report"}]
    assert [row["asset"] for row in made.must("status", "--json").value] == ["sales", "shops", "totals"]
    outcome = made.run("query", "FROM report")
    assert outcome.code == 2
    assert "report" in outcome.err


def test_explain_says_what_a_cell_was_made_of_and_why_it_is_stale(made: Project) -> None:
    made.edit("money.py", "RATE = 2.0", "RATE = 3.0")
    told = made.must("explain", "sales@2024-02-01")
    lines = told.out.splitlines()
    assert lines[:2] == ["sales@2024-02-01: stale", "  declared at definitions/assets.py:8"]
    assert "  because code changed: definitions.money:RATE" in lines
    assert {"    -RATE = 2.0", "    +RATE = 3.0"} <= set(lines)
    assert "  reads raw_sales@2024-02-01" in lines
    assert made.must("explain", "shops@2024-02-01", "--json").value["state"] == "fresh"
