"""Can it be told, for a cell and a day, why it was not made anew: who looked, what was compared, what was current?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from command import Project

ASSETS = """
    import polars as pl
    from assets_core import DailyPartitions, Partition, asset

    DAYS = DailyPartitions("2024-01-01", "2024-01-11")
    RAW = 1

    @asset(partitions=DAYS)
    def raw(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"day": [partition.key], "n": [RAW]})

    @asset(partitions=DAYS)
    def rounded(raw: pl.DataFrame) -> pl.DataFrame:
        return raw.select("day", pl.col("n") // 10)

    @asset(partitions=DAYS)
    def report(rounded: pl.DataFrame) -> pl.DataFrame:
        return rounded

    @asset()
    def single() -> pl.DataFrame:
        return pl.DataFrame({"n": [1]})
"""
TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture
def made(project: Project) -> Project:
    project.define(ASSETS)
    project.must("materialize")
    return project


def test_cells_that_needed_nothing_are_one_range_in_one_record(made: Project) -> None:
    before = made.tail
    made.must("materialize", "raw", "--partitions", "2024-01-03", "--force")
    assert made.records("found_fresh", behind=before) == []  # nothing else was selected
    made.edit("assets.py", "RAW = 1", "RAW = 2")
    made.must("materialize", "single or report or raw")
    (record,) = made.records("found_fresh", behind=before)
    single = next(each for each in record["assets"] if each["asset"] == "single")
    assert single["ranges"] == [[0, 0, None, None]]
    before = made.tail
    made.edit("assets.py", "raw.select", "raw.with_columns().select")
    made.must("materialize", "raw or rounded")
    (record,) = made.records("found_fresh", behind=before)
    (raw,) = record["assets"]
    assert [row[2:] for row in raw["ranges"]] == [["2024-01-01", "2024-01-10"]]
    assert (raw["scheme"], raw["number"], len(raw["recipes"])) == ("daily", 10, 32)


def test_a_second_run_writes_nothing_unless_idle_runs_are_recorded(made: Project) -> None:
    before = made.tail
    made.must("materialize")
    assert made.tail == before
    made.write("assets.toml", '[project]\nname = "small"\n[audit]\nrecord_idle_runs = true\n')
    outcome = made.must("materialize", "--json").value
    assert (outcome["made"], outcome["fresh"]) == (0, 31)
    kinds = [record["kind"] for record in made.journal[before:]]
    assert kinds == ["session", "run_started", "found_fresh", "run_ended"]
    (record,) = made.records("found_fresh", behind=before)
    assert [(each["asset"], each["number"]) for each in record["assets"]] == [
        ("raw", 10), ("single", 1), ("rounded", 10), ("report", 10)
    ]  # fmt: skip


def test_a_skip_tells_who_looked_what_was_compared_and_what_was_current(made: Project) -> None:
    version = made.must("explain", "report@2024-01-05", "--json").value["version"]
    made.edit("assets.py", "RAW = 1", "RAW = 2")
    made.must("materialize")  # rounded is made again, and comes out the same
    assert made.records("skipped")
    assert sum(record["number"] for record in made.records("skipped")) == 10
    found = made.must("audit", "skips", "report@2024-01-05", "--on", TODAY, "--json").value
    assert [look["why"] for look in found["looks"]] == ["was made", "turned out fresh after its upstream ran"]
    look = found["looks"][-1]
    assert (look["version"], found["version"]) == (version, version)
    assert look["code_version"] == made.must("list", "report", "--json").value[0]["code_version"]
    (read,) = look["reads"]
    assert (read["name"], read["upstream"]) == ("rounded", "rounded")
    assert read["first_ordinal"] <= 19727 < read["end_ordinal"]  # 2024-01-05
    printed = made.must("audit", "skips", "report@2024-01-05")
    assert "turned out fresh after its upstream ran" in printed.out
    assert f"current now: version {version}" in printed.err
    single = made.must("audit", "skips", "single", "--json").value
    assert [look["why"] for look in single["looks"]] == ["was made", "found fresh"]


def test_the_sums_of_recipes_are_those_of_the_index(made: Project) -> None:
    made.edit("assets.py", "RAW = 1", "RAW = 2")
    made.must("materialize")
    sums = made.must(
        "catalog",
        "query",
        """SELECT c.recipe_a, (sum(coalesce(p.whole_a, p.recipe_a)::HUGEINT) % 18446744073709551616)::UBIGINT AS sum_a
        FROM comparison AS c JOIN skip AS s ON s.seq = c.seq AND s.asset = c.asset
        JOIN publication AS p ON p.asset = s.asset AND p.ordinal BETWEEN s.first_ordinal AND s.last_ordinal
            AND p.superseded_seq IS NULL
        GROUP BY c.seq, c.asset, c.recipe_a""",
        "--json",
    ).value
    assert sums
    assert all(row["recipe_a"] == row["sum_a"] for row in sums)


def test_where_no_run_looked_on_the_day_the_last_one_and_the_version_are_told(made: Project) -> None:
    found = made.must("audit", "skips", "raw@2024-01-05", "--on", "2024-06-01", "--json").value
    assert (found["looks"], found["last"], found["version"]) == ([], None, None)
    later = "2099-01-01"
    found = made.must("audit", "skips", "raw@2024-01-05", "--on", later, "--json").value
    assert found["looks"] == []
    assert found["last"]["why"] == "was made"
    assert found["version"] == made.must("explain", "raw@2024-01-05", "--json").value["version"]
    told = made.must("audit", "skips", "raw@2024-01-05", "--on", later).err
    assert f"no run looked at raw@2024-01-05 on {later}" in told
    assert "the last one before that: " in told


def test_assets_are_named_by_a_glob_and_an_unknown_one_is_refused_with_the_nearest(made: Project) -> None:
    made.edit("assets.py", "RAW = 1", "RAW = 2")
    made.must("materialize")
    looks = made.must("audit", "skips", "r*", "--json").value["looks"]
    assert {look["asset"] for look in looks} == {"report"}
    assert sum(look["cells"] for look in looks) == 10
    outcome = made.run("audit", "skips", "reprot")
    assert outcome.code == 2
    assert "did you mean 'report'?" in outcome.err
    assert made.run("audit", "skips", "nothing@2024-01-01").code == 2


def test_the_key_of_a_dynamic_partition_is_found_under_the_numbers_of_then(project: Project) -> None:
    project.define(
        """
        import polars as pl
        from assets_core import DynamicPartitions, Partition, asset

        @asset(partitions=DynamicPartitions("shops"))
        def sales(partition: Partition) -> pl.DataFrame:
            return pl.DataFrame({"shop": [partition.key]})
        """
    )
    project.must("partitions", "add", "shops", "a", "b", "c", "d")
    project.must("materialize")
    project.must("partitions", "add", "shops", "e")
    project.must("materialize")  # a to d are fresh
    project.must("partitions", "remove", "shops", "a")
    project.must("partitions", "add", "shops", "f")
    project.must("materialize")  # b to e are fresh, under other numbers
    for key, whys in {"c": 2, "a": 1, "e": 1, "f": 0}.items():
        looks = project.must("audit", "skips", f"sales@{key}", "--json").value["looks"]
        assert [look["why"] for look in looks] == ["was made"] + ["found fresh"] * whys, key
