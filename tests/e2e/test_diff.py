"""Does `assets diff` tell exactly what is different between two versions of a cell, whatever the columns hold?"""

from __future__ import annotations

import math
from typing import Any

import pytest
from command import Project

HEADER = """
    import datetime, decimal, math
    import polars as pl
    import pyarrow as pa
    from assets_core import DailyPartitions, Partition, asset

    NAN = math.nan

    @asset()
    def table() -> pa.Table:
        return pa.table({columns})

    @asset(partitions=DailyPartitions("2024-01-01", "2024-01-03"))
    def days(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({{"day": [partition.key]}})
"""


def make(project: Project, *versions: str) -> None:
    """Publish versions of `table`, one after another; each is the text of a dict of columns."""
    for columns in versions:
        project.define(HEADER.format(columns=columns))
        project.must("materialize")


def diff(project: Project, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = project.must("diff", *arguments, "--json").value
    return found


def statistics(side: dict[str, Any], column: str) -> dict[str, Any]:
    return next(
        {name: value for name, value in told.items() if name not in ("name", "type")}
        for told in side["columns"]
        if told["name"] == column
    )


def test_rows_are_counted_as_they_are_without_a_key(project: Project) -> None:
    make(project, '{"k": [1, 2, 2, 3], "v": [1, 1, 1, 1]}', '{"k": [3, 2, 4, 4], "v": [1, 1, 1, 1]}')
    told = diff(project, "table", "previous")
    assert told["rows"] == {"added": 2, "removed": 2, "changed": None}
    assert told["examples"] == {"added": [{"k": 4, "v": 1}], "removed": [{"k": 1, "v": 1}, {"k": 2, "v": 1}]}
    assert (told["before"]["rows"], told["after"]["rows"]) == (4, 4)
    assert told["schema"] == {"added": [], "removed": [], "changed": []}


def test_rows_are_matched_by_their_key(project: Project) -> None:
    make(
        project,
        '{"k": [1, 2, None], "j": ["x", "x", "y"], "v": [1.0, NAN, 3.0], "w": [None, 5, 6]}',
        '{"k": [4, 2, None], "j": ["x", "x", "y"], "v": [1.0, NAN, 3.5], "w": [None, 5, None]}',
    )
    told = diff(project, "table", "previous", "--key", "k, j")
    assert told["rows"] == {"added": 1, "removed": 1, "changed": 1}
    assert told["changed_columns"] == {"v": 1, "w": 1}
    assert told["examples"] == {
        "added": [{"k": 4, "j": "x", "v": 1.0, "w": None}],
        "removed": [{"k": 1, "j": "x", "v": 1.0, "w": None}],
        "changed": [
            {
                "key": {"k": None, "j": "y"},
                "columns": {"v": {"before": 3.0, "after": 3.5}, "w": {"before": 6, "after": None}},
            }
        ],
    }


def test_columns_that_came_went_or_changed_their_type_are_told(project: Project) -> None:
    make(
        project,
        '{"k": [1, 2], "n": pa.array([1, 2], pa.int32()), "old": ["a", "b"]}',
        '{"k": [1, 2], "n": pa.array([1, 3], pa.int64()), "new": [True, None]}',
    )
    told = diff(project, "table", "previous", "--key", "k")
    assert told["schema"] == {
        "added": [{"name": "new", "type": "BOOLEAN"}],
        "removed": [{"name": "old", "type": "VARCHAR"}],
        "changed": [{"name": "n", "before": "INTEGER", "after": "BIGINT"}],
    }
    assert (told["rows"]["changed"], told["changed_columns"]) == (1, {"n": 1})
    assert diff(project, "table", "previous")["rows"] == {"added": 1, "removed": 1, "changed": None}
    printed = project.must("diff", "table", "previous").out.splitlines()
    assert printed[:4] == [
        "+ column new BOOLEAN",
        "- column old VARCHAR",
        "~ column n INTEGER -> BIGINT",
        "rows: 1 added, 1 removed",
    ]


def test_versions_without_a_column_in_common_share_no_row(project: Project) -> None:
    make(project, '{"a": [1, 2]}', '{"b": [1, 2, 3]}')
    assert diff(project, "table", "previous")["rows"] == {"added": 3, "removed": 2, "changed": None}


def test_the_statistics_of_each_column_are_those_of_its_values(project: Project) -> None:
    make(
        project,
        '{"x": [1.0, NAN, None, 4.0, NAN], "n": [1, 1, 2, None, None], "t": ["b", "a", None, "a", "a"]}',
        '{"x": [1.0]}',
    )
    told = diff(project, "table", "previous")
    assert statistics(told["before"], "x") == {"nulls": 1, "distinct": 3, "nan": 2, "min": 1.0, "max": 4.0, "mean": 2.5}
    n = statistics(told["before"], "n")
    assert math.isclose(n.pop("mean"), 4 / 3)
    assert n == {"nulls": 2, "distinct": 2, "nan": None, "min": 1, "max": 2}
    assert statistics(told["before"], "t") == {
        "nulls": 1, "distinct": 2, "nan": None, "min": "a", "max": "b", "mean": None,
    }  # fmt: skip
    assert statistics(told["after"], "x")["mean"] == 1.0


VALUES = {
    "decimal": ('decimal.Decimal("1.50")', 'decimal.Decimal("1.51")'),
    "day": ("datetime.date(2024, 1, 1)", "datetime.date(2024, 1, 2)"),
    "moment": ("datetime.datetime(2024, 1, 1, 8)", "datetime.datetime(2024, 1, 1, 8, 0, 0, 1)"),
    "zoned": (
        "datetime.datetime(2024, 1, 1, 8, tzinfo=datetime.timezone.utc)",
        "datetime.datetime(2024, 1, 1, 9, tzinfo=datetime.timezone.utc)",
    ),
    "clock": ("datetime.time(8, 30)", "datetime.time(8, 31)"),
    "span": ("datetime.timedelta(seconds=1)", "datetime.timedelta(seconds=2)"),
    "bytes": ('b"\\x00\\xff"', 'b"\\x00\\xfe"'),
    "list": ("[1, None]", "[1, 2]"),
    "lists of lists": ("[[1], []]", "[[1]]"),
    "struct": ('{"a": 1, "b": [1]}', '{"a": 1, "b": [2]}'),
    "flag": ("True", "False"),
    "infinite": ("math.inf", "-math.inf"),
    "large": ("2**62", "2**62 + 1"),
    "text": ("'tea\\x00\\n\"'", "'tea'"),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_of_every_type_are_compared_exactly(project: Project, kind: str) -> None:
    before, after = VALUES[kind]
    make(
        project,
        f'{{"k": [1, 2, 3], "it is": [{before}, {before}, None]}}',
        f'{{"k": [1, 2, 3], "it is": [{before}, {after}, None]}}',
    )
    assert diff(project, "table", "previous")["rows"] == {"added": 1, "removed": 1, "changed": None}
    told = diff(project, "table", "previous", "--key", "k")
    assert told["rows"] == {"added": 0, "removed": 0, "changed": 1}
    assert told["changed_columns"] == {"it is": 1}
    assert diff(project, "table", "current")["rows"] == {"added": 0, "removed": 0, "changed": None}
    assert statistics(told["after"], "it is")["nulls"] == 1
    assert statistics(told["after"], "it is")["distinct"] == 2
    assert "~ k=2: it is=" in project.must("diff", "table", "previous", "--key", "k").out


@pytest.mark.parametrize("name", ['a "b"', "select", "é, ü", "a.b", " ", "c0", "n", "there", "side", "$x", "%s", "'"])
def test_a_column_may_have_any_name(project: Project, name: str) -> None:
    make(project, f'{{{name!r}: [1, 2], "other": [1, 1]}}', f'{{{name!r}: [1, 3], "other": [1, 1]}}')
    told = diff(project, "table", "previous")
    assert told["rows"] == {"added": 1, "removed": 1, "changed": None}
    assert told["examples"]["added"] == [{name: 3, "other": 1}]
    if "," not in name and name.strip():
        assert diff(project, "table", "previous", "--key", name)["rows"] == {"added": 1, "removed": 1, "changed": 0}


def test_versions_are_named_by_digits_words_times_and_positions(project: Project) -> None:
    make(project, '{"a": [1]}', '{"a": [2]}', '{"a": [3]}')
    made = [record["version"] for record in project.records("materialized") if record["asset"] == "table"]
    ends = [record for record in project.journal if record["kind"] == "run_ended"]
    for before, after, expected in (
        (made[0][:7], made[1], (0, 1)),
        ("previous", "current", (1, 2)),
        (str(ends[0]["seq"]), ends[1]["at"], (0, 1)),
        ("current", made[0][:12], (2, 0)),
    ):
        told = diff(project, "table", before, after)
        assert (told["before"]["version"], told["after"]["version"]) == tuple(made[place] for place in expected)
    project.must("rollback", "table", "--to", made[0][:8])
    told = diff(project, "table", "previous")
    assert (told["before"]["version"], told["after"]["version"]) == (made[2], made[0])


def test_the_same_rows_in_another_order_are_told_as_such(project: Project) -> None:
    make(project, '{"a": [1, 2]}', '{"a": [2, 1]}')
    assert "the same columns and rows, in another order or form" in project.must("diff", "table", "previous").err
    assert project.must("diff", "table", "current").err.endswith("the same columns and rows\n")


def test_a_cell_without_rows_is_compared_too(project: Project) -> None:
    make(project, '{"a": pa.array([], pa.int64())}', '{"a": [1]}')
    assert diff(project, "table", "previous", "--key", "a")["rows"] == {"added": 1, "removed": 0, "changed": 0}


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("tabel", "previous"), "there is no asset 'tabel' (did you mean 'table'?)"),
        (("days", "previous"), "nothing of days was ever published"),
        (("days@2024-01-04", "previous"), "nothing of days@2024-01-04 was ever published"),
        (("days@2024-01-01", "previous"), "had no other version"),
        (("table", "previous", "--key", "kk"), "'kk' is not a column of both versions of table (did you mean 'k'?)"),
        (("table", "previous", "--key", "v"), "v name no single row: 2 rows of version"),
        (("table", "prevous"), "'prevous' is neither a time nor a position"),
        (("table", "abcdefabcdef"), "table never had a version abcdefabcdef"),
    ],
)
def test_what_cannot_be_compared_is_refused(project: Project, arguments: tuple[str, ...], what: str) -> None:
    make(project, '{"k": [1, 2], "v": [1, 1]}', '{"k": [1, 3], "v": [1, 1]}')
    before = project.tail
    outcome = project.run("diff", *arguments)
    assert outcome.code == 2
    assert what in outcome.err
    assert "Traceback" not in outcome.err
    assert project.tail == before
    assert list((project.root / ".assets").glob("readers/*")) == []
