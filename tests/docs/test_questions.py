"""Can the twenty questions of the documentation be asked, and are the answers true where it is easy to tell?"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from test_documentation import ROOT, blocks

from assets_core import add_partitions, remove_partitions
from assets_core.materialize import materialize
from assets_core.project import find_project
from catalog.session import Catalog

DEFINITIONS = """
import polars as pl
from assets_core import DailyPartitions, DynamicPartitions, Partition, asset, check, sql_asset

DAYS = DailyPartitions("2024-01-01", "2024-01-04")

@asset(partitions=DAYS)
def first(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({"day": [partition.key], "n": [NUMBER]})

@asset(partitions=DAYS)
def second(first: pl.DataFrame) -> pl.DataFrame:
    if first["day"][0] == "2024-01-03":
        raise ValueError("not today")
    return first.with_columns(twice=pl.col("n") * 2)

@check(second, severity="warn")
def is_small(second: pl.DataFrame) -> bool:
    return second["twice"].max() < 3

sql_asset("total", "SELECT sum(n) AS n FROM first")

@asset(partitions=DynamicPartitions("shops"))
def sold(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({"shop": [partition.key]})
"""

VERSION = "SELECT version FROM cell WHERE asset = ? AND partition = '2024-01-01'"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """Return the answers to the questions, on a project of two runs."""
    root = tmp_path_factory.mktemp("questions")
    (root / "assets.toml").write_text('[project]\nname = "small"\n')
    (root / "definitions").mkdir()
    for number in (1, 2):
        (root / "definitions" / "assets.py").write_text(DEFINITIONS.replace("NUMBER", str(number)))
        materialize(find_project(root))
    add_partitions(find_project(root), "shops", ["berlin", "rome"])
    remove_partitions(find_project(root), "shops", ["berlin"])
    answers = []
    with Catalog(root / ".assets").read() as connection:
        ((version,),) = connection.sql(VERSION, params=["first"]).fetchall()
        ((second,),) = connection.sql(VERSION, params=["second"]).fetchall()
        known = {"asset": "second", "partition": "2024-01-01", "upstream": "first", "version": version}
        for number, sql in enumerate(blocks(ROOT / "docs/questions.md", "sql"), 1):
            known["version"] = second if number == 10 else version
            known["asset"] = "total" if number == 16 else "second"
            params = {name: known[name] for name in set(re.findall(r"\$(\w+)", sql))}
            relation = connection.sql(sql, params=params)
            answers.append([dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()])
    return answers


def test_there_are_twenty_one_questions_and_each_has_an_answer(asked: list[list[dict[str, Any]]]) -> None:
    assert len(asked) == 21
    nothing = [number for number, rows in enumerate(asked, 1) if not rows]
    assert nothing == [19], json.dumps(asked, default=str)[:2000]  # nothing was removed, rolled back or lost


def test_the_answers_are_true(asked: list[list[dict[str, Any]]]) -> None:
    def answer(number: int) -> list[dict[str, Any]]:
        return asked[number - 1]

    assert len(answer(1)) == len(answer(6)) == len(answer(7)) == 6
    assert [row["distance"] for row in answer(4)] == [1]
    assert [(row["upstream"], row["upstream_partition"]) for row in answer(3)] == [("first", "2024-01-01")]
    assert [row["upstream_version"] for row in answer(3)] == [row["upstream_version"] for row in answer(4)]
    assert {row["asset"] for row in answer(5)} == {"second", "total"}
    assert len(answer(8)) == 2
    assert {(row["check_name"], row["partition"]) for row in answer(9)} == {
        ("is_small", "2024-01-01"),
        ("is_small", "2024-01-02"),
    }
    assert [row["check_name"] for row in answer(10)] == ["is_small"]
    assert [(row["asset"], row["partition"], row["error"]) for row in answer(11)] == [
        ("second", "2024-01-03", "ValueError")
    ]
    assert [row["state"] for row in answer(13)] == ["failed", "failed"]
    assert answer(16) == [{"column_name": "n", "upstream": "first", "upstream_column": "n", "how": "transformed"}]
    assert {row["asset"] for row in answer(18)} == {"first", "second", "sold", "total"}
    assert {row["asset"]: row["files"] for row in answer(20)} == {"first": 3, "second": 2, "total": 1}
    assert [(row["key"], row["removed_at"] is None) for row in answer(21)] == [("berlin", False), ("rome", True)]
