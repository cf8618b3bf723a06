"""What a run hands to functions and queries beside their inputs, and what it records of their code."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from pathlib import Path

from assets_core.materialize import materialize, plan
from assets_core.project import Project, find_project
from assets_core.published import reading

ASSETS = """
from datetime import date
import polars as pl
from assets_core import Partition, StaticPartitions, asset, sql_asset

@asset(partitions=StaticPartitions(["a", "b"]))
def rows(
    partition: Partition, first: date = date(2024, 1, 1), names: tuple[str, ...] = ("x",), held: list[int] = []
) -> pl.DataFrame:
    held.append(len(held))
    assert type(names) is tuple
    return pl.DataFrame({"first": [first] * len(names), "name": list(names), "held": [held[-1]] * len(names)})

best = sql_asset(
    "best",
    "SELECT name, $least AS least, $since AS since FROM rows WHERE first >= $since AND list_contains($kept, name)",
    parameters={"least": 1, "since": __import__("datetime").date(2024, 1, 1), "kept": ["x", "y"]},
)
"""


def define(folder: Path, settings: str = "") -> Project:
    (folder / "definitions").mkdir(exist_ok=True)
    (folder / "assets.toml").write_text(f'[project]\nname = "x"\n{settings}', encoding="utf-8")
    (folder / "definitions/assets.py").write_text(ASSETS, encoding="utf-8")
    return find_project(folder.resolve())


def kinds(project: Project) -> Counter[str]:
    lines = [line for file in (project.state / "journal").glob("*.jsonl") for line in file.read_text().splitlines()]
    return Counter(json.loads(line[65:])["kind"] for line in lines)


def rows(project: Project, sql: str) -> list[tuple[object, ...]]:
    with reading(project) as published, published.connect() as connection:
        return published.ask(connection, sql)[1]


def test_what_a_function_does_to_a_value_is_not_seen_by_its_next_call(tmp_path: Path) -> None:
    project = define(tmp_path, "[parameters.rows]\nheld = [5]\n")
    assert materialize(project, "rows").failures == []
    assert rows(project, "SELECT DISTINCT held FROM rows") == [(1,)]


def test_values_of_the_settings_reach_functions_and_queries_and_make_them_stale(tmp_path: Path) -> None:
    project = define(tmp_path)
    assert materialize(project).failures == []
    assert kinds(project)["code"] == 2
    assert plan(define(tmp_path)).stale == 0
    values = '[parameters.rows]\nfirst = 2024-02-01\nnames = ["y", "z"]\n'
    project = define(tmp_path, f"{values}[parameters.best]\nsince = 2024-02-01\n")
    result = materialize(project)
    assert (result.made, result.failures) == (3, [])
    assert kinds(project)["code"] == 4
    assert rows(project, "FROM best ORDER BY name") == [("y", 1, date(2024, 2, 1)), ("y", 1, date(2024, 2, 1))]
    assert rows(project, "SELECT DISTINCT first, name FROM rows ORDER BY name") == [
        (date(2024, 2, 1), "y"),
        (date(2024, 2, 1), "z"),
    ]


def test_code_is_recorded_by_the_first_run_alone(tmp_path: Path) -> None:
    project = define(tmp_path)
    materialize(project)
    materialize(define(tmp_path), force=True)
    materialize(define(tmp_path), "best", force=True)
    assert kinds(project)["code"] == 2
