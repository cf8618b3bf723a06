"""A plain value survives being a table and back, exactly; what would not is refused; equal values are equal data."""

from __future__ import annotations

import datetime as dt
import enum
import math
from collections import OrderedDict
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_core.errors import InputError, OutputError
from assets_core.io.values import value_of, value_table
from assets_core.versions.data import DataHasher

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=12,
)


def digest(table: pa.Table) -> str:
    hasher = DataHasher(table.schema)
    for batch in table.to_batches():
        hasher.update(batch)
    return hasher.finish().digest


def same(one: object, other: object) -> bool:
    """Tell whether two values are equal and of the same types: 1 is not 1.0, nor True, and 0.0 is not -0.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


@given(JSON)
def test_every_json_value_comes_back_exactly(value: Any) -> None:
    assert same(value_of(value_table(value)), value)


@given(JSON, JSON)
def test_two_values_are_the_same_data_only_if_they_are_the_same(one: Any, other: Any) -> None:
    assert (digest(value_table(one)) == digest(value_table(other))) == same(one, other)


def test_the_order_of_names_is_no_part_of_a_value() -> None:
    assert value_table({"a": 1, "b": 2}).equals(value_table({"b": 2, "a": 1}))


class Colour(enum.StrEnum):
    RED = "red"


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (math.nan, "what the function returned is nan, which JSON does not have"),
        ({"a": [1, -math.inf]}, "what the function returned at ['a'][1] is -inf"),
        (dt.datetime(2024, 1, 1, tzinfo=dt.UTC), "is a datetime.datetime, where its annotation promises a plain value"),
        ({"at": dt.date(2024, 1, 1)}, "at ['at'] is a datetime.date"),
        ({1: "one"}, "has the key 1, which is not a text"),
        ([{"a": {None: 1}}], "at [0]['a'] has the key None"),
        ((1, 2), "is a tuple"),
        ({1, 2}, "is a set"),
        (b"x", "is a bytes"),
        (Colour.RED, "Colour"),
        (np.float64(1.5), "is a numpy.float64"),
        (OrderedDict(a=1), "is a collections.OrderedDict"),
        ("\ud800", "which is not Unicode text"),
        ({"\ud800": 1}, "which is not Unicode text"),
        (CYCLE, "is nested too deeply, or holds itself"),
        (
            pl.DataFrame({"a": [1]}),
            "is a polars.dataframe.frame.DataFrame, where its annotation promises a plain value",
        ),
    ],
)
def test_what_would_not_come_back_exactly_is_refused_with_its_place(value: Any, said: str) -> None:
    with pytest.raises(OutputError) as caught:
        value_table(value)
    assert said in caught.value.what
    assert "return JSON values only" in caught.value.remedy


def test_a_number_of_more_digits_than_python_reads_is_refused() -> None:
    with pytest.raises(OutputError, match="a value that JSON cannot hold"):
        value_table(10**5000)


@pytest.mark.parametrize("table", [pa.table({"value": ["1", "2"]}), pa.table({"n": ["1"]}), pa.table({"value": []})])
def test_another_table_is_no_value(table: pa.Table) -> None:
    with pytest.raises(InputError, match="no plain value"):
        value_of(table)
