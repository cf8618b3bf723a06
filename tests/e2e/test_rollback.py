"""Does a rolled-back cell show its earlier data, is what reads it stale for a cause, is the impossible refused?"""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Project, ended, wait_until

ASSETS = """
    import time
    from pathlib import Path

    import polars as pl
    from assets_core import DailyPartitions, Partition, asset, external

    RATE = 1
    HELD, REACHED = Path("{root}/held"), Path("{root}/reached")

    @asset(partitions=DailyPartitions("2024-01-01", "2024-01-04"))
    def days(partition: Partition) -> pl.DataFrame:
        if partition.key == "2024-01-02" and HELD.exists():
            REACHED.touch()
            while HELD.exists():
                time.sleep(0.005)
        return pl.DataFrame({{"day": [partition.key], "n": [RATE]}})

    @asset()
    def total(days: pl.DataFrame) -> pl.DataFrame:
        return days.select(pl.col("n").sum())

    feed = external("feed", path="feed.csv")

    @asset()
    def fed(feed: pl.DataFrame) -> pl.DataFrame:
        return feed
"""
FIRST, SECOND = "2024-01-01", "2024-01-02"


@pytest.fixture
def twice(project: Project) -> Project:
    """Days made with rate 1, then with rate 2."""
    project.define(ASSETS.format(root=project.root))
    project.write("feed.csv", "a\n1\n")
    project.must("materialize")
    project.edit("assets.py", "RATE = 1", "RATE = 2")
    project.must("materialize")
    return project


def first_publication(project: Project) -> int:
    """Return the position at which everything had been published for the first time."""
    return next(int(record["seq"]) for record in project.journal if record["kind"] == "run_ended")


def versions(project: Project, asset: str, partition: str | None = None) -> list[str]:
    return [
        made["version"]
        for made in project.records("materialized")
        if (made["asset"], made["partition"]) == (asset, partition)
    ]


def numbers(project: Project, *more: str) -> dict[str, int]:
    rows = project.must("query", "SELECT day, n FROM days", "--json", *more).value
    return {row["day"]: row["n"] for row in rows}


def causes(project: Project) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for step in project.must("plan", "--json").value["steps"]:
        cell = step["asset"] if step["partition"] is None else f"{step['asset']}@{step['partition']}"
        found[cell] = {cause["kind"] for cause in step["causes"]}
    return found


def refused(project: Project, *arguments: str) -> tuple[int, str]:
    """Return exit code and message of a rollback that must change nothing."""
    before = project.tail
    outcome = project.run("rollback", *arguments)
    assert outcome.code != 0
    assert outcome.err.count("error: ") == 1, outcome.err
    assert "Traceback" not in outcome.err
    assert project.tail == before
    return outcome.code, outcome.err


def test_a_cell_goes_back_to_a_version_by_its_first_digits_and_nothing_is_copied(twice: Project) -> None:
    files = sorted((twice.root / ".assets/data").rglob("*.parquet"))
    old, new = versions(twice, "days", FIRST)
    told = twice.must("rollback", f"days@{FIRST}", "--to", old[:6], "--reason", "bad rate", "--json").value
    assert told["moved"][0] | {"made_at": ""} == {
        "asset": "days", "partition": FIRST, "from": new, "to": old, "made_at": "",
    }  # fmt: skip
    assert twice.records("rolled_back") == [{"cells": [["days", FIRST, old]], "to": old[:6], "reason": "bad rate"}]
    assert numbers(twice) == {FIRST: 1, SECOND: 2, "2024-01-03": 2}
    assert sorted((twice.root / ".assets/data").rglob("*.parquet")) == files
    assert twice.must("audit", "verify").out == ""


def test_what_was_made_of_other_code_is_stale_and_so_is_what_reads_it(twice: Project) -> None:
    twice.must("rollback", f"days@{FIRST}", "--to", str(first_publication(twice)))
    assert causes(twice) == {
        f"days@{FIRST}": {"code_changed", "rolled_back"},
        "total": {"input_changed", "upstream_will_run"},
    }
    told = twice.must("explain", f"days@{FIRST}").out
    assert f"days@{FIRST}: stale" in told
    assert "because code changed" in told
    assert f"because input changed: days@{FIRST}" in twice.must("explain", "total").out
    twice.edit("assets.py", "RATE = 2", "RATE = 1")
    assert f"days@{FIRST}" not in causes(twice)
    twice.must("materialize")
    assert twice.query("FROM total") == [{"n": 3}]


def test_a_selection_and_a_range_go_back_to_a_time_together(twice: Project) -> None:
    time = next(record["at"] for record in twice.journal if record["kind"] == "run_ended")
    told = twice.must("rollback", "days+", "--to", time, "--partitions", f"{FIRST}..{SECOND}", "--json").value
    assert [(move["asset"], move["partition"]) for move in told["moved"]] == [
        ("days", FIRST),
        ("days", SECOND),
        ("total", None),
    ]
    assert numbers(twice) == {FIRST: 1, SECOND: 1, "2024-01-03": 2}
    assert twice.query("FROM total") == [{"n": 3}]
    assert len(twice.records("rolled_back")) == 1


def test_a_dry_run_and_a_cell_that_is_there_already_write_nothing(twice: Project) -> None:
    old, new = versions(twice, "days", FIRST)
    before = twice.tail
    tried = twice.must("rollback", "days", "--to", str(first_publication(twice)), "--dry-run", "--json").value
    assert (len(tried["moved"]), tried["record"]) == (3, None)
    there = twice.must("rollback", f"days@{FIRST}", "--to", new, "--json").value
    assert (there["moved"], there["unchanged"], there["record"]) == ([], 1, None)
    assert twice.tail == before
    twice.must("rollback", f"days@{FIRST}", "--to", old)
    assert twice.must("rollback", f"days@{FIRST}", "--to", old).err == "0 cells went back, 1 were there already\n"


def test_a_rollback_can_be_rolled_back(twice: Project) -> None:
    before = twice.tail
    twice.must("rollback", "days", "--to", str(first_publication(twice)))
    assert set(numbers(twice).values()) == {1}
    twice.must("rollback", "days", "--to", str(before))
    assert set(numbers(twice).values()) == {2}
    assert twice.must("plan").err == "nothing to do: 5 cells fresh\n"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("dys", "--to", "1"), "dys"),
        (("days@2024-01-09", "--to", "1"), "days@2024-01-09 is outside of its partitions"),
        (("days@2024-01-01", "--to", "yesterday"), "'yesterday' is neither a time nor a position"),
        (("days@2024-01-01", "--to", "99999"), "there is no record 99999"),
        (("days@2024-01-01", "--to", "0"), "0 is before the first record"),
        (("days@2024-01-01", "--to", "1999-01-01"), "is before the first record"),
        (("days@2024-01-01", "--to", "2999-01-01"), "has not come yet"),
        (("days@2024-01-01", "--to", "2"), "days@2024-01-01 was not published at 2"),
        (("days@2024-01-01", "--to", "abcdef012345"), "never had a version abcdef012345"),
        (("feed", "--to", "12"), "feed is external"),
    ],
)
def test_what_cannot_be_is_refused_as_the_user_s_mistake(twice: Project, arguments: tuple[str, ...], what: str) -> None:
    code, message = refused(twice, *arguments)
    assert code == 2
    assert what in message
    assert "remedy: " in message


def test_an_unknown_version_is_answered_with_the_nearest(twice: Project) -> None:
    old, _ = versions(twice, "days", FIRST)
    wrong = old[:7] + ("0" if old[7] != "0" else "1") + old[8:12]
    _, message = refused(twice, f"days@{FIRST}", "--to", f"a{wrong[1:]}" if wrong.isdigit() else wrong)
    assert f"did you mean '{old[:12]}'" in message
    assert old[:12] in message.partition("remedy")[2]


def test_a_file_that_is_gone_or_altered_is_no_version_to_go_back_to(twice: Project) -> None:
    old, _ = versions(twice, "days", FIRST)
    file = twice.root / f".assets/data/days/{old}.parquet"
    other = twice.root / f".assets/data/days/{versions(twice, 'days', SECOND)[0]}.parquet"
    content = file.read_bytes()
    file.write_bytes(other.read_bytes())
    assert "is damaged" in refused(twice, "days", "--to", str(first_publication(twice)))[1]
    file.unlink()
    assert "is gone" in refused(twice, "days", "--to", str(first_publication(twice)))[1]
    file.write_bytes(content)
    twice.must("rollback", "days", "--to", str(first_publication(twice)))


def test_a_cell_that_a_run_at_work_has_claimed_stays_where_it_is(twice: Project) -> None:
    position = str(first_publication(twice))
    held = twice.root / "held"
    held.touch()
    process = twice.start("materialize", "days", "--force")
    wait_until(lambda: (twice.root / "reached").exists(), process)
    outcome = twice.run("rollback", f"days@{SECOND}", "--to", position)
    assert (outcome.code, twice.records("rolled_back")) == (4, [])
    assert f"is at work on days@{SECOND}" in outcome.err
    twice.must("rollback", "total", "--to", position)
    held.unlink()
    assert ended(process).code == 0
    twice.must("rollback", f"days@{SECOND}", "--to", position)


def test_a_claim_of_a_run_that_died_is_ended_first(twice: Project) -> None:
    position = str(first_publication(twice))
    held = twice.root / "held"
    held.touch()
    process = twice.start("materialize", "days", "--force")
    wait_until(lambda: (twice.root / "reached").exists(), process)
    process.kill()
    ended(process)
    twice.must("rollback", f"days@{SECOND}", "--to", position)
    assert [record["kind"] for record in twice.journal][-2:] == ["run_ended", "rolled_back"]
    assert list((twice.root / ".assets/staging").iterdir()) == []
    assert Path(held).exists()
