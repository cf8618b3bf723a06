"""What does one asset check say of the data? Call the user's function and turn whatever it answers into a result.

Steps call it. It must not know how the data was loaded (the caller prepares the argument), nor what a verdict leads to.
"""

from __future__ import annotations

import inspect
import sysconfig
import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from ..errors import Place
from ..model.checks import MAX_FAILURES, Check, CheckResult
from .contract import compile_contract, is_pandera_schema


def evaluate(check: Check, argument: object) -> CheckResult:
    """Run a check; whatever goes wrong inside it is a failed result, never an exception."""
    try:
        answer = check.function(argument)
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001  the code is the user's
        return _failed(check, f"raised {type(error).__name__} at {_place(check, error)}: {error}")
    if isinstance(answer, bool | np.bool_):
        return CheckResult(check.name, check.severity, True, None, "") if answer else _failed(check, "returned False")
    if isinstance(answer, CheckResult):
        return _bounded(replace(answer, name=check.name, severity=check.severity, passed=bool(answer.passed)))
    if is_pandera_schema(answer):
        return _judged(check, answer, argument)
    return _failed(
        check,
        f"returned {answer if answer is None else 'a value of type ' + type(answer).__qualname__}",
        "return True or False, check_result(...), or a pandera schema that judges the data",
    )


def _judged(check: Check, schema: object, argument: object) -> CheckResult:
    data = pl.from_arrow(argument) if isinstance(argument, pa.Table) else argument
    if not isinstance(data, pl.DataFrame | pl.LazyFrame):
        return _failed(
            check,
            f"returned a pandera schema, which cannot judge data of type {type(argument).__qualname__}",
            "annotate the parameter of the check as pl.DataFrame, pl.LazyFrame or pa.Table",
        )
    try:
        return compile_contract(schema, severity=check.severity, name=check.name).judge(data)
    except Exception as error:  # noqa: BLE001  the schema and the plan of a lazy frame are the user's
        return _failed(check, f"returned a pandera schema that cannot judge the data: {error}")


def _bounded(result: CheckResult) -> CheckResult:
    if len(result.failures) <= MAX_FAILURES:
        return result
    metrics = {"failures": len(result.failures), **result.metrics}
    return replace(result, failures=result.failures[:MAX_FAILURES], metrics=metrics)


def _failed(check: Check, what: str, remedy: str = "") -> CheckResult:
    message = f"check {check.name!r} of asset {check.asset!r} {what}" + (f"\n  remedy: {remedy}" if remedy else "")
    return CheckResult(check.name, check.severity, False, None, message)


def _place(check: Check, error: BaseException) -> Place:
    # The innermost line of the user's own code: below it are libraries, above it is this file.
    frames = traceback.extract_tb(error.__traceback__)[1:]
    paths = sysconfig.get_paths()
    foreign = [Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    foreign.append(Path(__file__).parents[1])
    for frame in reversed(frames):
        file = Path(frame.filename)
        if not frame.filename.startswith("<frozen") and not any(file.is_relative_to(folder) for folder in foreign):
            return Place(frame.filename, frame.lineno or 0)
    code = getattr(inspect.unwrap(check.function), "__code__", None)  # the call itself failed, say by its parameters
    return Place(code.co_filename, code.co_firstlineno) if code else Place(repr(check.function))
