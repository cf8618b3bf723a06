"""A contract judges all of the data, names every failure by column, check and row, and never changes anything."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandera.pandas
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.config import ValidationDepth, config_context, get_config_context, get_config_global
from pandera.engines.polars_engine import PydanticModel
from pydantic import BaseModel

from assets_core.checking.contract import compile_contract
from assets_core.model.checks import MAX_FAILURES, CheckResult, Severity


class Flights(pa.DataFrameModel):
    carrier: str = pa.Field(isin=["AA", "UA"])
    distance: int = pa.Field(ge=0)
    delay: float = pa.Field(nullable=True)
    departed: dt.datetime


class Coercing(pa.DataFrameModel):
    x: int

    class Config:
        coerce = True


class OuterCoercing(pa.DataFrameModel):
    inner: Coercing


class Row(BaseModel):
    x: int


def positive(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key) > 0)


def schema_of(columns: dict[str, Any] | None = None, **options: Any) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(columns or {"a": pa.Column(int)}, **options)


def judged(schema: object, data: pl.DataFrame | pl.LazyFrame | dict[str, Any]) -> CheckResult:
    return compile_contract(schema).judge(pl.DataFrame(data) if isinstance(data, dict) else data)


def lines(result: CheckResult) -> list[str]:
    return [line.strip() for line in result.message.splitlines()]


def test_a_contract_lists_its_declared_columns_with_their_dtypes() -> None:
    contract = compile_contract(Flights, name="flights")

    assert contract.columns == (
        ("carrier", "String"),
        ("distance", "Int64"),
        ("delay", "Float64"),
        ("departed", "Datetime(time_unit='us', time_zone=None)"),
    )
    assert compile_contract(schema_of({"a": pa.Column()})).columns == (("a", "any"),)


def test_data_that_keeps_the_contract_passes_with_nothing_to_say() -> None:
    result = compile_contract(schema_of({"a": pa.Column(int, pa.Check.ge(0))}), name="a").judge(
        pl.DataFrame({"a": [1]})
    )

    assert result == CheckResult("a", Severity.ERROR, True, 0, "", metrics={"failures": 0})


def test_a_contract_without_a_fast_path_passes_the_same_way() -> None:
    contract = compile_contract(schema_of({"a": pa.Column(int, pa.Check(positive))}))

    assert contract.fast_path is None
    assert contract.judge(pl.DataFrame({"a": [1]})) == CheckResult(
        "contract", Severity.ERROR, True, 0, "", metrics={"failures": 0}
    )


@pytest.mark.parametrize("data", [{"distance": [-1]}, {"distance": [1]}], ids=["failed", "passed"])
def test_the_severity_is_carried_through(data: dict[str, Any]) -> None:
    schema = schema_of({"distance": pa.Column(int, pa.Check.ge(0))})
    contract = compile_contract(schema, severity=Severity.WARN, name="short")
    result = contract.judge(pl.DataFrame(data))

    assert (contract.severity, contract.name) == (Severity.WARN, "short")
    assert (result.severity, result.name) == (Severity.WARN, "short")


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ({"a": int}, "is of type dict, not a pandera schema"),
        (None, "is of type NoneType, not a pandera schema"),
        (pandera.pandas.DataFrameSchema({}), "pandera.api.pandas.container.DataFrameSchema"),
        (pandera.pandas.DataFrameModel, "pandera.api.pandas.model.DataFrameModel"),
        (pa.Column(int), "does not judge polars frames (pandera.api.polars.components.Column)"),
    ],
    ids=["dict", "nothing", "pandas schema", "pandas model", "column"],
)
def test_what_is_no_schema_for_polars_is_refused_with_a_remedy(schema: object, what: str) -> None:
    with pytest.raises(TypeError) as raised:
        compile_contract(schema, name="flights")

    assert "contract 'flights'" in str(raised.value)
    assert what in str(raised.value)
    assert "remedy: declare a DataFrameModel class or a DataFrameSchema with `import pandera.polars" in str(
        raised.value
    )


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        (Coercing, "the schema has coerce=True"),
        (schema_of({"a": pa.Column(int, coerce=True)}), "column 'a' has coerce=True"),
        (schema_of({"a": pa.Column(int, default=1)}), "column 'a' has a default"),
        (schema_of({"a": pa.Column(int, drop_invalid_rows=True)}), "column 'a' has drop_invalid_rows=True"),
        (schema_of(drop_invalid_rows=True), "the schema has drop_invalid_rows=True"),
        (schema_of(add_missing_columns=True), "the schema has add_missing_columns=True"),
        (schema_of(strict="filter"), "the schema has strict='filter'"),
        (schema_of(parsers=pandera.pandas.Parser(lambda data: data)), "the schema has parsers"),
        (OuterCoercing, "the schema of column 'inner' has coerce=True"),
        (pa.DataFrameSchema(dtype=PydanticModel(Row)), "the schema has coerce=True"),
    ],
)
def test_a_schema_that_would_change_the_data_is_refused_with_a_remedy(schema: object, what: str) -> None:
    with pytest.raises(TypeError) as raised:
        compile_contract(schema, name="flights")

    assert f"contract 'flights' would change the data: {what}" in str(raised.value)
    assert "remedy: remove it from the schema" in str(raised.value)


def test_a_model_that_pandera_refuses_is_a_type_error() -> None:
    class Wrong(pa.DataFrameModel):
        x: list[Coercing]

    with pytest.raises(TypeError, match="contract 'wrong': pandera refuses the model"):
        compile_contract(Wrong, name="wrong")


def test_data_that_is_no_polars_frame_is_refused_with_a_remedy() -> None:
    data: Any = {"a": [1]}
    with pytest.raises(TypeError, match=r"contract 'contract' cannot judge data of type dict\n  remedy: hand over"):
        compile_contract(schema_of()).judge(data)


def test_all_failures_are_collected_and_whole_columns_come_first() -> None:
    schema = schema_of({"a": pa.Column(int, pa.Check.lt(9)), "b": pa.Column(str), "c": pa.Column(int)}, strict=True)
    result = judged(schema, {"a": [1, 10, None], "b": [1, 2, 3], "z": [0, 0, 0]})

    assert lines(result) == [
        "contract 'contract': 5 failures, 2 of 3 rows failed",
        "column 'z': not declared, and the contract is strict",
        "column 'c': missing, expected Int64",
        "column 'b': expected String, found Int64",
        "column 'a': not nullable, but null in 1 row: row 2 (null)",
        "column 'a': less_than(9) failed in 1 row: row 1 (10)",
    ]
    assert result.failed_rows == 2


def test_a_row_that_fails_twice_is_one_failed_row() -> None:
    checks = [pa.Check.gt(0), pa.Check.isin([1, 2])]
    result = judged(schema_of({"a": pa.Column(int, checks)}), {"a": [1, -5, 7]})

    assert result.failed_rows == 2
    assert result.metrics == {"failures": 3}
    assert lines(result)[0] == "contract 'contract': 3 failures, 2 of 3 rows failed"


@given(st.lists(st.one_of(st.none(), st.integers(-2, 2)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_rows_named_are_the_rows_that_fail(values: list[int | None]) -> None:
    frame = pl.DataFrame({"a": values}, schema={"a": pl.Int64})
    result = judged(schema_of({"a": pa.Column(int, pa.Check.ge(0), nullable=True)}), frame)
    wrong = [(row, str(value)) for row, value in enumerate(values) if value is not None and value < 0]

    assert [(failure.row, failure.value) for failure in result.failures] == wrong[:MAX_FAILURES]
    assert (result.passed, result.failed_rows, result.metrics) == (not wrong, len(wrong), {"failures": len(wrong)})


def test_stored_failures_are_bounded_and_counted_truly() -> None:
    result = judged(schema_of({"a": pa.Column(int, pa.Check.ge(0))}), {"a": [-1] * 1000})

    assert len(result.failures) == MAX_FAILURES
    assert result.metrics == {"failures": 1000}
    assert result.failed_rows == 1000
    assert lines(result)[1].endswith("failed in 1000 rows: row 0 (-1), row 1 (-1), row 2 (-1) and 997 more")


def test_a_check_that_fails_everywhere_does_not_crowd_out_the_others() -> None:
    columns = {"a": pa.Column(int, pa.Check.ge(0)), "b": pa.Column(int, pa.Check.ne(7))}
    result = judged(schema_of(columns), {"a": [-1] * 1000, "b": [7] * 3 + [0] * 997})
    by_column = [failure.column for failure in result.failures]

    assert by_column == ["a"] * 17 + ["b"] * 3


def test_many_failed_checks_are_counted_in_the_message() -> None:
    columns = {f"c{number}": pa.Column(int) for number in range(30)}
    result = judged(schema_of(columns), {"a": [1]})

    assert len(lines(result)) == 1 + MAX_FAILURES + 1
    assert lines(result)[-1] == "and 10 more failed checks"
    assert len(result.failures) == MAX_FAILURES
    assert result.metrics == {"failures": 30}


def test_a_long_value_is_cut() -> None:
    result = judged(schema_of({"a": pa.Column(str, pa.Check.str_length(max_value=5))}), {"a": ["x" * 1000]})

    assert result.failures[0].value == "x" * 199 + "…"


def test_pandera_stopping_half_way_still_leaves_the_first_failure() -> None:
    result = judged(schema_of(unique=["a"]), {"b": [1, 2]})

    assert not result.passed
    assert lines(result)[1].startswith("column 'a': missing, expected Int64 (other failures are not listed: pandera")


def test_a_contract_that_cannot_be_judged_is_not_passed() -> None:
    result = judged(schema_of({"a": pa.Column(int, unique=True)}), {"a": [1, 1], "_duplicated": [1, 2]})

    assert not result.passed
    assert lines(result)[1].startswith("the contract could not be judged: DuplicateError: ")
    assert [failure.check for failure in result.failures] == ["judge"]


def test_a_lazy_frame_is_collected_once_when_pandera_judges() -> None:
    reads = []

    def read(series: pl.Series) -> pl.Series:
        reads.append(series.len())
        return series

    data = pl.LazyFrame({"a": [1, -1]}).with_columns(pl.col("a").map_batches(read, return_dtype=pl.Int64))
    result = judged(schema_of({"a": pa.Column(int, [pa.Check(positive), pa.Check(positive)])}), data)

    assert result.failed_rows == 1
    assert reads == [2]


def test_a_lazy_frame_that_cannot_be_read_raises_what_reading_raises() -> None:
    with pytest.raises(FileNotFoundError):
        judged(schema_of(), pl.scan_parquet("no-such-file.parquet"))


@pytest.mark.parametrize("depth", [ValidationDepth.SCHEMA_ONLY, None], ids=["schema only", "switched off"])
def test_settings_that_weaken_pandera_do_not_weaken_a_contract(depth: ValidationDepth | None) -> None:
    schema = schema_of({"a": pa.Column(int, pa.Check(positive))})
    with config_context(validation_enabled=depth is not None, validation_depth=depth):
        before = get_config_context(), get_config_global()
        result = judged(schema, {"a": [-1]})
        assert (get_config_context(), get_config_global()) == before

    assert not result.passed


def test_eight_threads_judge_at_the_same_time_and_agree() -> None:
    plain = schema_of({"a": pa.Column(int, pa.Check.ge(0)), "^x.*$": pa.Column(int, pa.Check(positive))})
    contracts = [compile_contract(Flights), compile_contract(plain)]
    flights = pl.DataFrame({"carrier": ["AA"], "distance": [1], "delay": [None], "departed": [dt.datetime(2013, 1, 1)]})  # noqa: DTZ001
    good = [flights.cast({"delay": pl.Float64}), pl.DataFrame({"a": [1], "x1": [1], "x2": [1]})]
    bad = [flights.with_columns(distance=pl.lit(-1)), pl.DataFrame({"a": [-1], "x1": [1], "x2": [-1]})]
    expected = [
        [contract.judge(data) for contract, data in zip(contracts, frames, strict=True)] for frames in (good, bad)
    ]

    def work(number: int) -> bool:
        frames = (good, bad)[number % 2]
        given_data = [data.lazy() if number % 3 else data for data in frames]
        return [contract.judge(data) for contract, data in zip(contracts, given_data, strict=True)] == expected[
            number % 2
        ]

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(160)))
    assert [[result.passed for result in results] for results in expected] == [[True, True], [False, False]]
    assert get_config_context(validation_depth_default=None).validation_depth is None


def test_importing_the_package_imports_no_pandera() -> None:
    modules = ["assets_core.checking", "assets_core.checking.contract", "assets_core.checking.evaluate"]
    code = f"import sys, {', '.join(modules)}; sys.exit('pandera' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
