"""Do `show` and `query` give the data as it was at an earlier time or record, and say why where they cannot?"""

from __future__ import annotations

import pytest
from command import Project

ASSETS = """
    import polars as pl
    from assets_core import DailyPartitions, Partition, asset

    RATE = 1

    @asset(partitions=DailyPartitions("2024-01-01", "2024-01-03"))
    def days(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"day": [partition.key], "n": [RATE]})

    @asset()
    def total(days: pl.DataFrame) -> pl.DataFrame:
        return days.select(pl.col("n").sum())
"""


@pytest.fixture
def twice(project: Project) -> Project:
    """Days made with rate 1, then with rate 2."""
    project.define(ASSETS)
    project.must("materialize")
    project.edit("assets.py", "RATE = 1", "RATE = 2")
    project.must("materialize")
    return project


def ends(project: Project) -> list[dict[str, object]]:
    return [record for record in project.journal if record["kind"] == "run_ended"]


def test_data_is_shown_as_it_was_at_a_record_and_at_a_time(twice: Project) -> None:
    first, second = ends(twice)
    joined = "SELECT sum(days.n) AS n, any_value(total.n) AS total FROM days, total"
    for moment, n in ((first["seq"], 2), (first["at"], 2), (second["seq"], 4), (second["at"], 4)):
        assert twice.must("query", joined, "--as-of", str(moment), "--json").value == [{"n": n, "total": n}]
        shown = twice.must("show", "total", "--as-of", str(moment), "--json").value
        assert shown["first"] == [{"n": n}]
    assert twice.must("query", joined, "--json").value == [{"n": 4, "total": 4}]


def test_every_record_of_the_past_can_be_asked_for(twice: Project) -> None:
    seen = []
    for position in range(1, twice.tail + 1):
        outcome = twice.run("show", "total", "--as-of", str(position), "--json")
        seen.append(outcome.value["first"][0]["n"] if outcome.code == 0 else None)
    assert [n for place, n in enumerate(seen) if place == 0 or n != seen[place - 1]] == [None, 2, 4]


def test_an_asset_that_was_withdrawn_since_is_shown_as_it_was(twice: Project) -> None:
    last = str(twice.tail)
    twice.edit("assets.py", "@asset()\ndef total", "def total")
    twice.edit("assets.py", "RATE = 2", "RATE = 3")
    twice.must("materialize")
    outcome = twice.run("show", "total")
    assert outcome.code == 2
    assert "total was withdrawn by record" in outcome.err
    assert twice.must("show", "total", "--as-of", last, "--json").value["first"] == [{"n": 4}]
    assert twice.must("query", "FROM total", "--as-of", last, "--json").value == [{"n": 4}]


def test_partitions_of_an_earlier_definition_are_shown_as_of_then_only(twice: Project) -> None:
    last = str(twice.tail)
    twice.edit(
        "assets.py", 'DailyPartitions("2024-01-01", "2024-01-03")', 'MonthlyPartitions("2024-01-01", "2024-02-01")'
    )
    twice.edit("assets.py", "import DailyPartitions", "import MonthlyPartitions")
    twice.must("materialize")
    assert twice.query("SELECT day FROM days") == [{"day": "2024-01"}]
    assert len(twice.must("query", "FROM days", "--as-of", last, "--json").value) == 2
    assert twice.run("show", "days", "--partition", "2024-01-01").code == 2
    twice.must("show", "days", "--partition", "2024-01-01", "--as-of", last)


def test_data_is_shown_while_the_definitions_are_broken(twice: Project) -> None:
    twice.define("def broken(:\n", "broken.py")
    assert twice.run("plan").code == 2
    assert twice.query("FROM total") == [{"n": 4}]
    assert "broken.py" in twice.run("show", "ttal").err


@pytest.mark.parametrize("folder", ["year=2024", "a[1]", "what?", "all*"])
def test_the_project_s_path_is_no_pattern_and_adds_no_column(twice: Project, folder: str) -> None:
    twice.root.rename(moved := twice.root.with_name(folder))
    assert Project(moved).must("query", "FROM total", "--json").value == [{"n": 4}]


@pytest.mark.parametrize(
    ("moment", "what"),
    [
        ("0", "0 is before the first record"),
        ("1000000", "there is no record 1000000: the last one is"),
        ("1999-12-31", "is before the first record, which was written"),
        ("2999-12-31", "has not come yet"),
        ("31.12.2024", "'31.12.2024' is neither a time nor a position"),
        ("2", "nothing of days was published as of record"),
    ],
)
def test_a_moment_that_tells_nothing_is_refused(twice: Project, moment: str, what: str) -> None:
    for command in (("show", "days"), ("query", "FROM days")):
        outcome = twice.run(*command, "--as-of", moment)
        assert outcome.code == 2
        assert what in outcome.err
        assert "Traceback" not in outcome.err


def test_a_time_may_have_an_offset_and_is_utc_without_one(twice: Project) -> None:
    at = str(ends(twice)[0]["at"])  # 2026-01-31T08:00:00.000000Z
    hour = int(at[11:13])
    if hour < 23:
        east = f"{at[:11]}{hour + 1:02}{at[13:-1]}+01:00"
        assert twice.must("show", "total", "--as-of", east, "--json").value["first"] == [{"n": 2}]
    assert twice.must("show", "total", "--as-of", at.removesuffix("Z"), "--json").value["first"] == [{"n": 2}]
