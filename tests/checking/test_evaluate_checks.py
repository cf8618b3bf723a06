"""Whatever a user's check answers, or raises, becomes one result that names the check, the place and the remedy."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandera.pandas
import polars as pl
import pyarrow as pa
import pytest
from pandera.polars import Check as PanderaCheck
from pandera.polars import DataFrameModel, Field

from assets_core.checking.evaluate import evaluate
from assets_core.model.checks import MAX_FAILURES, Check, CheckResult, FailureCase, Severity, check_result


class Positive(DataFrameModel):
    a: int = Field(ge=0)


class Coercing(DataFrameModel):
    a: int = Field(coerce=True)


def check_of(function: Callable[..., object], severity: Severity = Severity.ERROR) -> Check:
    return Check("no_gaps", "flights/daily", function, severity)


def answer(value: object) -> Check:
    return check_of(lambda _: value)


def line_of(function: Callable[..., object], offset: int) -> str:
    return f"{function.__code__.co_filename}:{function.__code__.co_firstlineno + offset}"


@pytest.mark.parametrize("value", [True, np.bool_(True)])
def test_true_passes(value: object) -> None:
    assert evaluate(answer(value), None) == CheckResult("no_gaps", Severity.ERROR, True, None, "")


@pytest.mark.parametrize("value", [False, np.bool_(False)])
def test_false_fails_and_says_which_check_of_which_asset(value: object) -> None:
    message = "check 'no_gaps' of asset 'flights/daily' returned False"

    assert evaluate(answer(value), None) == CheckResult("no_gaps", Severity.ERROR, False, None, message)


def test_the_function_gets_the_argument() -> None:
    assert evaluate(check_of(lambda data: data == [1]), [1]).passed
    assert not evaluate(check_of(lambda data: data == [1]), [2]).passed


def raise_error(_: object) -> bool:
    raise ValueError("boom")


def panic(_: object) -> bool:
    frame = pl.DataFrame({"a": [{"x": b"1"}]})
    frame.select(pl.col("a").struct.json_encode())
    return True


@pytest.mark.parametrize(
    "value",
    [True, False, check_result(True), check_result(False), Positive, {}, None],
    ids=["true", "false", "passed", "failed", "schema", "other", "nothing"],
)
def test_the_severity_is_carried_through(value: object) -> None:
    result = evaluate(check_of(lambda _: value, Severity.WARN), pl.DataFrame({"a": [-1]}))

    assert (result.name, result.severity) == ("no_gaps", Severity.WARN)
    assert evaluate(check_of(raise_error, Severity.WARN), None).severity is Severity.WARN


def test_a_result_gets_the_name_and_severity_of_its_declaration() -> None:
    given = CheckResult("other", Severity.ERROR, False, 2, "two gaps", (FailureCase("a", "gap", 1, "2"),), {"gaps": 2})
    result = evaluate(check_of(lambda _: given, Severity.WARN), None)

    assert result == CheckResult(
        "no_gaps", Severity.WARN, False, 2, "two gaps", (FailureCase("a", "gap", 1, "2"),), {"gaps": 2}
    )


def test_the_verdict_of_a_hand_made_result_becomes_a_plain_bool() -> None:
    passed: Any = np.bool_(False)

    assert evaluate(answer(CheckResult("", Severity.ERROR, passed, None, "")), None).passed is False


def test_the_failures_of_a_result_are_bounded_and_counted_truly() -> None:
    failures = tuple(FailureCase("a", "gap", row, "x" * 500) for row in range(50))
    given = CheckResult("", Severity.ERROR, False, 50, "gaps", failures, {"gaps": 50})
    result = evaluate(answer(given), None)

    assert [failure.row for failure in result.failures] == list(range(MAX_FAILURES))
    assert {len(failure.value) for failure in result.failures} == {200}
    assert result.metrics == {"failures": 50, "gaps": 50}


def test_a_result_is_made_of_a_verdict_a_message_and_metrics() -> None:
    assert check_result(True) == CheckResult("", Severity.ERROR, True, None, "")
    assert check_result(False, "late", flights=3, worst="UA", share=0.5, known=None, all=False).metrics == {
        "flights": 3,
        "worst": "UA",
        "share": 0.5,
        "known": None,
        "all": False,
    }


def test_the_verdict_of_a_result_is_a_plain_bool() -> None:
    verdict: Any = np.bool_(False)

    assert check_result(verdict).passed is False


def test_a_metric_that_is_no_plain_value_is_refused_where_it_is_given() -> None:
    def count(_: object) -> CheckResult:
        flights: Any = [1, 2]
        return check_result(True, flights=flights)

    result = evaluate(check_of(count), None)

    assert not result.passed
    assert f"raised TypeError at {line_of(count, 2)}: metric 'flights' is of type list" in result.message
    assert "remedy: give a number, a text, a bool or None" in result.message


def test_results_travel_between_processes_and_into_json() -> None:
    result = CheckResult("a", Severity.WARN, False, 1, "m", (FailureCase(None, "c", None, "v"),), {"failures": 1})

    assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301  our own bytes
    assert json.dumps(result.severity) == '"warn"'


def test_an_exception_is_a_failure_that_names_its_line() -> None:
    result = evaluate(check_of(raise_error), None)

    assert not result.passed
    assert result.message == (
        f"check 'no_gaps' of asset 'flights/daily' raised ValueError at {line_of(raise_error, 1)}: boom"
    )


def test_an_exception_of_a_helper_of_the_project_names_the_line_of_the_helper() -> None:
    result = evaluate(check_of(lambda data: raise_error(data)), None)

    assert f" at {line_of(raise_error, 1)}: " in result.message


def test_an_exception_of_a_library_names_the_line_of_the_project_that_called_it() -> None:
    def missing(data: pl.DataFrame) -> bool:
        return bool(data.select(pl.col("nowhere")).item())

    result = evaluate(check_of(missing), pl.DataFrame({"a": [1]}))

    assert "raised ColumnNotFoundError" in result.message
    assert f" at {line_of(missing, 1)}: " in result.message


def test_an_exception_of_the_standard_library_names_the_line_of_the_project() -> None:
    def parse(_: object) -> bool:
        return bool(json.loads("{"))

    assert f" at {line_of(parse, 1)}: " in evaluate(check_of(parse), None).message


def test_a_panic_of_polars_is_a_failure_too() -> None:
    result = evaluate(check_of(panic), None)

    assert not result.passed
    assert "raised PanicException" in result.message
    assert f" at {line_of(panic, 2)}: " in result.message


def test_a_check_with_the_wrong_parameters_names_the_line_of_its_definition() -> None:
    def without() -> bool:
        return True

    result = evaluate(check_of(without), None)

    assert "raised TypeError" in result.message
    assert f" at {line_of(without, 0)}: " in result.message


def test_a_callable_without_code_is_named_itself() -> None:
    result = evaluate(check_of(partial(int, base=2)), "9")

    assert not result.passed
    assert "raised ValueError" in result.message
    assert "functools.partial" in result.message


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_no_verdict(stop: type[BaseException]) -> None:
    def interrupted(_: object) -> bool:
        raise stop

    with pytest.raises(stop):
        evaluate(check_of(interrupted), None)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "returned None"),
        (1, "returned a value of type int"),
        ("ok", "returned a value of type str"),
        ({"passed": True}, "returned a value of type dict"),
        (pl.Series([True]), "returned a value of type Series"),
        (np.array([True]), "returned a value of type ndarray"),
        (pa.scalar(True), "returned a value of type BooleanScalar"),
    ],
)
def test_any_other_answer_fails_with_its_type_and_a_remedy(value: object, what: str) -> None:
    result = evaluate(answer(value), None)

    assert not result.passed
    assert result.message == (
        f"check 'no_gaps' of asset 'flights/daily' {what}\n"
        "  remedy: return True or False, check_result(...), or a pandera schema that judges the data"
    )


FRAME = pl.DataFrame({"a": [1, -1]})


@pytest.mark.parametrize("schema", [Positive, Positive.to_schema()], ids=["model", "schema"])
@pytest.mark.parametrize("data", [FRAME, FRAME.lazy(), FRAME.to_arrow()], ids=["frame", "lazy frame", "arrow table"])
def test_a_returned_schema_judges_the_data(schema: object, data: object) -> None:
    result = evaluate(answer(schema), data)

    assert (result.name, result.passed, result.failed_rows) == ("no_gaps", False, 1)
    assert result.failures == (FailureCase("a", "greater_than_or_equal_to(0)", 1, "-1"),)
    assert result.message.startswith("contract 'no_gaps': 1 failure, 1 of 2 rows failed\n")


def test_a_returned_schema_passes_data_that_keeps_it() -> None:
    assert evaluate(answer(Positive), pa.table({"a": [1, 2]})).passed


@pytest.mark.parametrize("data", [None, [1], {"a": [1]}])
def test_a_returned_schema_cannot_judge_what_is_no_frame(data: object) -> None:
    result = evaluate(answer(Positive), data)

    assert not result.passed
    assert f"returned a pandera schema, which cannot judge data of type {type(data).__name__}" in result.message
    assert "remedy: annotate the parameter of the check as pl.DataFrame, pl.LazyFrame or pa.Table" in result.message


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        (Coercing, "contract 'no_gaps' would change the data: column 'a' has coerce=True"),
        (pandera.pandas.DataFrameSchema({}), "is a pandera object that does not judge polars frames"),
        (PanderaCheck.ge(0), "is a pandera object that does not judge polars frames"),
    ],
    ids=["coercing", "for pandas", "a check"],
)
def test_a_returned_schema_that_is_no_contract_fails_with_the_reason(schema: object, what: str) -> None:
    result = evaluate(answer(schema), FRAME)

    assert not result.passed
    assert what in result.message
    assert "remedy: " in result.message


def test_a_lazy_frame_that_cannot_be_read_fails_the_check() -> None:
    result = evaluate(answer(Positive), pl.scan_parquet("no-such-file.parquet"))

    assert not result.passed
    assert "returned a pandera schema that cannot judge the data: " in result.message
    assert "no-such-file.parquet" in result.message
