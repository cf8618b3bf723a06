"""A plan is shown with its evidence and its costs, written down and agreed to; a selection acts on cells everywhere."""

from __future__ import annotations

import json

import pytest
from command import Project

ASSETS = """
    from pathlib import Path

    import polars as pl
    from assets_core import AllPartitions, DailyPartitions, Partition, Upstream, asset
    from typing import Annotated

    DAYS = DailyPartitions("2024-01-01", "2024-01-13")
    BROKEN = Path(__file__).parents[1] / "broken"

    @asset(partitions=DAYS)
    def days(partition: Partition) -> pl.DataFrame:
        if BROKEN.exists() and partition.key in BROKEN.read_text():
            raise ValueError("broken")
        return pl.DataFrame({"n": [1]})

    @asset(partitions=DAYS)
    def doubled(days: pl.DataFrame) -> pl.DataFrame:
        return days * 2

    @asset()
    def total(doubled: pl.DataFrame) -> pl.DataFrame:
        return doubled.sum()
"""
FAILED = {"days@2024-01-02", "days@2024-01-05"}


@pytest.fixture
def failed(project: Project) -> Project:
    """A project in which two cells failed, and cells were blocked by that."""
    project.define(ASSETS)
    project.write("broken", "2024-01-02 2024-01-05")
    assert project.run("materialize").code == 1
    (project.root / "broken").unlink()
    return project


def test_only_the_cells_that_failed_are_tried_again(failed: Project) -> None:
    before = failed.tail
    assert failed.must("list", "state:failed").rows[0][0] == "days"
    assert failed.must("status", "state:failed").rows == [["days", "2", "0", "0", "0", "2"]]
    failed.must("materialize", "state:failed")
    assert failed.made(behind=before) == FAILED
    assert failed.must("list", "state:failed").rows == []


def test_what_reads_the_cells_that_changed_since_a_record_is_selected(failed: Project) -> None:
    before = failed.tail
    failed.must("backfill", "state:failed", "--partitions", "2024-01-01..2024-01-03")
    assert failed.made(behind=before) == {"days@2024-01-02"}
    assert failed.must("status", f"changed-since:{before}").rows == [["days", "1", "1", "0", "0", "0"]]
    rows = failed.must("plan", f"changed-since:{before}+ and state:missing").rows
    assert [row[:3] for row in rows] == [["doubled", "2", "2024-01-02, 2024-01-05"], ["total", "1", ""]]
    refused = failed.run("plan", "changed-since:99999")
    assert refused.code == 2
    assert "there is no record 99999" in refused.err


def test_cells_are_selected_by_cause_and_by_partition(failed: Project) -> None:
    failed.must("materialize", "days")
    failed.edit("assets.py", "days * 2", "days * 3")
    rows = failed.must("plan", 'cause:code_changed and not partition:"2024-01-01, 2024-01-03..2024-01-09"').rows
    assert [row[:3] for row in rows] == [["doubled", "3", "2024-01-10..2024-01-12"]]
    before = failed.tail
    failed.must("materialize", "cause:code_changed and partition:2024-01-11")
    assert failed.made(behind=before) == {"doubled@2024-01-11"}
    assert "did you mean 'code_changed'" in failed.run("plan", "cause:code_chnged").err


def test_a_plan_says_what_it_will_take_and_the_totals_by_cause(failed: Project) -> None:
    told = failed.must("plan", "--force").err.splitlines()
    assert told[0].startswith("25 cells stale")
    assert told[1] == "by cause: 25 forced, 13 upstream will run, 5 missing"
    assert told[2].startswith("forecast: ")
    assert " of work (" in told[2]
    assert " threads (" in told[2]
    assert told[3].startswith("critical path: ")
    assert told[4] == "no history for 1 cell of total"


def test_the_json_of_a_plan_has_groups_costs_and_every_step(failed: Project) -> None:
    plan = failed.must("plan", "--json").value
    assert plan.keys() == {"stale", "causes", "forecast", "groups", "steps"}
    assert plan["stale"] == len(plan["steps"]) == sum(group["cells"] for group in plan["groups"]) == 5
    assert plan["causes"] == {"missing": 5, "upstream_will_run": 3}
    days, doubled, total = plan["groups"]
    assert days == {
        "asset": "days",
        "cells": 2,
        "ranges": ["2024-01-02", "2024-01-05"],
        "causes": [{"kind": "missing"}],
        "provisional": False,
        "blocked": 0,
        "seconds": pytest.approx(2 * plan["forecast"]["assets"][0]["seconds"]["expected"] / 2, abs=0.001),
    }
    assert doubled["causes"][1]["partitions"] == ["2024-01-02", "2024-01-05"]
    assert total["seconds"] is None
    assert plan["forecast"]["without_history"] == [{"asset": "total", "cells": 1}]
    steps = {(step["asset"], step["partition"]): step["causes"] for step in plan["steps"]}
    assert steps["days", "2024-01-05"] == [{"kind": "missing"}]
    assert steps["doubled", "2024-01-05"][1]["partitions"] == ["2024-01-05"]
    assert failed.must("plan", "doubled and partition:2024-01-01", "--json").value["steps"] == []


def test_explained_evidence_is_whole(failed: Project) -> None:
    failed.must("materialize")
    failed.edit("assets.py", "days * 2", "days * 3")
    failed.edit("assets.py", '"2024-01-13")', '"2024-01-23")')
    failed.write("broken", "2024-01-14 2024-01-16 2024-01-18 2024-01-20")
    failed.run("materialize", "days")
    (failed.root / "broken").unlink()
    lines = failed.must("plan", "days or doubled", "--explain").out.splitlines()
    assert lines[:5] == ["days\t4 cells", *(f"  2024-01-{day}" for day in (14, 16, 18, 20))]
    assert "doubled\t12 cells" in lines
    assert "    code changed: definitions.assets:doubled" in lines
    assert any(line.startswith("      -") and "days * 2" in line for line in lines)
    assert any(line.startswith("      +") and "days * 3" in line for line in lines)


def test_exactly_what_was_agreed_to_is_made(failed: Project) -> None:
    path = str(failed.root / "plan.json")
    failed.must("plan", "state:failed or doubled", "--partitions", "2024-01-02", "--out", path)
    document = json.loads((failed.root / "plan.json").read_text(encoding="utf-8"))
    assert (document["project"], document["position"], document["stale"]) == ("small", failed.tail, 2)
    before = failed.tail
    failed.must("materialize", "--plan", path)
    assert failed.made(behind=before) == {"days@2024-01-02", "doubled@2024-01-02"}
    started = failed.records("run_started", behind=before)[0]
    assert (started["selection"], started["partitions"]) == ("state:failed or doubled", "2024-01-02")


def test_what_is_not_the_plan_any_more_is_not_made(failed: Project) -> None:
    path = str(failed.root / "plan.json")
    failed.must("plan", "days or doubled", "--out", path)
    failed.must("materialize", "days and partition:2024-01-02")
    failed.edit("assets.py", "days * 2", "days * 3")
    before = failed.tail
    refused = failed.run("materialize", "--plan", path)
    assert refused.code == 2
    assert failed.tail == before
    assert refused.err.splitlines()[:6] == [
        f"error: the plan in {path} is not what would run now",
        "    days: 1 cell (2024-01-02) no longer stale",
        "    doubled: its definition changed",
        "    doubled: 10 cells (2024-01-01, 2024-01-03..2024-01-04, 2024-01-06..2024-01-12) newly stale (code_changed)",
        "    doubled: 1 cell (2024-01-02) stale for other causes (missing and upstream_will_run before, missing now)",
        "  remedy: make it again, and have it agreed to: assets plan ... --out FILE",
    ]


def test_a_plan_of_nothing_is_agreed_to_and_makes_nothing(failed: Project) -> None:
    path = str(failed.root / "plan.json")
    failed.must("materialize")
    failed.must("plan", "--out", path)
    assert "nothing to do" in failed.must("materialize", "--plan", path).err


def test_an_empty_selection_is_not_everything(failed: Project) -> None:
    before = failed.tail
    assert "the selection is empty" in failed.run("materialize", "").err
    assert failed.tail == before


@pytest.mark.parametrize("more", [("days",), ("",), ("--force",), ("--partitions", "2024")])
def test_a_plan_and_a_selection_exclude_each_other(failed: Project, more: tuple[str, ...]) -> None:
    path = str(failed.root / "plan.json")
    failed.must("plan", "--out", path)
    refused = failed.run("materialize", "--plan", path, *more)
    assert refused.code == 2
    assert "leave out SELECTION, --partitions and --force" in refused.err
