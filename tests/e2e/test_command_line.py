"""Does every command explain itself, print facts as documented, and meet a slip with the near miss and exit code 2?"""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from command import COMMAND, Project, run_here

COMMANDS = [
    ("list",),
    ("plan",),
    ("materialize",),
    ("backfill",),
    ("status",),
    ("explain",),
    ("runs",),
    ("show",),
    ("query",),
    ("lineage",),
    ("catalog", "verify"),
    ("catalog", "rebuild"),
]
ASSETS = """
    import polars as pl
    from assets_core import DailyPartitions, MonthlyPartitions, Partition, StaticPartitions, asset, sql_asset

    DAYS = DailyPartitions("2024-01-01", "2024-01-11")

    @asset(partitions=DAYS, tags={"domain": "sales"}, owners=["team:shop"], group="raw")
    def days(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"day": [partition.key], "[red]n[/]": [float("nan")]})

    @asset(partitions=StaticPartitions(["eu", "us"]))
    def regions(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"region": [partition.key], "n": [2]})

    @asset(key="marts/final")
    def final(regions: pl.DataFrame) -> pl.DataFrame:
        return regions

    sql_asset("summed", 'SELECT sum(n) AS n FROM "marts/final"')
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with everything made, which these tests only ask."""
    project = Project(tmp_path_factory.mktemp("asked"))
    project.write("assets.toml", '[project]\nname = "asked"\n')
    project.define(ASSETS)
    project.must("materialize")
    return project


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    outcome = run_here(*command, "--help")
    assert outcome.code == 0
    assert f"Example: assets {' '.join(command)}" in outcome.out
    assert "--project DIR" in outcome.out
    assert outcome.err == ""


def test_help_of_the_whole_lists_every_command_with_a_line_each() -> None:
    listed = re.findall(r"^  ([a-z]+) +[A-Z]", run_here("--help").out, re.MULTILINE)
    assert listed == list(dict.fromkeys(command[0] for command in COMMANDS))


def test_the_version_is_printed() -> None:
    assert re.fullmatch(r"assets-core \d+\.\d+\.\d+\n", run_here("--version").out)


@pytest.mark.parametrize(
    ("arguments", "members"),
    [
        (("plan", "--force"), {"stale", "steps"}),
        (("materialize",), {"run", "made", "fresh", "failed", "blocked", "seconds"}),
        (("materialize", "summed", "--force"), {"run", "made", "fresh", "failed", "blocked", "seconds"}),
        (("backfill", "*", "--partitions", "2024"), {"run", "made", "fresh", "failed", "blocked", "seconds"}),
        (("status",), {"asset", "cells", "fresh", "stale", "missing", "failed"}),
        (("show", "days"), {"asset", "partition", "cells", "rows", "bytes", "schema", "first"}),
        (("lineage", "summed"), {"target", "edges"}),
        (("catalog", "verify"), {"problems"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_json_has_exactly_the_documented_members_and_stands_alone_on_stdout(
    made: Project, arguments: tuple[str, ...], members: set[str]
) -> None:
    outcome = made.must(*arguments, "--json")
    assert outcome.out.count("\n") == 1
    rows = outcome.value if isinstance(outcome.value, list) else [outcome.value]
    assert rows
    assert all(row.keys() == members for row in rows)


def test_a_planned_step_in_json_has_exactly_the_documented_members(project: Project) -> None:
    project.define(ASSETS)
    plan = project.must("plan", "--json").value
    assert plan["stale"] == len(plan["steps"]) == 14
    assert all(
        step.keys() == {"asset", "partition", "causes", "provisional", "blocked"} for step in plan["steps"]
    )
    by_cell = {(step["asset"], step["partition"]): step for step in plan["steps"]}
    assert by_cell["days", "2024-01-01"]["causes"] == [{"kind": "missing"}]
    assert by_cell["summed", None] == {
        "asset": "summed",
        "partition": None,
        "causes": [{"kind": "missing"}, {"kind": "upstream_will_run", "upstream": "marts/final", "partitions": []}],
        "provisional": False,
        "blocked": False,
    }


def test_a_plan_for_people_gives_ranges_and_not_a_line_a_cell(project: Project) -> None:
    project.define(ASSETS)
    rows = project.must("plan").rows
    assert rows[0] == ["days", "10", "2024-01-01..2024-01-10", "missing"]
    assert rows[1] == ["regions", "2", "eu..us", "missing"]
    assert len(rows) == 4


def test_json_of_explain_runs_and_list_has_the_documented_members(made: Project) -> None:
    told = made.must("explain", "days@2024-01-01", "--json").value
    documented = {"cell", "asset", "partition", "state", "causes", "inputs", "version", "rows", "made", "checks", "failure"}
    assert documented <= told.keys()
    (run, *_) = made.must("runs", "--json").value
    columns = "run kind selection partitions state cells made fresh failed blocked started seconds by".split()
    assert list(run) == columns
    (asset,) = made.must("list", "regions", "--json").value
    assert asset.keys() >= {"asset", "kind", "file", "line", "code_version", "partitions", "upstreams", "checks", "owners"}
    assert (asset["file"], asset["line"]) == ("definitions/assets.py", 10)


def test_json_of_a_query_has_numbers_for_sums_and_null_for_nan(made: Project) -> None:
    assert made.query("FROM summed") == [{"n": 4}]
    assert made.query("SELECT DISTINCT \"[red]n[/]\" AS n FROM days") == [{"n": None}]
    (row,) = made.query("SELECT DATE '2024-01-01' AS d, 1.50::DECIMAL(9, 2) AS m, NULL AS o, MAP {DATE '2024-01-01': 1} AS x")
    assert row == {"d": "2024-01-01", "m": "1.50", "o": None, "x": {"2024-01-01": 1}}


def test_lineage_events_are_one_json_object_a_line_and_nothing_else(made: Project) -> None:
    for arguments in (("lineage", "events"), ("lineage", "events", "--json")):
        events = [run_here_line for run_here_line in made.must(*arguments).out.splitlines()]
        parsed = [__import__("json").loads(line) for line in events]
        assert {event["eventType"] for event in parsed} == {"START", "COMPLETE"}
        assert all({"eventTime", "run", "job", "producer", "schemaURL"} <= event.keys() for event in parsed)
