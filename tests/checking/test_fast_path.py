"""The fast path may only say yes where pandera itself says yes; what it does not understand it leaves to pandera."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pandera.config import ValidationDepth, config_context

from assets_core.checking.contract import compile_contract
from assets_core.checking.fast_path import fast_path

NAMES = ["a", "b", "c d", "check_output", "_duplicated"]
COMPARISONS = ["ge", "gt", "le", "lt", "eq", "ne", "in_range", "isin", "notin"]
STRING_CHECKS = ["str_matches", "str_contains", "str_startswith", "str_endswith", "str_length"]


@dataclass(frozen=True)
class Kind:
    dtype: Any
    values: tuple[Any, ...]


KINDS = [
    Kind(pl.Int64, (-1, 0, 1, 2)),
    Kind(pl.Int8, (-1, 0, 1)),
    Kind(pl.UInt16, (0, 1, 2)),
    Kind(pl.Float64, (-1.5, -0.0, 0.0, 2.0, float("nan"), float("inf"))),
    Kind(pl.Float32, (-1.5, 0.0, float("nan"))),
    Kind(pl.String, ("", "x", "xy", "é")),
    Kind(pl.Boolean, (True, False)),
    Kind(pl.Binary, (b"x", b"")),
    Kind(pl.Date, (dt.date(2013, 1, 1), dt.date(2013, 1, 2))),
    Kind(pl.Time, (dt.time(1), dt.time(2))),
    Kind(pl.Datetime, (dt.datetime(2013, 1, 1), dt.datetime(2013, 1, 2))),  # noqa: DTZ001  naive on purpose
    Kind(pl.Datetime("ns", "UTC"), (dt.datetime(2013, 1, 1, tzinfo=dt.UTC),)),
    Kind(pl.Duration("ms"), (dt.timedelta(0), dt.timedelta(1))),
    Kind(pl.Decimal(10, 2), (Decimal("-1.50"), Decimal("2.00"))),
    Kind(pl.Categorical, ("x", "y")),
    Kind(pl.Enum(["x", "y"]), ("x", "y")),
]


def built_in(name: str, value: Any) -> pa.Check:
    make: Callable[[Any], pa.Check] = getattr(pa.Check, name)
    return make(value)


@st.composite
def checks(draw: st.DrawFn, kind: Kind) -> pa.Check:
    if (kind.dtype == pl.String and draw(st.booleans())) or draw(st.integers(0, 20)) == 0:
        name = draw(st.sampled_from(STRING_CHECKS))
        if name == "str_length":
            lengths = draw(st.sampled_from([(0, 2, None), (1, None, None), (None, 1, None), (None, None, 1)]))
            return pa.Check.str_length(min_value=lengths[0], max_value=lengths[1], exact_value=lengths[2])
        if name in ("str_matches", "str_contains"):
            return built_in(name, draw(st.sampled_from(["x", "x|y", re.compile("^.?")])))
        return built_in(name, draw(st.sampled_from(["", "x", "y"])))
    name = draw(st.sampled_from(COMPARISONS))
    likely = st.sampled_from(kind.values)
    foreign = st.sampled_from(draw(st.sampled_from(KINDS)).values)
    if name in ("isin", "notin"):
        chosen: list[Any] = draw(st.lists(st.one_of(likely, likely, st.none(), foreign), min_size=1, max_size=4))
        return built_in(name, chosen)
    if name == "in_range":
        low, high = sorted(draw(st.lists(likely, min_size=2, max_size=2)))
        if not low < high:
            return pa.Check.ge(low)
        return pa.Check.in_range(low, high, *draw(st.tuples(st.booleans(), st.booleans())))
    return built_in(name, draw(st.one_of(likely, likely, likely, likely, foreign)))


@st.composite
def schemas(draw: st.DrawFn) -> tuple[pa.DataFrameSchema, dict[str, Kind]]:
    names = draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True))
    kinds = {name: draw(st.sampled_from(KINDS)) for name in names}
    columns = {
        name: pa.Column(
            kind.dtype,
            draw(st.lists(checks(kind), max_size=2)),
            nullable=draw(st.booleans()),
            unique=draw(st.integers(0, 3)) == 0,
            required=draw(st.integers(0, 3)) != 0,
        )
        for name, kind in kinds.items()
    }
    joint = names[:2] if len(names) > 1 and draw(st.booleans()) else None
    schema = pa.DataFrameSchema(columns, strict=draw(st.booleans()), ordered=draw(st.booleans()), unique=joint)
    return schema, kinds


@st.composite
def cases(draw: st.DrawFn) -> tuple[pa.DataFrameSchema, pl.DataFrame]:
    schema, kinds = draw(schemas())
    height = draw(st.integers(0, 3))
    columns: dict[str, pl.Series] = {}
    for name, declared in kinds.items():
        fate = draw(st.integers(0, 11))
        if fate == 0:
            continue
        kind = draw(st.sampled_from(KINDS)) if fate == 1 else declared
        null = [None] if fate == 2 else []
        values = draw(st.lists(st.sampled_from([*kind.values, *null]), min_size=height, max_size=height))
        columns[name] = pl.Series(name, values, dtype=kind.dtype)
    if draw(st.integers(0, 7)) == 0:
        extra = draw(st.sampled_from([*NAMES, "extra"]))
        columns.setdefault(extra, pl.Series(extra, [7] * height, dtype=pl.Int64))
    names = list(columns)
    if draw(st.integers(0, 3)) == 0:
        names = draw(st.permutations(names))
    return schema, pl.DataFrame([columns[name] for name in names])


def pandera_passes(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> bool:
    with config_context(validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            schema.validate(frame, lazy=True)
        except (Exception, pl.exceptions.PanicException):  # noqa: BLE001  a refusal, or a failure pandera cannot list
            return False
    return True


@given(cases(), st.booleans())
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_fast_path_says_yes_exactly_where_pandera_says_yes(
    case: tuple[pa.DataFrameSchema, pl.DataFrame], lazy: bool
) -> None:
    schema, frame = case
    path = fast_path(schema)
    expected = pandera_passes(schema, frame)
    if path is None:
        event("not understood")
        return
    said = path.passes(frame.lazy() if lazy else frame)
    event(f"fast path says {said}, pandera {expected}")
    assert not (said and not expected), "a false yes"
    assert said == expected, "a needless no"


@given(cases(), st.booleans())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_contract_and_pandera_agree_and_a_refusal_names_its_cases(
    case: tuple[pa.DataFrameSchema, pl.DataFrame], lazy: bool
) -> None:
    schema, frame = case
    result = compile_contract(schema).judge(frame.lazy() if lazy else frame)

    assert result.passed == pandera_passes(schema, frame)
    assert result.passed == (not result.failures)
    assert result.metrics["failures"] == 0 or not result.passed


def column(**options: Any) -> pa.DataFrameSchema:
    return pa.DataFrameSchema({"a": pa.Column(int, **options)})


def positive(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key) > 0)


def with_dtype(dtype: Any) -> pa.DataFrameSchema:
    return pa.DataFrameSchema({"a": pa.Column(dtype)})


class OwnColumn(pa.Column):
    pass


class OwnSchema(pa.DataFrameSchema):
    pass


NOT_UNDERSTOOD: dict[str, Callable[[], pa.DataFrameSchema]] = {
    "custom check": lambda: column(checks=pa.Check(positive)),
    "custom check named like a built-in": lambda: column(checks=pa.Check(positive, name="isin")),
    "element wise": lambda: column(checks=pa.Check(lambda value: value > 0, element_wise=True)),
    "nulls count": lambda: column(checks=pa.Check.ge(0, ignore_na=False)),
    "grouped": lambda: column(checks=pa.Check.ge(0, groupby="a")),
    "values of the whole column": lambda: column(checks=pa.Check.unique_values_eq([1])),
    "expression as value": lambda: column(checks=pa.Check.ge(pl.col("a").max())),
    "series as values": lambda: column(checks=pa.Check(pa.Check.isin([1])._check_fn, allowed_values=pl.Series([1]))),
    "frame check": lambda: pa.DataFrameSchema({"a": pa.Column(int)}, checks=pa.Check.ge(0)),
    "frame dtype": lambda: pa.DataFrameSchema({"a": pa.Column(int)}, dtype=int),
    "no dtype": lambda: pa.DataFrameSchema({"a": pa.Column(checks=pa.Check.ge(0))}),
    "nested dtype": lambda: with_dtype(pl.List(pl.Int64)),
    "nested schema": lambda: with_dtype(pa.DataFrameSchema({"x": pa.Column(int)})),
    "regex": lambda: pa.DataFrameSchema({"^a.*$": pa.Column(int)}),
    "regex by option": lambda: pa.DataFrameSchema({"a.*": pa.Column(int, regex=True)}),
    "wildcard": lambda: pa.DataFrameSchema({"*": pa.Column(int)}),
    "coerce": lambda: column(coerce=True),
    "default": lambda: column(default=1),
    "dropped rows": lambda: column(drop_invalid_rows=True),
    "filter": lambda: pa.DataFrameSchema({"a": pa.Column(int)}, strict="filter"),
    "missing columns added": lambda: pa.DataFrameSchema({"a": pa.Column(int)}, add_missing_columns=True),
    "unique over an optional column": lambda: pa.DataFrameSchema({"a": pa.Column(int, required=False)}, unique=["a"]),
    "unique over an undeclared column": lambda: pa.DataFrameSchema({"a": pa.Column(int)}, unique=["b"]),
    "own column class": lambda: pa.DataFrameSchema({"a": OwnColumn(int)}),
    "own schema class": lambda: OwnSchema({"a": pa.Column(int)}),
}


@pytest.mark.parametrize("name", NOT_UNDERSTOOD)
def test_what_is_not_understood_has_no_fast_path(name: str) -> None:
    assert fast_path(NOT_UNDERSTOOD[name]()) is None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.dtype))
def test_every_flat_dtype_has_a_fast_path_that_says_yes_to_its_values(kind: Kind) -> None:
    path = fast_path(pa.DataFrameSchema({"a": pa.Column(kind.dtype, unique=True)}))
    value = kind.values[0]

    assert path is not None
    assert path.passes(pl.DataFrame([pl.Series("a", [value], dtype=kind.dtype)]))
    assert not path.passes(pl.DataFrame([pl.Series("a", [None], dtype=kind.dtype)]))
    assert not path.passes(pl.DataFrame([pl.Series("a", [value, value], dtype=kind.dtype)]))


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        (pl.Datetime, pl.Datetime("ns")),
        (pl.Datetime("us"), pl.Datetime("us", "UTC")),
        (pl.Datetime("us", "UTC"), pl.Datetime("us", "Europe/Rome")),
        (pl.Duration("us"), pl.Duration("ms")),
        (pl.Decimal(10, 2), pl.Decimal(10, 3)),
        (pl.Decimal(10, 2), pl.Decimal(12, 2)),
        (pl.Enum(["x", "y"]), pl.Enum(["x"])),
        (pl.Enum(["x", "y"]), pl.Enum(["y", "x"])),
        (pl.Int64, pl.Int32),
        (pl.String, pl.Categorical),
    ],
    ids=str,
)
def test_a_near_miss_of_a_dtype_is_a_no(declared: Any, found: Any) -> None:
    schema = with_dtype(declared)
    path = fast_path(schema)
    frame = pl.DataFrame(schema={"a": found})

    assert path is not None
    assert not path.passes(frame)
    assert not pandera_passes(schema, frame)


APART: Any = [["a"], ["b"]]  # pandera takes it, its annotation does not
TWO = {"a": pa.Column(int), "b": pa.Column(int)}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (pa.DataFrameSchema(TWO, ordered=True), {"a": [1], "x": [1], "b": [1]}, {"b": [1], "a": [1]}),
        (pa.DataFrameSchema(TWO, strict=True), {"b": [1], "a": [1]}, {"a": [1], "b": [1], "x": [1]}),
        (pa.DataFrameSchema(TWO), {"b": [1], "a": [1]}, {"a": [1]}),
        (pa.DataFrameSchema(TWO, unique=["a", "b"]), {"a": [1, 1], "b": [1, 2]}, {"a": [1, 1], "b": [2, 2]}),
        (pa.DataFrameSchema(TWO, unique=APART), {"a": [1, 2], "b": [1, 2]}, {"a": [1, 2], "b": [2, 2]}),
    ],
    ids=["ordered", "strict", "required", "unique together", "unique apart"],
)
@pytest.mark.parametrize("lazy", [False, True], ids=["eager", "lazy"])
def test_each_demand_on_the_frame_is_understood(
    schema: pa.DataFrameSchema, good: dict[str, Any], bad: dict[str, Any], lazy: bool
) -> None:
    path = fast_path(schema)

    assert path is not None
    for data, expected in ((good, True), (bad, False)):
        frame = pl.DataFrame(data)
        assert path.passes(frame.lazy() if lazy else frame) is expected
        assert pandera_passes(schema, frame) is expected


def test_a_lazy_frame_is_read_for_the_judged_columns_only() -> None:
    def fail(_: pl.Series) -> pl.Series:
        raise AssertionError("read a column that is not judged")

    path = fast_path(column(checks=pa.Check.ge(0)))
    data = pl.LazyFrame({"a": [1], "b": [2]}).with_columns(pl.col("b").map_batches(fail, return_dtype=pl.Int64))

    assert path is not None
    assert path.passes(data)
