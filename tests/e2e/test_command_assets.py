"""Commands as assets, through the real command line: planned, run, explained and ended like any other."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from command import Project, ended

PYTHON = sys.executable
ASSETS = f"""
import polars as pl
from assets_core import Partition, StaticPartitions, asset, check, command_asset

KEYS = StaticPartitions(["a b", "-c"])

@asset(partitions=KEYS)
def orders(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({{"key": [partition.key] * 2, "n": [1, 2]}})

model = command_asset("model", [{PYTHON!r}, "scripts/model.py", "{{partition}}"], upstreams=[orders], partitions=KEYS,
    output="parquet", environment=["PATH", "DB_URL"])
command_asset("sums", [{PYTHON!r}, "-c", "import polars as pl, sys; from assets_core import report as r;"
    "pl.scan_parquet(r.input('model')).select(pl.col('n').sum()).collect().write_csv(r.output())"],
    upstreams=[model], output="csv")
command_asset("files", ["ls", "{{inputs.model}}"], upstreams=[model])
other = command_asset("other", ["sh", "-c", '. "$0"; assets_version "v1"', "scripts/report.sh"])

@asset()
def reader(other: str) -> pl.DataFrame:
    return pl.DataFrame({{"told": [other]}})

@check("model")
def positive(model: pl.DataFrame) -> bool:
    return bool((model["n"] > 0).all())
"""
SCRIPT = """
import sys
import polars as pl
from near import FACTOR
from assets_core import report

frame = pl.read_parquet(report.input("orders")).with_columns(pl.col("n") * FACTOR)
assert frame["key"][0] == sys.argv[1] == report.partition()
report.metadata(rows=frame.height)
report.log("it works")
frame.write_parquet(report.output())
"""


@pytest.fixture
def commands(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("DB_URL", "postgresql://canary@host")
    project.write("scripts/model.py", SCRIPT)
    project.write("scripts/near.py", "FACTOR = 2\n")
    project.write(
        "scripts/report.sh", (Path(__file__).parents[2] / "docs/reporters/report.sh").read_text(encoding="utf-8")
    )
    project.define(ASSETS)
    return project


def stale(project: Project) -> dict[str, set[str]]:
    """Return the causes by which assets are stale."""
    found: dict[str, set[str]] = {}
    for row in project.must("plan", "--json").value["steps"]:
        found.setdefault(row["asset"], set()).update(cause["kind"] for cause in row["causes"])
    return found


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_commands_run_on_every_executor_and_are_fresh_afterwards(commands: Project, executor: str) -> None:
    outcome = commands.must("materialize", "--executor", executor)
    assert "0 failed" in outcome.err
    assert commands.made() == {"orders@a b", "orders@-c", "model@a b", "model@-c", "sums", "files", "other", "reader"}
    assert commands.query("SELECT n FROM sums") == [{"n": 12}]
    assert commands.query("SELECT told FROM reader") == [{"told": "v1"}]
    made = {(row["asset"], row["partition"]): row for row in commands.records("materialized")}
    assert made["model", "a b"]["metadata"] == {"rows": 2}
    assert stale(commands) == {}
    lines = [row["text"] for row in map(json.loads, commands.must("logs", "--json").out.splitlines())]
    assert {"it works", "-c.parquet", "a%20b.parquet"} <= set(lines)
    assert list((commands.root / ".assets/staging").rglob("*")) == []


def test_an_edited_script_makes_exactly_its_asset_stale_and_explain_shows_the_part(commands: Project) -> None:
    commands.must("materialize")
    commands.write("scripts/near.py", "FACTOR  =  2  # as before\n")
    assert stale(commands) == {}
    commands.write("scripts/near.py", "FACTOR = 3\n")
    assert stale(commands)["model"] == {"code_changed"}
    assert stale(commands).keys() == {"model", "sums", "files"}
    assert stale(commands)["sums"] == {"upstream_will_run"}
    text = commands.must("explain", "model@a b").out
    assert "code changed: scripts/near.py" in text
    assert "+FACTOR = 3" in text
    commands.must("materialize")
    assert commands.query("SELECT n FROM sums") == [{"n": 18}]


def test_commands_are_listed_selected_and_drawn_as_such(commands: Project) -> None:
    kinds = {row["asset"]: row["kind"] for row in commands.must("list", "--json").value}
    assert kinds["model"] == "command"
    assert [row[0] for row in commands.must("list", "kind:command").rows] == ["other", "model", "files", "sums"]
    assert ["upstream", "orders", "model", "reads"] in commands.must("lineage", "model").rows
    assert commands.must("explain", "model@a b", "--json").value["kind"] == "command"


def test_a_failed_command_blocks_and_says_why_without_secrets(commands: Project) -> None:
    commands.write("scripts/model.py", "import os, sys; sys.exit('cannot reach ' + os.environ['DB_URL'])\n")
    outcome = commands.run("materialize")
    assert outcome.code == 1
    assert "ended with exit status 1" in outcome.err
    assert "cannot reach ***" in outcome.err
    (failure, *_) = commands.records("failed")
    assert failure["error"] == "CommandFailed"
    for file in commands.root.rglob("*"):
        if file.is_file():
            assert b"canary" not in file.read_bytes(), file
    assert "canary" not in outcome.err + outcome.out


def test_a_check_refuses_what_a_command_made(commands: Project) -> None:
    commands.write("scripts/near.py", "FACTOR = -1\n")
    assert commands.run("materialize", "model").code == 1
    assert not {cell for cell in commands.published() if cell.startswith("model")}


READS = f"""
from assets_core import ByDimension, DailyPartitions, ProductPartitions, StaticPartitions, TimeWindow, Upstream
from assets_core import command_asset, external

DAYS = DailyPartitions("2026-01-01", "2026-01-04")
external("prices", path="landing/{{partition}}.csv", partitions=DAYS)
command_asset("count", [{PYTHON!r}, "count.py", "{{inputs.count}}", "{{input.prices}}"], partitions=DAYS,
    output="ndjson",
    upstreams={{"count": Upstream("count", mapping=TimeWindow(last=1, offset=-1)), "prices": Upstream("prices")}})
command_asset("each", ["sh", "-c", 'printf "day,key\\n$1,$2\\n" > "$3"', "x", "{{day}}", "{{dimension.key}}",
    "{{output}}"], partitions=ProductPartitions(day=DAYS, key=StaticPartitions(["a b", "c"])), output="csv")
"""
COUNT = """
import os, sys
import polars as pl

before = [pl.read_parquet(os.path.join(sys.argv[1], name))["total"][0] for name in os.listdir(sys.argv[1])]
total = sum(before) + pl.read_parquet(sys.argv[2])["price"].sum()
pl.DataFrame({"total": [total]}).write_ndjson(os.environ["ASSETS_OUTPUT"])
"""


def test_commands_read_sources_their_own_past_and_dimensions(project: Project) -> None:
    project.write("count.py", COUNT)
    for day, price in (("2026-01-01", 1), ("2026-01-02", 2), ("2026-01-03", 4)):
        project.write(f"landing/{day}.csv", f"price\n{price}\n")
    project.define(READS)
    project.must("materialize")
    assert [row["total"] for row in project.query("SELECT total FROM count ORDER BY 1")] == [1, 3, 7]
    assert project.query("SELECT count(*) AS n, count(DISTINCT key) AS k FROM each") == [{"n": 6, "k": 2}]
    project.write("landing/2026-01-02.csv", "price\n10\n")
    project.must("materialize")
    assert [row["total"] for row in project.query("SELECT total FROM count ORDER BY 1")] == [1, 11, 15]


HANGING = """
from assets_core import command_asset
command_asset("hangs", ["sh", "-c", "exec 9>pipe; echo here >&9; (setsid sleep 1000 &); sleep 1001"]TIMEOUT)
"""


@pytest.mark.parametrize("end", ["timeout", "interrupted twice", "killed"])
def test_a_command_ends_with_its_step_however_that_ends(project: Project, end: str) -> None:
    project.define(HANGING.replace("TIMEOUT", ', timeout="1s"' if end == "timeout" else ""))
    pipe = project.root / "pipe"
    os.mkfifo(pipe)
    process = project.start("materialize")
    with pipe.open("rb", buffering=0) as file:
        assert file.read(5) == b"here\n"
        if end == "killed":
            process.kill()
        elif end == "interrupted twice":
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            while "once more" not in process.stderr.readline():
                pass
            process.send_signal(signal.SIGINT)
        assert file.read() == b"", "everything that had the pipe open is gone"
    outcome = ended(process)
    if end == "timeout":
        assert outcome.code == 1
        assert "TimedOut" in str(project.records("failed"))
