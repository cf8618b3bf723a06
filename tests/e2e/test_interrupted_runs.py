"""Does a run that is killed, interrupted or disturbed lose nothing, double nothing, and go on where it stood?

Two chained assets of sixty days. A gate, where a test puts one, holds a day until the test lets it pass.
"""

from __future__ import annotations

import fcntl
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command import Project, ended, kill, wait_until

BACKFILL = ("backfill", "*", "--partitions", "2024-01-01..2024-02-29")
ASSETS = """
    import time
    from pathlib import Path

    import polars as pl
    from assets_core import DailyPartitions, MonthlyPartitions, Partition, asset

    DAYS = DailyPartitions("2024-01-01", "2024-03-01")
    GATE = Path("{root}/gate")

    @asset(partitions=DAYS)
    def first(partition: Partition) -> pl.DataFrame:
        held = GATE / partition.key
        if held.exists():
            held.with_suffix(".reached").touch()
            while held.exists():
                time.sleep(0.005)
        return pl.DataFrame({{"day": [partition.key]}})

    @asset(partitions=DAYS)
    def second(first: pl.DataFrame) -> pl.DataFrame:
        return first.with_columns(twice=pl.col("day") + pl.col("day"))

    @asset(partitions=MonthlyPartitions("2024-01-01", "2024-03-01"))
    def month(second: pl.DataFrame) -> pl.DataFrame:
        return second.select(days=pl.len())
"""
CELLS = 60 + 60 + 2


@pytest.fixture
def days(project: Project) -> Project:
    project.write("assets.toml", '[project]\nname = "days"\n[run]\nthreads = 2\n')
    project.define(ASSETS.format(root=project.root))
    (project.root / "gate").mkdir()
    return project


class Gate:
    """Holds some days of `first`; which have been reached tells how far the run is."""

    def __init__(self, project: Project, *days: str) -> None:
        self._held = [project.root / "gate" / day for day in days]
        for held in self._held:
            held.touch()

    @property
    def reached(self) -> bool:
        return all(held.with_suffix(".reached").exists() for held in self._held)

    def open(self) -> None:
        for held in self._held:
            held.unlink()


def journal_bytes(project: Project) -> int:
    return sum(segment.stat().st_size for segment in (project.root / ".assets" / "journal").glob("*.jsonl"))


def started_until_it_wrote(project: Project, growth_bytes: int) -> subprocess.Popen[str]:
    """Start the backfill and return when the journal has grown by so much."""
    before = journal_bytes(project)
    process = project.start(*BACKFILL)
    wait_until(lambda: journal_bytes(project) >= before + growth_bytes, process)
    return process


def is_appending(project: Project) -> bool:
    """Return whether somebody holds the journal: to pause a process in the middle of that would stop all others."""
    with (project.root / ".assets" / "journal" / "lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def staged(project: Project) -> list[Path]:
    return list((project.root / ".assets" / "staging").iterdir())


def require_finished_once(project: Project) -> None:
    """Every cell was published, no cell twice, and what was written is as it was written."""
    published = project.published()
    assert len(published) == CELLS
    assert set(published.values()) == {1}
    verified = project.run("audit", "verify")
    assert (verified.code, verified.out) == (0, ""), verified
    assert staged(project) == []
    assert project.query("SELECT sum(days) AS days FROM month") == [{"days": 60}]
    assert project.must("materialize").err == f"nothing to do: {CELLS} cells fresh\n"


def test_a_backfill_killed_at_several_moments_finishes_and_publishes_nothing_twice(days: Project) -> None:
    gate = Gate(days, "2024-02-29")  # so that no run is done before it is killed
    for growth_bytes in (1, 20_000, 20_000):
        process = started_until_it_wrote(days, growth_bytes)
        assert kill(process).code == -signal.SIGKILL
        assert days.run("status").code == 0
    gate.open()
    killed = len(days.records("run_started"))
    last = days.process(*BACKFILL)
    assert last.code == 0, last.err
    require_finished_once(days)
    runs = days.must("runs", "--json").value
    assert [run["state"] for run in runs] == ["done"] + ["interrupted"] * killed
    assert sum(run["made"] for run in runs) == CELLS


def test_a_killed_run_keeps_what_it_had_made_and_the_next_does_only_what_is_left(days: Project) -> None:
    gate = Gate(days, "2024-01-11", "2024-01-12")
    process = days.start(*BACKFILL)
    wait_until(lambda: gate.reached and len(days.published()) == 10, process)
    kill(process)
    gate.open()
    before = days.tail
    outcome = days.must(*BACKFILL, "--json").value
    assert (outcome["made"], outcome["fresh"]) == (CELLS - 10, 10)
    assert len(days.made(behind=before)) == CELLS - 10
    require_finished_once(days)


def test_ctrl_c_lets_running_steps_end_keeps_what_was_made_and_the_next_run_resumes(days: Project) -> None:
    gate = Gate(days, "2024-01-11", "2024-01-12")
    process = days.start(*BACKFILL)
    wait_until(lambda: gate.reached and len(days.published()) == 10, process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert process.stderr.readline().endswith(f": {CELLS} cells to see to\n")
    assert process.stderr.readline() == "stopping: running steps end first; once more to stop at once\n"
    gate.open()
    outcome = ended(process)
    assert outcome.code == 130
    assert outcome.out == ""
    kept = days.published()
    assert {"first@2024-01-11", "first@2024-01-12"} < kept.keys()  # they were running
    assert outcome.err.startswith(f"{len(kept)} cells made, 0 fresh, 0 failed, 0 blocked in ")
    assert outcome.err.endswith("interrupted: what was made is published; run the same command again to go on\n")
    assert days.must("runs", "--json").value[0]["state"] == "interrupted"
    assert days.must(*BACKFILL, "--json").value["made"] == CELLS - len(kept) > 0
    require_finished_once(days)


def test_ctrl_c_in_the_middle_of_writing_loses_no_step_that_was_made(days: Project) -> None:
    for growth_bytes in (10_000, 20_000):
        gate = Gate(days, "2024-02-29")  # so that no run is done before it is interrupted
        process = started_until_it_wrote(days, growth_bytes)
        process.send_signal(signal.SIGINT)
        gate.open()
        assert ended(process).code == 130
        assert len(days.made()) == len(days.published())
    days.must(*BACKFILL)
    require_finished_once(days)


def test_a_second_ctrl_c_ends_the_process_at_once_and_nothing_is_lost(days: Project) -> None:
    gate = Gate(days, "2024-01-11", "2024-01-12")
    process = days.start(*BACKFILL)
    wait_until(lambda: gate.reached and len(days.published()) == 10, process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while not process.stderr.readline().startswith("stopping: "):
        pass
    process.send_signal(signal.SIGINT)
    assert ended(process).code == 130  # although no day was let pass
    gate.open()
    assert days.must(*BACKFILL, "--json").value["made"] == CELLS - 10
    require_finished_once(days)


def test_every_question_is_answered_while_a_backfill_runs(days: Project) -> None:
    gate = Gate(days, "2024-01-11", "2024-01-12")
    process = days.start(*BACKFILL)
    wait_until(lambda: gate.reached and len(days.published()) == 10, process)
    first = {"asset": "first", "cells": 60, "fresh": 10, "stale": 0, "missing": 50, "failed": 0}
    assert days.must("status", "first", "--json").value == [first]
    (run,) = days.must("runs", "--json").value
    assert (run["state"], run["made"]) == ("running", 10)
    for question in (
        ("plan", "--json"),
        ("list",),
        ("explain", "first@2024-01-11"),
        ("show", "first"),
        ("query", "SELECT count(*) FROM first"),
        ("lineage", "second"),
        ("lineage", "events"),
        ("audit", "verify"),
    ):
        started = time.monotonic()
        outcome = days.run(*question)
        assert outcome.code == 0, (question, outcome.err)
        assert time.monotonic() - started < 2, question
    gate.open()
    assert ended(process).code == 0
    require_finished_once(days)


def test_status_never_fails_nor_waits_while_a_backfill_writes(days: Project) -> None:
    days.must("status")  # imports what it needs
    process = days.start(*BACKFILL)
    seen = [0]
    while process.poll() is None:
        started = time.monotonic()
        outcome = days.run("status", "--json")
        assert outcome.code == 0, outcome.err
        assert time.monotonic() - started < 2
        seen.append(sum(row["fresh"] for row in outcome.value))
    assert ended(process).code == 0
    assert seen == sorted(seen)
    assert sum(row["fresh"] for row in days.must("status", "--json").value) == CELLS


def test_two_runs_at_the_same_time_share_the_work_and_make_no_cell_twice(days: Project) -> None:
    gate = Gate(days, "2024-01-01")
    first = days.start(*BACKFILL)
    wait_until(lambda: gate.reached, first)
    second = days.start("materialize", "--json")
    wait_until(lambda: len(days.records("run_started")) == 2, second)
    gate.open()
    outcomes = [ended(process) for process in (first, second)]
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
    assert sum(run["made"] for run in days.must("runs", "--json").value) == CELLS
    require_finished_once(days)


def test_a_run_waits_for_a_cell_that_another_holds_and_finds_it_fresh(days: Project) -> None:
    gate = Gate(days, "2024-02-29")
    first = days.start("materialize", "first", "--partitions", "2024-02-29")
    wait_until(lambda: gate.reached, first)
    second = days.start(*BACKFILL, "--json")
    wait_until(lambda: len(days.published()) == CELLS - 3, second)
    assert second.poll() is None
    gate.open()
    assert ended(first).code == 0
    outcome = ended(second)
    assert (outcome.code, outcome.value["made"], outcome.value["fresh"]) == (0, CELLS - 1, 1), outcome
    require_finished_once(days)


def test_a_run_paused_past_its_lease_is_taken_over_and_refused_when_it_wakes(days: Project) -> None:
    days.write("assets.toml", '[project]\nname = "days"\n[run]\nthreads = 2\nlease_seconds = 1\n')
    gate = Gate(days, "2024-01-11", "2024-01-12")
    paused = days.start(*BACKFILL)
    wait_until(lambda: gate.reached and len(days.published()) == 10 and not is_appending(days), paused)
    paused.send_signal(signal.SIGSTOP)
    gate.open()
    outcome = days.must(*BACKFILL, "--json").value
    assert (outcome["made"], outcome["fresh"]) == (CELLS - 10, 10)
    require_finished_once(days)
    paused.send_signal(signal.SIGCONT)
    woken = ended(paused)
    assert (woken.code, woken.out) == (4, "")
    assert "was taken for dead: another process has ended it" in woken.err
    assert "Traceback" not in woken.err
    require_finished_once(days)
    assert [run["state"] for run in days.must("runs", "--json").value] == ["done", "interrupted"]


def test_an_atomic_run_publishes_all_of_its_cells_together(days: Project) -> None:
    gate = Gate(days, "2024-02-29")
    process = days.start(*BACKFILL, "--atomic")
    wait_until(lambda: gate.reached and len(days.records("materialized")) == CELLS - 3, process)
    assert days.published() == {}
    gate.open()
    assert ended(process).code == 0
    (record,) = days.records("published")
    assert len(record["cells"]) == CELLS
    require_finished_once(days)


def test_of_two_atomic_runs_that_would_wait_for_each_other_the_younger_gives_up(days: Project) -> None:
    gate = Gate(days, "2024-01-01", "2024-01-02")  # so that it cannot go on to claim the other half
    older = days.start(*BACKFILL, "--atomic")
    wait_until(lambda: gate.reached, older)
    younger = days.process(*BACKFILL, "--atomic")
    assert younger.code == 4
    assert "publishes them only at its end, as this one does" in younger.err
    assert days.published() == {}
    gate.open()
    assert ended(older).code == 0
    require_finished_once(days)
    assert [run["state"] for run in days.must("runs", "--json").value] == ["interrupted", "done"]


def test_an_atomic_run_of_which_a_cell_fails_publishes_none(days: Project) -> None:
    days.must("materialize", "first", "--partitions", "2024-01-01")
    days.define(
        ASSETS.format(root=days.root).replace(
            '"day": [partition.key]', '"day": ["x" * (1 // (partition.key != "2024-02-10"))]'
        )
    )
    outcome = days.run(*BACKFILL, "--atomic", "--json")
    assert outcome.code == 1
    assert (outcome.value["made"], outcome.value["failed"]) == (0, 1)
    assert outcome.value["withheld"] > 50
    assert "nothing was published" in outcome.err
    assert days.published() == {"first@2024-01-01": 1}


def test_a_request_to_terminate_is_heeded_like_ctrl_c(days: Project) -> None:
    gate = Gate(days, "2024-01-11", "2024-01-12")
    process = days.start(*BACKFILL)
    wait_until(lambda: gate.reached and len(days.published()) == 10, process)
    process.send_signal(signal.SIGTERM)
    gate.open()
    assert ended(process).code == 130
    assert days.must("runs", "--json").value[0]["state"] == "interrupted"
    days.must(*BACKFILL)
    require_finished_once(days)
