"""Where the partitions of an asset are defined anew, what stays fresh, what is missing, and does the plan say so?

Driven through the command. Going back must make the cells of before current again without making them.
"""

from __future__ import annotations

from typing import Any

from command import Project

ASSETS = """
    import polars as pl
    from assets_core import (
        DailyPartitions,
        MonthlyPartitions,
        Partition,
        ProductPartitions,
        StaticPartitions,
        asset,
    )

    @asset(partitions=PARTITIONS)
    def cells(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"key": [partition.key]})

    @asset()
    def together(cells: pl.DataFrame) -> pl.DataFrame:
        return cells.sort("key")
"""
DAYS = 'DailyPartitions("2024-01-03", "2024-01-06")'
PRODUCT = f'ProductPartitions(day={DAYS}, region=StaticPartitions(["eu", "us"]))'
MONTHS = 'MonthlyPartitions("2024-01-01", "2024-02-01")'
REGIONS = 'StaticPartitions(["eu", "us"])'


def define(project: Project, partitions: str) -> None:
    project.define(ASSETS.replace("PARTITIONS", partitions))


def made_with(project: Project, partitions: str) -> set[str]:
    """Define the partitions, materialize, and return the cells that were made."""
    before = project.tail
    define(project, partitions)
    project.must("materialize")
    assert project.must("plan", "--json").value["stale"] == 0
    return project.made(behind=before)


def keys(project: Project) -> list[str]:
    return [row["key"] for row in project.query("SELECT key FROM cells ORDER BY key")]


def days(first: int, last: int) -> set[str]:
    return {f"cells@2024-01-{day:02}" for day in range(first, last + 1)}


def causes(project: Project) -> dict[str, list[dict[str, Any]]]:
    """Return the causes of each group of the plan that is not of the reader."""
    groups = project.must("plan", "--json").value["groups"]
    return {",".join(group["ranges"]): group["causes"] for group in groups if group["asset"] == "cells"}


def numbers(project: Project) -> tuple[int, int, int]:
    rows = {row["asset"]: row for row in project.must("status", "--json").value}
    return rows["cells"]["fresh"], rows["cells"]["stale"], rows["cells"]["missing"]


def versions(project: Project) -> dict[str | None, str]:
    return {each["partition"]: each["version"] for each in project.records("materialized") if each["asset"] == "cells"}


def test_an_earlier_start_leaves_what_is_there_fresh_and_the_new_days_are_missing(project: Project) -> None:
    made_with(project, DAYS)
    define(project, DAYS.replace("01-03", "01-01"))
    assert numbers(project) == (3, 0, 2)
    assert causes(project) == {"2024-01-01..2024-01-02": [{"kind": "missing"}]}, "no published cell is outside"
    assert "cells\t2\t2024-01-01..2024-01-02\tmissing" in project.must("plan").out.splitlines()
    assert made_with(project, DAYS.replace("01-03", "01-01")) == days(1, 2) | {"together"}


def test_a_later_start_and_an_earlier_end_make_nothing_but_the_reader(project: Project) -> None:
    made_with(project, DAYS)
    later = DAYS.replace("01-03", "01-04")
    define(project, later)
    assert numbers(project) == (2, 0, 0)
    (step,) = project.must("plan", "--json").value["steps"]
    assert (step["asset"], [cause["kind"] for cause in step["causes"]]) == ("together", ["input_changed"])
    assert made_with(project, later) == {"together"}
    assert keys(project) == ["2024-01-04", "2024-01-05"]
    assert made_with(project, DAYS.replace("01-06", "01-05")) == {"together"}
    assert keys(project) == ["2024-01-03", "2024-01-04"]


def test_the_start_put_back_makes_the_old_days_current_without_making_them(project: Project) -> None:
    made_with(project, DAYS)
    first = project.query("FROM together")
    made_with(project, DAYS.replace("01-03", "01-05"))
    define(project, DAYS)
    assert numbers(project) == (3, 0, 0)
    assert made_with(project, DAYS) == {"together"}
    assert keys(project) == ["2024-01-03", "2024-01-04", "2024-01-05"]
    assert project.query("FROM together") == first


def test_a_code_change_while_a_day_was_outside_is_seen_when_it_is_back(project: Project) -> None:
    made_with(project, DAYS)
    text = ASSETS.replace('{"key": [partition.key]}', '{"key": [partition.key], "n": [1]}')
    project.define(text.replace("PARTITIONS", DAYS.replace("01-03", "01-05")))
    project.must("materialize")
    project.define(text.replace("PARTITIONS", DAYS))
    assert numbers(project) == (1, 2, 0)
    (causes_of_days,) = causes(project).values()
    assert [cause["kind"] for cause in causes_of_days] == ["code_changed"]


def test_a_region_in_the_middle_of_a_list_leaves_the_others_fresh(project: Project) -> None:
    made_with(project, REGIONS)
    wider = REGIONS.replace('"eu", ', '"eu", "jp", ')
    define(project, wider)
    assert numbers(project) == (2, 0, 1)
    assert causes(project) == {"jp": [{"kind": "missing"}]}
    assert made_with(project, wider) == {"cells@jp", "together"}
    assert keys(project) == ["eu", "jp", "us"]
    assert made_with(project, REGIONS) == {"together"}
    assert keys(project) == ["eu", "us"]


def test_a_list_in_another_order_makes_no_cell(project: Project) -> None:
    made_with(project, REGIONS)
    assert made_with(project, 'StaticPartitions(["us", "eu"])') <= {"together"}, "its input may come in another order"


def test_a_region_in_the_middle_of_a_dimension_leaves_the_other_combinations_fresh(project: Project) -> None:
    made_with(project, PRODUCT)
    wider = PRODUCT.replace('"eu", ', '"eu", "jp", ')
    define(project, wider)
    assert numbers(project) == (6, 0, 3)
    assert made_with(project, wider) == {f"cells@2024-01-0{day}|jp" for day in (3, 4, 5)} | {"together"}
    assert made_with(project, PRODUCT) == {"together"}


def test_another_dimension_is_another_set_of_cells_and_the_plan_says_how_many_are_outside(project: Project) -> None:
    made_with(project, DAYS)
    define(project, PRODUCT)
    assert numbers(project) == (0, 0, 6)
    were = {"kind": "daily", "start": "2024-01-03", "end": "2024-01-06", "tz": "UTC"}
    missing = {"kind": "missing", "partitions_were": were, "outside": 3}
    assert list(causes(project).values()) == [[missing]]
    told = "missing: the partitions were redefined (they were daily), 3 published cells are outside"
    assert f"cells\t6\t2024-01-03|eu..2024-01-05|us\t{told}" in project.must("plan").out.splitlines()
    assert f"    {told}" in project.must("plan", "--explain").out.splitlines()
    assert f"  because {told}" in project.must("explain", "cells@2024-01-04|us").out.splitlines()
    assert project.must("explain", "cells@2024-01-04|us", "--json").value["causes"] == [missing]


def test_a_dimension_taken_back_makes_the_old_days_current_without_making_them(project: Project) -> None:
    made_with(project, DAYS)
    first = versions(project)
    made_with(project, PRODUCT)
    define(project, DAYS)
    assert numbers(project) == (3, 0, 0)
    assert made_with(project, DAYS) == {"together"}
    assert {row["partition"]: row["version"] for row in current(project)} == first


def current(project: Project) -> list[dict[str, Any]]:
    days_now = ("2024-01-03", "2024-01-04", "2024-01-05")
    return [project.must("explain", f"cells@{day}", "--json").value for day in days_now]


def test_months_instead_of_days_are_missing_and_days_again_are_fresh(project: Project) -> None:
    made_with(project, DAYS)
    define(project, MONTHS)
    told = "missing: the partitions were redefined (they were daily), 3 published cells are outside"
    assert f"cells\t1\t2024-01\t{told}" in project.must("plan").out.splitlines()
    assert f"  because {told}" in project.must("explain", "cells@2024-01").out.splitlines()
    assert made_with(project, MONTHS) == {"cells@2024-01", "together"}
    assert keys(project) == ["2024-01"]
    define(project, DAYS)
    assert numbers(project) == (3, 0, 0)
    assert made_with(project, DAYS) == {"together"}
    assert keys(project) == ["2024-01-03", "2024-01-04", "2024-01-05"]
    define(project, MONTHS)
    assert numbers(project) == (1, 0, 0)


def test_no_partitions_any_more_is_told_too(project: Project) -> None:
    made_with(project, DAYS)
    project.define(
        ASSETS.replace("partitions=PARTITIONS", "")
        .replace("partition: Partition", "")
        .replace("partition.key", "'all'")
    )
    (causes_now,) = causes(project).values()
    assert (causes_now[0]["kind"], causes_now[0]["outside"]) == ("missing", 3)
    line = project.must("explain", "cells").out
    assert "because missing: the partitions were redefined (they were daily), 3 published cells are outside" in line


def test_days_of_another_zone_are_other_days_under_the_same_keys(project: Project) -> None:
    """The keys stay, so the cells do, but `start` and `end` are others: the code that is handed them is another one."""
    made_with(project, DAYS)
    there = DAYS.replace(")", ', tz="Europe/Berlin")')
    define(project, there)
    assert numbers(project) == (0, 3, 0)
    (causes_now,) = causes(project).values()
    assert [cause["kind"] for cause in causes_now] == ["code_changed"]
    assert any(line.startswith("+") and "Europe/Berlin" in line for line in causes_now[0]["diff"])
    before = project.tail
    project.must("materialize")
    assert project.made(behind=before) == days(3, 5), "the same content: what reads it is fresh"


def test_a_redefinition_that_makes_nothing_stale_counts_for_whoever_reads_the_data(project: Project) -> None:
    text = """
        import polars as pl
        from assets_core import DailyPartitions, Partition, asset

        @asset(partitions=DailyPartitions("2024-01-{start:02}", "2024-01-06"))
        def cells(partition: Partition) -> pl.DataFrame:
            return pl.DataFrame({{"key": [partition.key]}})
    """
    project.define(text.format(start=3))
    project.must("materialize")
    for start, keys in ((5, ["2024-01-05"]), (3, ["2024-01-03", "2024-01-04", "2024-01-05"])):
        project.define(text.format(start=start))
        assert project.must("materialize").err.startswith("nothing to do")
        assert [row["key"] for row in project.query("SELECT key FROM cells ORDER BY key")] == keys
        records = project.journal
        assert project.must("materialize").err.startswith("nothing to do")
        assert project.journal == records
