"""Are both lines of DuckDB served alike: the oldest that is supported, and the one of this environment?

The older one is in a folder of its own, put there by `make setup`; what runs on it are processes that find it first.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from command import Outcome, Project

ROOT = Path(__file__).parents[2]
OLDEST = Path(sys.prefix) / "duckdb-1.5"
DEFINITIONS = """
    import polars as pl
    from assets_core import DailyPartitions, Partition, asset, check, external, sql_asset

    DAYS = DailyPartitions("2024-01-01", "2024-01-04")
    external("numbers", path="numbers.csv")

    @asset(partitions=DAYS)
    def first(partition: Partition, numbers: pl.DataFrame) -> pl.DataFrame:
        return numbers.with_columns(day=pl.lit(partition.key))

    @asset(partitions=DAYS)
    def second(first: pl.DataFrame) -> pl.DataFrame:
        if first["day"][0] == "2024-01-03":
            raise ValueError("not today")
        return first.with_columns(twice=pl.col("n") * 2)

    @check(second, severity="warn")
    def is_small(second: pl.DataFrame) -> bool:
        return second["twice"].max() < 3

    sql_asset("total", "SELECT sum(n)::BIGINT AS n FROM first")
"""
STATES = ("asset", "cell", "check", "column_lineage", "failure", "upstream")
NAMED = "SELECT view_name FROM duckdb_views() WHERE NOT internal UNION ALL SELECT table_name FROM duckdb_tables()"
TIES = 12
"""The number of the question whose last rows are chosen among several of the same record."""
ASKING = """
import json, sys, duckdb
asked = json.load(sys.stdin)
connection = duckdb.connect(asked["file"], read_only=True)
answers = [sorted(map(repr, connection.execute(sql, params).fetchall())) for sql, params in asked["questions"]]
json.dump([duckdb.__version__, answers], sys.stdout)
"""


@pytest.fixture
def small(project: Project) -> Project:
    """A project of two runs; one of its cells fails, another one does not pass its check."""
    assert OLDEST.is_dir(), f"DuckDB 1.5 is not at {OLDEST}: run make setup"
    project.define(DEFINITIONS)
    project.write("numbers.csv", "n\n1\n")
    return project


def environment(*, oldest: bool) -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return others | ({"PYTHONPATH": str(OLDEST)} if oldest else {})


def on(project: Project, *arguments: str, oldest: bool) -> Outcome:
    return project.process(*arguments, env=environment(oldest=oldest))


def make(project: Project, *, oldest: bool) -> None:
    for number in (1, 2):
        project.write("numbers.csv", f"n\n{number}\n")
        outcome = on(project, "materialize", oldest=oldest)
        assert outcome.code == 1, outcome.err  # one cell fails
        assert "not today" in outcome.err, outcome.err


def answers(file: Path, questions: list[tuple[str, dict[str, Any]]], *, oldest: bool) -> list[list[str]]:
    asked = json.dumps({"file": str(file), "questions": questions})
    done = subprocess.run(
        [sys.executable, "-c", ASKING], input=asked, env=environment(oldest=oldest), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    version, found = json.loads(done.stdout)
    assert version.startswith("1.5.") if oldest else version == duckdb.__version__
    answered: list[list[str]] = found
    return answered


def twenty_questions(version: str) -> list[tuple[str, dict[str, Any]]]:
    known = {"asset": "second", "partition": "2024-01-01", "upstream": "first", "version": version}
    text = (ROOT / "docs/questions.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sql\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [(sql, {name: known[name] for name in set(re.findall(r"\$(\w+)", sql))}) for sql in blocks]


def test_an_index_made_with_the_newer_line_answers_everything_in_the_older_one(small: Project) -> None:
    make(small, oldest=False)
    file = small.root / ".assets" / "catalog.duckdb"
    with duckdb.connect(str(file), read_only=True) as connection:
        names = [name for (name,) in connection.sql(NAMED).fetchall()]
        ((version,),) = connection.sql("SELECT version FROM cell WHERE asset = 'first' LIMIT 1").fetchall()
    questions = twenty_questions(version)
    assert len(questions) == 21
    del questions[TIES - 1]
    questions += [(f'FROM "{name}"', {}) for name in names]
    questions += [(f"FROM {state}_as_of({at})", {}) for state in STATES for at in (0, 15, small.tail)]
    questions += [("SELECT position_at('2100-01-01')", {})]
    questions += [("SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal", {})]
    older, newer = (answers(file, questions, oldest=oldest) for oldest in (True, False))
    for (sql, _), old, new in zip(questions, older, newer, strict=True):
        assert old == new, sql
    assert sum(map(len, older)) > 300


READING = (
    ("status", "--json"),
    ("show", "first", "--json"),
    ("query", "SELECT s.*, t.n AS whole FROM second AS s, total AS t ORDER BY ALL", "--json"),
    ("plan", "--json"),
    ("lineage", "total", "--json"),
    ("show", "first", "--as-of", "15", "--json"),
    ("status", "--as-of", "15", "--json"),
    ("catalog", "query", "SELECT asset, partition, version, rows FROM cell_as_of(20) ORDER BY ALL", "--json"),
)


def test_the_product_runs_on_the_older_line_and_the_newer_one_goes_on_with_what_it_made(small: Project) -> None:
    make(small, oldest=True)
    made, read = small.tail, {}
    for arguments in READING:
        outcome = read[arguments] = on(small, *arguments, oldest=True)
        assert (outcome.code, outcome.err) == (0, ""), arguments
    assert [row["stale"] + row["failed"] for row in read[READING[0]].value] == [0, 1, 0]
    for arguments in (("audit", "verify"), ("catalog", "rebuild"), ("audit", "verify"), ("audit", "anchor")):
        outcome = on(small, *arguments, oldest=True)
        assert outcome.code == 0, outcome.err

    newer = small.run("audit", "verify")
    assert newer.code == 0, newer.err
    for arguments in READING:
        outcome = small.run(*arguments)
        assert (outcome.code, outcome.err) == (0, ""), arguments  # nothing had to be made again
        assert outcome.value == read[arguments].value, arguments

    small.write("numbers.csv", "n\n3\n")
    assert small.run("materialize").code == 1
    small.must("rollback", "total", "--to", str(made))
    for arguments in READING[:3]:
        old, new = on(small, *arguments, oldest=True), small.run(*arguments)
        assert (old.code, old.err, old.value) == (0, "", new.value), arguments
    outcome = on(small, "audit", "verify", oldest=True)
    assert outcome.code == 0, outcome.err
