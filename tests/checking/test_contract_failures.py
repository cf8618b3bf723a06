"""Each kind of failure of a contract has its own words: what was declared, what was found, in which rows."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from assets_core.checking.contract import compile_contract
from assets_core.model.checks import FailureCase


class Inner(pa.DataFrameModel):
    x: int = pa.Field(ge=0)


class Outer(pa.DataFrameModel):
    inner: Inner


def positive(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key) > 0)


def ordered(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col("a") < pl.col("b"))


def schema_of(columns: dict[str, Any] | None = None, **options: Any) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(columns or {"a": pa.Column(int)}, **options)


A = pa.Column(int)
FAILURES: dict[str, tuple[pa.DataFrameSchema, dict[str, Any], str, list[FailureCase]]] = {
    "missing column": (
        schema_of({"distance": A}),
        {"distanse": [1]},
        "column 'distance': missing, expected Int64 (did you mean 'distanse'?)",
        [FailureCase("distance", "column_in_dataframe", None, "missing")],
    ),
    "undeclared column": (
        schema_of(strict=True),
        {"a": [1], "z": [1]},
        "column 'z': not declared, and the contract is strict",
        [FailureCase("z", "column_in_schema", None, "not declared")],
    ),
    "order of columns": (
        schema_of({"a": A, "b": A}, ordered=True),
        {"b": [1], "a": [1]},
        "column 'b': out of order, declared are a, b",
        [FailureCase("b", "column_ordered", None, "out of order")],
    ),
    "dtype": (
        schema_of(),
        {"a": ["x"]},
        "column 'a': expected Int64, found String",
        [FailureCase("a", "dtype('Int64')", None, "String")],
    ),
    "dtype of the frame": (
        pa.DataFrameSchema(dtype=int),
        {"a": ["x"]},
        "column 'a': expected Int64, found String",
        [FailureCase("a", "dtype('Int64')", None, "String")],
    ),
    "null": (
        schema_of(),
        {"a": [1, None, 3, None]},
        "column 'a': not nullable, but null in 2 rows: row 1 (null), row 3 (null)",
        [FailureCase("a", "not_nullable", 1, "null"), FailureCase("a", "not_nullable", 3, "null")],
    ),
    "NaN": (
        schema_of({"a": pa.Column(float)}),
        {"a": [1.0, float("nan")]},
        "column 'a': not nullable, but null or NaN in 1 row: row 1 (nan)",
        [FailureCase("a", "not_nullable", 1, "nan")],
    ),
    "unique": (
        schema_of({"a": pa.Column(int, unique=True)}),
        {"a": [1, 2, 1]},
        "column 'a': not unique in 2 rows: row 0 (1), row 2 (1)",
        [FailureCase("a", "field_uniqueness", 0, "1"), FailureCase("a", "field_uniqueness", 2, "1")],
    ),
    "unique together": (
        schema_of({"a": A, "b": A, "c": A}, unique=["a", "b"]),
        {"a": [1, 1, 1], "b": [2, 3, 2], "c": [1, 2, 3]},
        "columns 'a', 'b': not unique together in 2 rows: row 0 ({'a': 1, 'b': 2}), row 2 ({'a': 1, 'b': 2})",
        [
            FailureCase(None, "multiple_fields_uniqueness", 0, "{'a': 1, 'b': 2}"),
            FailureCase(None, "multiple_fields_uniqueness", 2, "{'a': 1, 'b': 2}"),
        ],
    ),
    "built-in check": (
        schema_of({"a": pa.Column(int, pa.Check.ge(0), nullable=True)}),
        {"a": [None, 3, -1, -2, -3, -4]},
        "column 'a': greater_than_or_equal_to(0) failed in 4 rows: row 2 (-1), row 3 (-2), row 4 (-3) and 1 more",
        [FailureCase("a", "greater_than_or_equal_to(0)", row, f"{1 - row}") for row in (2, 3, 4, 5)],
    ),
    "named custom check": (
        schema_of({"a": pa.Column(int, pa.Check(positive, name="positive"))}),
        {"a": [1, -1]},
        "column 'a': positive failed in 1 row: row 1 (-1)",
        [FailureCase("a", "positive", 1, "-1")],
    ),
    "custom check with its own text": (
        schema_of({"a": pa.Column(int, pa.Check(positive, error="must be positive"))}),
        {"a": [-1]},
        "column 'a': must be positive failed in 1 row: row 0 (-1)",
        [FailureCase("a", "must be positive", 0, "-1")],
    ),
    "element-wise check": (
        schema_of({"a": pa.Column(int, pa.Check(lambda value: value > 0, element_wise=True, name="each"))}),
        {"a": [1, -1]},
        "column 'a': each failed in 1 row: row 1 (-1)",
        [FailureCase("a", "each", 1, "-1")],
    ),
    "null that does not count as a pass": (
        schema_of({"a": pa.Column(int, pa.Check.ge(0, ignore_na=False), nullable=True)}),
        {"a": [1, None]},
        "column 'a': greater_than_or_equal_to(0) failed in 1 row: row 1 (null)",
        [FailureCase("a", "greater_than_or_equal_to(0)", 1, "null")],
    ),
    "check of the whole column": (
        schema_of({"a": pa.Column(int, pa.Check(lambda _: False, name="never"))}),
        {"a": [1, 2]},
        "column 'a': never failed",
        [FailureCase("a", "never", None, "False")],
    ),
    "check by an aggregate": (
        schema_of({"a": pa.Column(int, pa.Check(lambda d: d.lazyframe.select(pl.col("a").sum() > 9), name="sum"))}),
        {"a": [1, 2]},
        "column 'a': sum failed",
        [FailureCase("a", "sum", None, "False")],
    ),
    "check that raises": (
        schema_of({"a": pa.Column(int, pa.Check(lambda _: 1 / 0, name="boom"))}),
        {"a": [1]},
        "column 'a': boom could not run: ZeroDivisionError: division by zero",
        [FailureCase("a", "boom", None, "ZeroDivisionError: division by zero")],
    ),
    "frame check": (
        schema_of({"a": A, "b": A}, checks=pa.Check(ordered, name="a before b")),
        {"a": [1, 5], "b": [2, 4]},
        "frame: a before b failed in 1 row: row 1 ({'a': 5, 'b': 4})",
        [FailureCase(None, "a before b", 1, "{'a': 5, 'b': 4}")],
    ),
    "frame check of everything": (
        schema_of(checks=pa.Check(lambda _: False, name="never")),
        {"a": [1]},
        "frame: never failed",
        [FailureCase(None, "never", None, "False")],
    ),
    "frame check that raises": (
        schema_of(checks=pa.Check(lambda _: 1 / 0, name="boom")),
        {"a": [1]},
        "frame: boom could not run: ZeroDivisionError: division by zero",
        [FailureCase(None, "boom", None, "ZeroDivisionError: division by zero")],
    ),
    "pattern of columns": (
        schema_of({"^x_.*$": pa.Column(int, pa.Check.ge(0))}),
        {"x_a": [1], "x_b": [-1]},
        "column 'x_b': greater_than_or_equal_to(0) failed in 1 row: row 0 (-1)",
        [FailureCase("x_b", "greater_than_or_equal_to(0)", 0, "-1")],
    ),
    "pattern without columns": (
        schema_of({"^x_.*$": A}),
        {"a": [1]},
        "frame: no column matches '^x_.*$'",
        [FailureCase(None, "no_regex_column_match('^x_.*$')", None, "no column matches '^x_.*$'")],
    ),
    "pattern that declared columns use up": (
        schema_of({"^x_.*$": A, "x_a": A}),
        {"x_a": [1]},
        "frame: no column matches '^x_.*$'",
        [FailureCase(None, "no_regex_column_match('^x_.*$')", None, "no column matches '^x_.*$'")],
    ),
    "nested schema": (
        Outer.to_schema(),
        {"inner": [{"x": 1}, {"x": -1}]},
        "frame: Could not validate nested column 'inner' against schema Inner in 1 row: row 1 ({'inner': {'x': -1}})",
        [FailureCase(None, "nested schema", 1, "{'inner': {'x': -1}}")],
    ),
    "value that pandera cannot print": (
        schema_of({"a": pa.Column(pl.Duration("us"), unique=True)}),
        {"a": [dt.timedelta(days=1)] * 2},
        "column 'a': not unique in 2 rows: row 0 (1 day, 0:00:00), row 1 (1 day, 0:00:00)",
        [FailureCase("a", "field_uniqueness", row, "1 day, 0:00:00") for row in (0, 1)],
    ),
    "bytes beside a failing key": (
        schema_of(unique=["a"]),
        {"a": [1, 1], "bytes": [b"\xff", b"\xfe"]},
        "columns 'a': not unique together in 2 rows: row 0 ({'a': 1}), row 1 ({'a': 1})",
        [FailureCase(None, "multiple_fields_uniqueness", row, "{'a': 1}") for row in (0, 1)],
    ),
}


@pytest.mark.parametrize("lazy", [False, True], ids=["eager", "lazy"])
@pytest.mark.parametrize("kind", FAILURES)
def test_each_kind_of_failure_says_what_and_where(kind: str, lazy: bool) -> None:
    schema, data, line, failures = FAILURES[kind]
    frame = pl.DataFrame(data)
    result = compile_contract(schema).judge(frame.lazy() if lazy else frame)
    rows = {failure.row for failure in failures if failure.row is not None}

    assert not result.passed
    assert result.message.splitlines()[1:] == [f"  {line}"]
    assert list(result.failures) == failures
    assert result.metrics == {"failures": len(failures)}
    assert result.failed_rows == (len(rows) or None)
