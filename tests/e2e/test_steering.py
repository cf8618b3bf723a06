"""Can a run be paused, resumed, cancelled, changed and gone on with from another process, and is that on record?"""

from __future__ import annotations

import signal
import subprocess

import pytest
from command import Project, ended, kill, run_here, wait_until

from assets_core.execution.limits import Pools, give_back

SLOW = """
    import time
    from pathlib import Path

    import polars as pl
    from assets_core import DailyPartitions, Partition, asset

    DAYS = DailyPartitions("2024-01-01", "2024-01-31")
    ROOT = Path("{root}")

    @asset(partitions=DAYS, pool="days")
    def day(partition: Partition) -> pl.DataFrame:
        (ROOT / "begun" / partition.key).touch()
        while not (ROOT / "go").exists():
            time.sleep(0.005)
        if partition.key in (ROOT / "bad").read_text().split():
            raise ValueError("bad day")
        return pl.DataFrame({{"n": [1]}})

    @asset(partitions=DAYS)
    def reader(day: pl.DataFrame) -> pl.DataFrame:
        return day
"""
SLOTS = 30
POOLS = f"[pools]\ndays = {SLOTS}\n"
BACKFILL = ("backfill", "*", "--partitions", "2024-01-01..2024-01-30")


@pytest.fixture
def slow(project: Project) -> Project:
    project.write(
        "assets.toml", f'[project]\nname = "slow"\n[run]\nthreads = 2\nprocesses = 2\nlease_seconds = 2\n{POOLS}'
    )
    project.define(SLOW.format(root=project.root))
    (project.root / "begun").mkdir()
    (project.root / "bad").write_text("")
    return project


def begun(project: Project) -> set[str]:
    return {path.name for path in (project.root / "begun").iterdir()}


def started(project: Project, *arguments: str) -> subprocess.Popen[str]:
    run = project.start(*(arguments or BACKFILL))
    wait_until(lambda: len(begun(project)) == 2, run)
    return run


def steered(project: Project) -> list[tuple[str, int | None, str | None]]:
    return [(one["action"], one["value"], one["reason"]) for one in project.records("steered")]


def state(project: Project) -> str:
    found: str = project.must("runs", "--kind", "backfill", "--json").value[0]["state"]
    return found


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_paused_run_begins_nothing_until_it_is_resumed(slow: Project, executor: str) -> None:
    run = started(slow, *BACKFILL, "--executor", executor)
    slow.must("runs", "pause", "latest", "--reason", "lunch")
    assert state(slow) == "paused"
    pools = Pools(slow.root / ".assets" / "pools", {"days": SLOTS})

    def are_free(slots: int) -> bool:
        taken = pools.take("days", slots)
        give_back(taken or ())
        return taken is not None

    wait_until(lambda: are_free(SLOTS - 2), run)  # what had not begun was taken back, and gave back its slots
    (slow.root / "go").touch()
    wait_until(lambda: are_free(SLOTS), run)
    assert len(begun(slow)) == 2
    slow.must("runs", "resume", "latest")
    assert ended(run).code == 0
    assert len(begun(slow)) == 30
    assert len(slow.made()) == 60
    assert steered(slow) == [("pause", None, "lunch"), ("resume", None, None)]


def test_a_run_that_is_stopping_can_still_be_cancelled(slow: Project) -> None:
    run = started(slow, *BACKFILL, "--executor", "processes")
    run.send_signal(signal.SIGINT)
    slow.must("runs", "cancel", "latest")
    assert ended(run).code == 130  # though the steps that run would not end by themselves
    assert state(slow) == "cancelled"
    assert slow.made() == set()


def test_a_cancelled_run_ends_and_what_it_made_stays(slow: Project) -> None:
    run = started(slow)
    slow.must("runs", "cancel", "latest")
    wait_until(lambda: bool(slow.records("steered")), run)
    (slow.root / "go").touch()
    outcome = ended(run)
    assert outcome.code in (0, 130)
    assert state(slow) in ("cancelled", "done")
    made = len(slow.made())
    slow.must("materialize")
    assert len(slow.made()) == 60
    assert made <= 60


def test_concurrency_is_changed_while_a_run_goes_on(slow: Project) -> None:
    run = started(slow)
    slow.must("runs", "concurrency", "latest", "6")
    wait_until(lambda: len(begun(slow)) == 6, run)
    (slow.root / "go").touch()
    assert ended(run).code == 0
    assert steered(slow) == [("concurrency", 6, None)]


def test_a_killed_backfill_is_resumed_by_its_name_and_makes_what_is_left(slow: Project) -> None:
    (slow.root / "go").touch()
    run = slow.start(*BACKFILL, "--force")
    wait_until(lambda: len(slow.records("materialized")) >= 5, run)
    kill(run)
    first = slow.records("run_started")[0]["run"]
    resumed = slow.must("runs", "resume", first[:8])
    assert "60 cells" not in resumed.err
    assert len(slow.made()) == 60
    assert [one["continues"] for one in slow.records("run_started")] == [None, first]
    rows = slow.must("runs", "--json").value
    assert [(row["kind"], row["state"], row["continues"]) for row in rows] == [
        ("backfill", "done", first),
        ("backfill", "interrupted", None),
    ]


def test_retry_makes_only_what_failed_and_what_that_blocked(slow: Project) -> None:
    (slow.root / "go").touch()
    (slow.root / "bad").write_text("2024-01-03 2024-01-04")
    assert slow.run("materialize", "day", "--partitions", "2024-01-01..2024-01-10").code == 1
    before = slow.tail
    (slow.root / "bad").write_text("")
    slow.must("runs", "retry", "latest")
    assert slow.made(behind=before) == {"day@2024-01-03", "day@2024-01-04"}


def test_a_blocked_reader_is_retried_with_the_cell_that_blocked_it(slow: Project) -> None:
    (slow.root / "go").touch()
    (slow.root / "bad").write_text("2024-01-03")
    assert slow.run(*BACKFILL).code == 1
    before = slow.tail
    (slow.root / "bad").write_text("")
    slow.must("runs", "retry", "latest", "--executor", "processes", "--fail-fast")
    assert slow.made(behind=before) == {"day@2024-01-03", "reader@2024-01-03"}


def test_what_cannot_be_steered_is_the_users_mistake(slow: Project) -> None:
    assert slow.run("runs", "pause", "latest").code == 2
    (slow.root / "go").touch()
    slow.must(*BACKFILL)
    for action in (("pause",), ("cancel",), ("concurrency", "3")):
        outcome = slow.run("runs", action[0], "latest", *action[1:])
        assert outcome.code == 2
        assert "is done" in outcome.err
    assert "there is no run 'nosuch'" in slow.run("runs", "pause", "nosuch").err
    assert slow.records("steered") == []


def test_a_run_that_goes_on_is_not_gone_on_with(slow: Project) -> None:
    run = started(slow)
    outcome = slow.run("runs", "retry", "latest")
    assert outcome.code == 2
    assert "goes on" in outcome.err
    (slow.root / "go").touch()
    assert ended(run).code == 0


def test_what_was_chosen_by_its_state_is_retried_though_its_state_is_another(slow: Project) -> None:
    (slow.root / "go").touch()
    (slow.root / "bad").write_text("2024-01-03")
    selection = "day and not state:failed"
    assert slow.run("backfill", selection, "--partitions", "2024-01-01..2024-01-05").code == 1
    before = slow.tail
    (slow.root / "bad").write_text("")
    slow.must("runs", "retry", "latest")
    assert slow.made(behind=before) == {"day@2024-01-03"}


@pytest.mark.parametrize("command", ["retry", "resume"])
@pytest.mark.parametrize("force", [(), ("--force",)])
def test_what_an_atomic_run_withheld_is_published_with_what_it_was_withheld_for(
    slow: Project, command: str, force: tuple[str, ...]
) -> None:
    (slow.root / "go").touch()
    (slow.root / "bad").write_text("2024-01-03")
    assert slow.run("materialize", "*", "--partitions", "2024-01-01..2024-01-05", "--atomic", *force).code == 1
    assert slow.published() == {}
    (slow.root / "bad").write_text("")
    slow.must("runs", command, "latest")
    assert len(slow.published()) == 10
    assert len(slow.records("published")) == 1


def test_a_forced_run_is_resumed_again_without_what_was_made_when_it_was_resumed(slow: Project) -> None:
    (slow.root / "go").touch()
    days = ("day", "--partitions", "2024-01-01..2024-01-05")
    slow.must("materialize", *days)
    (slow.root / "bad").write_text("2024-01-03 2024-01-04")
    assert slow.run("materialize", *days, "--force").code == 1
    first = slow.records("run_started")[-1]["run"]
    (slow.root / "bad").write_text("2024-01-03")
    before = slow.tail
    assert slow.run("runs", "resume", first).code == 1
    assert slow.made(behind=before) == {"day@2024-01-04"}
    (slow.root / "bad").write_text("")
    before = slow.tail
    slow.must("runs", "retry", first)
    assert slow.made(behind=before) == {"day@2024-01-03"}
    assert "nothing to do" in slow.must("runs", "resume", first).err
    assert "nothing to do" in slow.must("runs", "retry", first).err


def test_a_selection_by_what_has_changed_is_gone_on_with(slow: Project) -> None:
    (slow.root / "go").touch()
    slow.must("materialize", "day", "--partitions", "2024-01-01..2024-01-05")
    (slow.root / "bad").write_text("2024-01-03")
    assert slow.run("materialize", "changed-since:5", "--force").code == 1
    (slow.root / "bad").write_text("")
    before = slow.tail
    slow.must("runs", "resume", "latest")
    assert slow.made(behind=before) == {"day@2024-01-03"}


def test_an_option_that_would_not_reach_the_command_is_refused(slow: Project) -> None:
    (slow.root / "go").touch()
    slow.must(*BACKFILL)
    outcome = run_here("runs", "--project", str(slow.root), "resume", "latest")
    assert outcome.code == 2
    assert "write them behind it" in outcome.err
