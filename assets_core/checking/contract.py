"""Does the data keep its contract? Turn a pandera schema into one verdict on one cell.

Steps call it on staged data, before anything is published, from many threads. It must not know where the data came
from, what a verdict leads to, nor change the data. pandera takes a second to import: it is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import chain, zip_longest
from operator import or_
from typing import TYPE_CHECKING

import polars as pl

from ..errors import did_you_mean
from ..model.checks import MAX_FAILURES, CheckResult, FailureCase, Severity
from .fast_path import FastPath, fast_path

if TYPE_CHECKING:
    from pandera.dtypes import DataType
    from pandera.errors import SchemaError
    from pandera.polars import DataFrameSchema

_EXAMPLES = 3  # failing rows named in the line of one check
_LINE_LENGTH = 300  # characters of a foreign message


@dataclass(frozen=True, slots=True)
class Contract:
    """What must hold of the data of an asset.

    *Shape*: `columns` are the declared columns with the text of their polars dtype ("any" where none is declared).
    """

    name: str
    severity: Severity
    columns: tuple[tuple[str, str], ...]
    schema: DataFrameSchema = field(repr=False, compare=False)
    fast_path: FastPath | None = field(repr=False, compare=False)

    def judge(self, data: pl.DataFrame | pl.LazyFrame) -> CheckResult:
        """Judge all of the data and collect every failure.

        A lazy frame that passes the fast path is read for the judged columns only; otherwise it is collected once,
        because a plan without a fixed row order would name the failing rows of another run.

        *Raises*: TypeError where `data` is not a polars frame; whatever reading a lazy frame raises.
        """
        if not isinstance(data, pl.DataFrame | pl.LazyFrame):
            raise TypeError(
                f"contract {self.name!r} cannot judge data of type {type(data).__name__}\n"
                "  remedy: hand over a polars DataFrame or LazyFrame"
            )
        if self.fast_path is not None and self.fast_path.passes(data):
            return CheckResult(self.name, self.severity, True, 0, "", metrics={"failures": 0})
        frame = data.collect() if isinstance(data, pl.LazyFrame) else data
        findings = _findings(self.schema, frame)
        masks = [finding.failed for finding in findings if finding.failed is not None]
        failed_rows = int(reduce(or_, masks).sum()) if masks else None
        count = sum(finding.count for finding in findings)
        return CheckResult(
            name=self.name,
            severity=self.severity,
            passed=not findings,
            failed_rows=failed_rows if findings else 0,
            message=_message(self.name, findings, count, failed_rows, frame.height) if findings else "",
            failures=_fair_share(findings),
            metrics={"failures": count},
        )


def compile_contract(schema: object, *, severity: Severity = Severity.ERROR, name: str = "contract") -> Contract:
    """Compile a pandera.polars DataFrameModel class or DataFrameSchema; later changes to it are not seen.

    *Raises*: TypeError where it is neither, or where it would change the data (coerce, default, ...).
    """
    from pandera.errors import SchemaInitError
    from pandera.polars import DataFrameModel, DataFrameSchema

    from .plain_errors import with_plain_errors

    if isinstance(schema, type) and issubclass(schema, DataFrameModel):
        try:
            schema = schema.to_schema()
        except SchemaInitError as error:
            raise TypeError(f"contract {name!r}: pandera refuses the model: {error}") from error
    if not isinstance(schema, DataFrameSchema):
        if is_pandera_schema(schema):
            kind = schema if isinstance(schema, type) else type(schema)
            what = f"a pandera object that does not judge polars frames ({kind.__module__}.{kind.__qualname__})"
        else:
            what = f"of type {type(schema).__name__}, not a pandera schema"
        raise TypeError(
            f"contract {name!r} is {what}\n"
            "  remedy: declare a DataFrameModel class or a DataFrameSchema with `import pandera.polars as pa`"
        )
    changes = list(_changes(schema))
    if changes:
        raise TypeError(
            f"contract {name!r} would change the data: {'; '.join(changes)}. Contracts judge, they never change data\n"
            "  remedy: remove it from the schema, and convert, fill or filter in the function of the asset"
        )
    columns = tuple((str(key), _dtype_text(column.dtype)) for key, column in schema.columns.items())
    return Contract(name, severity, columns, with_plain_errors(schema), fast_path(schema))


def is_pandera_schema(value: object) -> bool:
    """Say whether a value is of pandera, for whichever kind of frame, without importing pandera."""
    kind = value if isinstance(value, type) else type(value)
    return any(parent.__module__.partition(".")[0] == "pandera" for parent in kind.__mro__)


def _changes(schema: DataFrameSchema, where: str = "the schema") -> Iterable[str]:
    # What pandera would alter before it judges: its verdict would be on other data than what is published.
    from pandera.engines.polars_engine import PanderaSchema

    named = {
        "coerce=True": schema.coerce,
        "drop_invalid_rows=True": schema.drop_invalid_rows,
        "add_missing_columns=True": schema.add_missing_columns,
        "strict='filter'": schema.strict == "filter",
        "parsers": schema.parsers,
    }
    yield from (f"{where} has {option}" for option, given in named.items() if given)
    for key, column in schema.columns.items():
        place = f"column {key!r}"
        nested = isinstance(column.dtype, PanderaSchema)
        named = {
            "coerce=True": column.coerce and not nested,  # pandera sets it to have a nested schema judged
            "drop_invalid_rows=True": column.drop_invalid_rows,
            "a default": column.default is not None,
            "parsers": column.parsers,
        }
        yield from (f"{place} has {option}" for option, given in named.items() if given)
        if nested:
            yield from _changes(column.dtype.schema, f"the schema of {place}")


@dataclass(frozen=True, slots=True)
class _Finding:
    """One failed check: its line of the message, its failures, the failed rows as a mask (None: not of single rows)."""

    line: str
    count: int
    failed: pl.Series | None
    cases: tuple[FailureCase, ...]


def _message(name: str, findings: list[_Finding], count: int, failed_rows: int | None, height: int) -> str:
    rows = "" if failed_rows is None else f", {failed_rows} of {_counted(height, 'row')} failed"
    lines = [finding.line for finding in findings[:MAX_FAILURES]]
    if len(findings) > MAX_FAILURES:
        lines.append(f"and {_counted(len(findings) - MAX_FAILURES, 'more failed check')}")
    return "\n  ".join([f"contract {name!r}: {_counted(count, 'failure')}{rows}", *lines])


def _fair_share(findings: list[_Finding]) -> tuple[FailureCase, ...]:
    # A check that fails everywhere must not crowd out the others: one case of each in turn, then grouped again.
    turns = zip_longest(*([(place, case) for case in finding.cases] for place, finding in enumerate(findings)))
    chosen = [turn for turn in chain.from_iterable(turns) if turn is not None][:MAX_FAILURES]
    return tuple(case for _, case in sorted(chosen, key=lambda turn: turn[0]))


def _findings(schema: DataFrameSchema, frame: pl.DataFrame) -> list[_Finding]:
    """Have pandera judge; findings about whole columns come first."""
    from pandera.config import ValidationDepth, config_context

    # The settings of the process may switch validation off: a contract is judged all the same. They are changed in a
    # context variable, which other threads do not see.
    with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            findings = [_finding(error, schema, frame) for error in _schema_errors(schema, frame, lazy=True)]
        except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001  a flaw of pandera is not a pass
            return [_first_finding(schema, frame, f"{type(error).__name__}: {_first_line(error)}")]
    return sorted(findings, key=lambda finding: finding.failed is not None)


def _first_finding(schema: DataFrameSchema, frame: pl.DataFrame, stopped: str) -> _Finding:
    try:
        errors = _schema_errors(schema, frame, lazy=False)
        first = _finding(errors[0], schema, frame)
    except (Exception, pl.exceptions.PanicException):  # noqa: BLE001  what stopped it first is the better message
        return _whole(None, "judge", f"the contract could not be judged: {stopped}", stopped)
    return replace(first, line=f"{first.line} (other failures are not listed: pandera stopped on {stopped})")


def _schema_errors(schema: DataFrameSchema, frame: pl.DataFrame, *, lazy: bool) -> list[SchemaError]:
    from pandera.errors import SchemaError, SchemaErrors

    try:
        schema.validate(frame, lazy=lazy)
    except SchemaErrors as errors:
        return errors.schema_errors
    except SchemaError as error:
        return [error]
    return []


def _finding(error: SchemaError, schema: DataFrameSchema, frame: pl.DataFrame) -> _Finding:
    check = error.check if isinstance(error.check, str) else str(error.check.error or error.check.name)
    column = None if error.column_name is None else str(error.column_name)
    where = "frame" if column is None else f"column {column!r}"
    found = _first_line(error.failure_cases)
    match error.reason_code.name if error.reason_code else "":
        case "COLUMN_NOT_IN_DATAFRAME":
            expected = f"missing, expected {_dtype_text(schema.columns[found].dtype)}"
            return _whole(found, check, f"column {found!r}: {expected}{did_you_mean(found, frame.columns)}", "missing")
        case "COLUMN_NOT_IN_SCHEMA":
            near = did_you_mean(found, map(str, schema.columns))
            line = f"column {found!r}: not declared, and the contract is strict{near}"
            return _whole(found, check, line, "not declared")
        case "COLUMN_NOT_ORDERED":
            line = f"column {found!r}: out of order, declared are {', '.join(map(str, schema.columns))}"
            return _whole(found, check, line, "out of order")
        case "INVALID_COLUMN_NAME":
            pattern = str(error.schema.name)
            return _whole(None, check, f"frame: no column matches {pattern!r}", f"no column matches {pattern!r}")
        case "WRONG_DATATYPE":
            line = f"{where}: expected {_dtype_text(error.schema.dtype)}, found {found}"
            return _whole(column, check, line, found)
        case "CHECK_ERROR":
            raised = found.replace('("', ": ", 1).removesuffix('")')  # pandera writes ValueError("text")
            return _whole(column, check, f"{where}: {check} could not run: {raised}", raised)
        case "DATATYPE_COERCION":  # a nested schema; what follows the brace is pandera's own report
            line = _first_line(error).partition(": {")[0]
            return _of_rows(error, column, "nested schema", f"{where}: {line}", frame)
        case "SERIES_CONTAINS_NULLS":
            nan = " or NaN" if frame.schema[str(column)].is_float() else ""
            return _of_rows(error, column, check, f"{where}: not nullable, but null{nan}", frame)
        case "SERIES_CONTAINS_DUPLICATES":
            return _of_rows(error, column, check, f"{where}: not unique", frame)
        case "DUPLICATES":
            names = _duplicated_names(schema, frame)
            line = f"columns {', '.join(map(repr, names))}: not unique together"
            return _of_rows(error, None, check, line, frame.select(names))
        case _:
            return _of_rows(error, column, check, f"{where}: {check} failed", frame)


def _whole(column: str | None, check: str, line: str, value: str) -> _Finding:
    return _Finding(line, 1, None, (FailureCase(column, check, None, value),))


def _of_rows(error: SchemaError, column: str | None, check: str, line: str, frame: pl.DataFrame) -> _Finding:
    output = error.check_output
    if not isinstance(error.failure_cases, pl.DataFrame) or output is None or output.height != frame.height:
        return _whole(column, check, line, "False")  # one verdict on the whole column or frame
    failed = output.get_column("check_output").eq(False).fill_null(False)
    rows = failed.arg_true().head(MAX_FAILURES).to_list()
    values = [_value_text(frame[column][row] if column else frame.row(row, named=True)) for row in rows]
    cases = tuple(FailureCase(column, check, row, value) for row, value in zip(rows, values, strict=True))
    count = int(failed.sum())
    examples = ", ".join(f"row {case.row} ({case.value})" for case in cases[:_EXAMPLES])
    more = f" and {count - _EXAMPLES} more" if count > _EXAMPLES else ""
    return _Finding(f"{line} in {_counted(count, 'row')}: {examples}{more}", count, failed, cases)


def _duplicated_names(schema: DataFrameSchema, frame: pl.DataFrame) -> list[str]:
    # The first group of unique columns that is not: pandera names it in the text of its error only.
    unique = list(schema.unique)
    groups = [unique] if all(isinstance(name, str) for name in unique) else unique
    present = [[name for name in group if name in frame.columns] for group in groups]
    return next(names for names in present if frame.select(names).is_duplicated().any())


def _value_text(value: object) -> str:
    return "null" if value is None else str(value)


def _dtype_text(dtype: DataType | None) -> str:
    return "any" if dtype is None else str(dtype.type)


def _first_line(value: object) -> str:
    return (str(value).strip().splitlines() or [""])[0][:_LINE_LENGTH]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
