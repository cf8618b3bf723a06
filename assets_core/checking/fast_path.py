"""Can one query say that the data keeps its contract? The yes of most cells, in a tenth of the time of pandera.

The contract asks it first. It must not say no, nor guess: what it does not understand exactly is pandera's to judge.
"""

from __future__ import annotations

import datetime as dt
import decimal
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, cast

import polars as pl

if TYPE_CHECKING:
    from pandera.api.checks import Check
    from pandera.polars import Column, DataFrameSchema

_ROW_WISE_CHECKS = frozenset(
    {
        "equal_to",
        "not_equal_to",
        "greater_than",
        "greater_than_or_equal_to",
        "less_than",
        "less_than_or_equal_to",
        "in_range",
        "isin",
        "notin",
        "str_matches",
        "str_contains",
        "str_startswith",
        "str_endswith",
        "str_length",
    }
)
_FEW_ROWS = 10_000  # to wake the threads of polars takes longer than to go through so many
_PLAIN_VALUES = (bool, int, float, str, bytes, decimal.Decimal, dt.date, dt.time, dt.timedelta, re.Pattern, type(None))


@dataclass(frozen=True, slots=True)
class FastPath:
    """A schema of dtypes, nulls, uniqueness and built-in row-wise checks, as one query of booleans.

    It may only say yes: then pandera would say yes too. Everything else is for pandera to judge and to word.
    """

    dtypes: Mapping[str, pl.DataType]
    required: frozenset[str]
    strict: bool
    ordered: bool
    unique: tuple[tuple[str, ...], ...]
    expressions: Mapping[str, tuple[pl.Expr, ...]]

    def passes(self, data: pl.DataFrame | pl.LazyFrame) -> bool:
        """Return True only where the data certainly keeps the contract."""
        try:
            schema = data.collect_schema()
            return self._columns_fit(schema) and self._values_fit(data, schema)
        except (Exception, pl.exceptions.PanicException):  # noqa: BLE001  pandera judges what is in doubt
            return False

    def _columns_fit(self, schema: Mapping[str, pl.DataType]) -> bool:
        present = [name for name in self.dtypes if name in schema]
        if not self.required.issubset(present) or (self.strict and len(schema) != len(present)):
            return False
        if self.ordered and present != [name for name in schema if name in self.dtypes]:
            return False
        return all(schema[name] == self.dtypes[name] for name in present)

    def _values_fit(self, data: pl.DataFrame | pl.LazyFrame, schema: Mapping[str, pl.DataType]) -> bool:
        expressions = list(chain.from_iterable(found for name, found in self.expressions.items() if name in schema))
        if expressions and not all(value is True for value in _selected(data, expressions).row(0)):
            return False
        return not any(_collected(data.select(group)).is_duplicated().any() for group in self.unique)


def _selected(data: pl.DataFrame | pl.LazyFrame, expressions: list[pl.Expr]) -> pl.DataFrame:
    if isinstance(data, pl.DataFrame) and data.height < _FEW_ROWS:
        return data.select_seq(expressions)
    return _collected(data.select(expressions))


def _collected(data: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    return data.collect() if isinstance(data, pl.LazyFrame) else data


def fast_path(schema: DataFrameSchema) -> FastPath | None:
    """Derive the fast path of a schema, None where any part of it is not understood exactly."""
    from pandera.config import CONFIG
    from pandera.polars import DataFrameSchema

    DataFrameSchema.register_default_backends(pl.DataFrame)  # once here, so that threads never race to do it
    plain = type(schema) is DataFrameSchema and not CONFIG.use_narwhals_backend
    if not plain or schema.checks or schema.dtype or schema.index or schema.on_missing_columns:
        return None
    if schema.add_missing_columns or schema.coerce or schema.drop_invalid_rows or schema.parsers:
        return None
    dtypes: dict[str, pl.DataType] = {}
    expressions: dict[str, tuple[pl.Expr, ...]] = {}
    for name, column in schema.columns.items():
        dtype = _exact_dtype(name, column)
        found = None if dtype is None else _column_expressions(name, column, dtype)
        if dtype is None or found is None:
            return None
        dtypes[name] = dtype
        expressions[name] = tuple(expression.alias(f"{name} {index}") for index, expression in enumerate(found))
    groups = schema.unique or []
    groups = [groups] if all(isinstance(group, str) for group in groups) and groups else groups
    required = {name for name, column in schema.columns.items() if column.required}
    if schema.strict not in (True, False) or any(not group or not required.issuperset(group) for group in groups):
        return None
    unique = tuple(tuple(group) for group in groups)
    return FastPath(dtypes, frozenset(required), bool(schema.strict), bool(schema.ordered), unique, expressions)


def _exact_dtype(name: object, column: Column) -> pl.DataType | None:
    # The one polars dtype for which pandera itself, asked now, says yes; nested dtypes compare loosely, so not them.
    from pandera.engines import polars_engine
    from pandera.polars import Column

    if type(column) is not Column or column.regex or column.coerce or column.default is not None or column.parsers:
        return None
    if not isinstance(name, str) or name == "*" or name.startswith("^") or column.name != name:  # polars expands them
        return None
    if column.drop_invalid_rows or type(column.dtype).__module__ != polars_engine.__name__:
        return None
    try:
        dtype = column.dtype.type() if isinstance(column.dtype.type, type) else column.dtype.type
        exact = isinstance(dtype, pl.DataType) and not dtype.is_nested() and column.dtype.check(dtype) is True
    except Exception:  # noqa: BLE001  a dtype that cannot be made or compared here is not understood
        return None
    return dtype if exact else None


def _column_expressions(name: str, column: Column, dtype: pl.DataType) -> list[pl.Expr] | None:
    expressions = []
    if not column.nullable:
        present = pl.col(name).is_not_null()
        if dtype in (pl.Float32, pl.Float64):
            present = present & pl.col(name).is_not_nan()
        expressions.append(present.all())
    if column.unique:
        expressions.append(pl.col(name).is_duplicated().any().not_())
    for check in column.checks:
        expression = _row_wise_expression(name, check)
        if expression is None:
            return None
        expressions.append(expression.all())  # ignores nulls, as pandera does with ignore_na
    return expressions


class _Recorder:
    """Stands in for the lazy frame of a built-in check, and hands back the expression it would select."""

    def select(self, expression: pl.Expr) -> pl.Expr:
        return expression


def _row_wise_expression(name: str, check: Check) -> pl.Expr | None:
    # pandera's own function makes the expression, so that the two cannot differ.
    from pandera.api.checks import Check
    from pandera.api.function_dispatch import Dispatcher
    from pandera.backends.polars import builtin_checks
    from pandera.polars import PolarsData

    if type(check) is not Check or check.element_wise or check.groupby or check.groups or not check.ignore_na:
        return None
    function_name = getattr(check._check_fn, "__name__", "")
    if not isinstance(check._check_fn, Dispatcher) or function_name not in _ROW_WISE_CHECKS:
        return None
    function = Check.CHECK_FUNCTION_REGISTRY[function_name]._function_registry.get(PolarsData)
    if function is not getattr(builtin_checks, function_name) or not all(map(_is_plain, check._check_kwargs.values())):
        return None
    try:
        expression = function(PolarsData(cast(pl.LazyFrame, _Recorder()), name), **check._check_kwargs)
    except Exception:  # noqa: BLE001  pandera fails the same way on the data, and words it
        return None
    return expression if isinstance(expression, pl.Expr) else None


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple | set | frozenset):
        return all(isinstance(item, _PLAIN_VALUES) for item in value)
    return isinstance(value, _PLAIN_VALUES)
