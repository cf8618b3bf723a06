"""Are failed cells tried again as declared, and do limits and priorities hold, seen through the command?"""

from __future__ import annotations

import pytest
from command import Project, ended, kill, wait_until

HEAD = """
    import os
    import time
    from pathlib import Path

    import polars as pl
    from assets_core import DailyPartitions, Partition, Retries, asset

    DAYS = DailyPartitions("2024-01-01", "2024-01-13")
    ROOT = Path("{root}")

    def note(name: str, text: str) -> int:
        with (ROOT / name).open("a") as file:
            file.write(text + "\\n")
        return len((ROOT / name).read_text().splitlines())
"""


def define(project: Project, text: str, settings: str = "") -> None:
    project.write("assets.toml", f'[project]\nname = "small"\n{settings}')
    project.define(HEAD.format(root=project.root) + text)


def test_a_cell_that_fails_for_a_while_is_made_and_every_attempt_is_on_record(project: Project) -> None:
    define(
        project,
        """
    @asset(retries=Retries(3, on=[OSError]))
    def flaky() -> pl.DataFrame:
        if note("tries", "x") < 3:
            raise ConnectionError("no line")
        return pl.DataFrame({"n": [1]})

    @asset()
    def reader(flaky: pl.DataFrame) -> pl.DataFrame:
        return flaky
    """,
    )
    outcome = project.must("materialize", "--json")
    assert (outcome.value["made"], outcome.value["failed"], outcome.value["retried"]) == (2, 0, 2)
    attempts = project.records("attempt_failed")
    assert [(one["attempt"], one["error"], one["partition"]) for one in attempts] == [
        (1, "ConnectionError", None),
        (2, "ConnectionError", None),
    ]
    assert 0.5 <= attempts[0]["wait_seconds"] <= 1.0 <= attempts[1]["wait_seconds"] <= 2.0
    assert project.records("failed") == []
    rows = project.must("catalog", "query", "SELECT attempt, message FROM failed_attempt ORDER BY attempt").rows
    assert rows == [["1", "ConnectionError: no line"], ["2", "ConnectionError: no line"]]
    assert project.must("materialize").code == 0
    assert len(project.records("run_started")) == 1


def test_what_is_not_worth_it_is_not_tried_again_and_the_last_attempt_is_the_failure(project: Project) -> None:
    define(
        project,
        """
    @asset(retries=Retries(5, on=[OSError]))
    def wrong() -> pl.DataFrame:
        note("wrong", "x")
        raise ValueError("never right")

    @asset(retries=1)
    def hopeless() -> pl.DataFrame:
        note("hopeless", "x")
        raise OSError("down")
    """,
    )
    assert project.run("materialize").code == 1
    assert (project.root / "wrong").read_text().count("x") == 1
    assert (project.root / "hopeless").read_text().count("x") == 2
    assert {one["asset"]: one["attempt"] for one in project.records("failed")} == {"wrong": 1, "hopeless": 2}


def test_of_a_batch_only_the_failed_partitions_are_tried_again(project: Project) -> None:
    define(
        project,
        """
    from collections.abc import Iterator, Sequence

    @asset(partitions=DAYS, batch=True, retries=2)
    def days(partitions: Sequence[Partition]) -> Iterator[tuple[str, object]]:
        call = note("calls", " ".join(partition.key for partition in partitions))
        for partition in partitions:
            is_bad = call == 1 and partition.key in ("2024-01-03", "2024-01-07")
            yield partition.key, OSError("not yet") if is_bad else pl.DataFrame({"n": [1]})
    """,
    )
    project.must("materialize")
    calls = [line.split() for line in (project.root / "calls").read_text().splitlines()]
    assert len(calls[0]) == 12
    assert sorted(day for call in calls[1:] for day in call) == ["2024-01-03", "2024-01-07"]
    assert len(project.made()) == 12


def test_a_check_that_does_not_pass_is_not_tried_again(project: Project) -> None:
    define(
        project,
        """
    from assets_core import check

    @asset(retries=3)
    def made() -> pl.DataFrame:
        note("calls", "x")
        return pl.DataFrame({"n": [1]})

    @check(made)
    def never(made: pl.DataFrame) -> bool:
        return False
    """,
    )
    assert project.run("materialize").code == 1
    assert (project.root / "calls").read_text() == "x\n"


def test_checks_that_end_their_process_are_not_tried_for_ever(project: Project) -> None:
    text = """
    from assets_core import check

    @asset(retries=Retries(1, wait="1s"), executor="processes")
    def made() -> pl.DataFrame:
        return pl.DataFrame({"n": [1]})
    """
    define(project, text)
    project.must("materialize")
    crash = """
    @check(made)
    def crash(made: pl.DataFrame) -> bool:
        os._exit(3)
    """
    define(project, text + crash)
    assert ended(project.start("materialize")).code == 1
    assert [one["attempt"] for one in project.records("attempt_failed") + project.records("failed")] == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "most"),
    [('pool="warehouse"', 2), ('pool="warehouse", weight=2', 1), ("concurrency=3", 3), ("", 4)],
)
def test_no_more_steps_run_at_a_time_than_may(project: Project, arguments: str, most: int) -> None:
    define(
        project,
        f"""
    import threading

    LOCK, NOW = threading.Lock(), []

    @asset(partitions=DAYS, {arguments})
    def day(partition: Partition) -> pl.DataFrame:
        with LOCK:
            NOW.append(partition.key)
            note("most", str(len(NOW)))
        time.sleep(0.03)
        with LOCK:
            NOW.remove(partition.key)
        return pl.DataFrame({{"n": [1]}})
    """,
        "[run]\nthreads = 4\n[pools]\nwarehouse = 2\n",
    )
    project.must("materialize")
    numbers = [int(line) for line in (project.root / "most").read_text().splitlines()]
    assert len(numbers) == 12
    assert max(numbers) == most


def test_two_runs_at_once_share_a_pool(project: Project) -> None:
    define(
        project,
        """
    @asset(partitions=DAYS, pool="one")
    def left(partition: Partition) -> pl.DataFrame:
        note("turns", "in left")
        time.sleep(0.02)
        note("turns", "out left")
        return pl.DataFrame({"n": [1]})

    @asset(partitions=DAYS, pool="one")
    def right(partition: Partition) -> pl.DataFrame:
        note("turns", "in right")
        time.sleep(0.02)
        note("turns", "out right")
        return pl.DataFrame({"n": [1]})
    """,
        "[pools]\none = 1\n",
    )
    runs = [project.start("materialize", name) for name in ("left", "right")]
    assert [ended(run).code for run in runs] == [0, 0]
    turns = (project.root / "turns").read_text().splitlines()
    assert len(turns) == 48
    assert all(turns[k].split()[1] == turns[k + 1].split()[1] for k in range(0, 48, 2))
    assert all(turns[k].startswith("in") and turns[k + 1].startswith("out") for k in range(0, 48, 2))


def test_a_killed_run_leaves_its_slots(project: Project) -> None:
    define(
        project,
        """
    @asset(pool="one")
    def held() -> pl.DataFrame:
        note("begun", "x")
        while not (ROOT / "go").exists():
            time.sleep(0.005)
        return pl.DataFrame({"n": [1]})
    """,
        "[pools]\none = 1\n[run]\nlease_seconds = 1\n",
    )
    run = project.start("materialize")
    wait_until((project.root / "begun").exists, run)
    kill(run)
    (project.root / "go").touch()
    project.must("materialize")
    assert project.made() == {"held"}


def test_of_ready_cells_those_of_the_highest_priority_run_first(project: Project) -> None:
    define(
        project,
        """
    @asset(priority=-5)
    def last() -> pl.DataFrame:
        note("order", "last")
        return pl.DataFrame({"n": [1]})

    @asset()
    def middle() -> pl.DataFrame:
        note("order", "middle")
        return pl.DataFrame({"n": [1]})

    @asset(priority=5)
    def first() -> pl.DataFrame:
        note("order", "first")
        return pl.DataFrame({"n": [1]})
    """,
        "[run]\nthreads = 1\n",
    )
    project.must("materialize")
    assert (project.root / "order").read_text().split() == ["first", "middle", "last"]


def test_a_step_of_the_highest_priority_gets_the_slots_it_needs_before_lighter_ones_get_more(project: Project) -> None:
    define(
        project,
        """
    @asset()
    def first() -> pl.DataFrame:
        while not (ROOT / "order").exists():
            time.sleep(0.005)
        return pl.DataFrame({"n": [1]})

    @asset(pool="one", weight=2, priority=5)
    def heavy(first: pl.DataFrame) -> pl.DataFrame:
        note("order", "heavy")
        return first

    @asset(partitions=DAYS, pool="one")
    def light(partition: Partition) -> pl.DataFrame:
        note("order", "light")
        time.sleep(0.1 * (1 + int(partition.key[-1]) % 2))
        return pl.DataFrame({"n": [1]})
    """,
        "[run]\nthreads = 3\n[pools]\none = 2\n",
    )
    project.must("materialize")
    assert "heavy" in (project.root / "order").read_text().split()[:6]


def test_with_fail_fast_nothing_is_begun_behind_a_failure(project: Project) -> None:
    text = """
    @asset(partitions=DAYS)
    def day(partition: Partition) -> pl.DataFrame:
        note("days", partition.key)
        if partition.key == "2024-01-02":
            raise ValueError("no")
        time.sleep(0.05)
        return pl.DataFrame({"n": [1]})
    """
    define(project, text, "[run]\nthreads = 1\n")
    outcome = project.run("materialize", "--fail-fast", "--json")
    assert outcome.code == 1
    begun = (project.root / "days").read_text().split()
    assert len(begun) < 12
    assert outcome.value["left"] == 12 - len(begun)
    assert project.records("run_ended")[-1]["state"] == "failed"
    (project.root / "days").unlink()
    assert project.run("materialize").code == 1
    assert len((project.root / "days").read_text().split()) == 12 - (len(begun) - 1)
