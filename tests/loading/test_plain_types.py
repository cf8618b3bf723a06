"""Which annotations mean a plain value, of a parameter and of a result, also for each partition of a batch."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Dict, List, Literal, NewType, NotRequired, Optional, TypedDict  # noqa: UP035

import polars as pl
import pytest

from assets_core.loading.plain_types import is_plain, is_plain_for_each_partition, may_be_none

Number = NewType("Number", int)


class Tree(TypedDict):
    name: str
    more: NotRequired[list[Tree]]


class Frames(TypedDict):
    frame: pl.DataFrame


PLAIN: list[Any] = [
    str,
    int,
    float,
    bool,
    type(None),
    dict,
    list,
    Mapping,
    Sequence,
    dict[str, int],
    Dict[str, float],  # noqa: UP006
    List[str],  # noqa: UP006
    Mapping[str, list[dict[str, float | None]]],
    Sequence[bool],
    dict[str, Any],
    list[object],
    Optional[str],  # noqa: UP045
    str | int | None,
    Literal["ok", 3, None],
    Annotated[str, "a remark"],
    Number,
    Tree,
    list[Tree],
]
OTHERS: list[Any] = [
    None,
    Any,
    object,
    bytes,
    dt.date,
    tuple[int, str],
    set[str],
    dict[int, str],
    dict[str, dt.date],
    list[pl.DataFrame],
    pl.DataFrame,
    pl.DataFrame | None,
    str | pl.DataFrame,
    Mapping[str, pl.DataFrame],
    Frames,
    Literal[b"x"],
]


@pytest.mark.parametrize("annotation", PLAIN, ids=str)
def test_types_that_json_holds_are_plain(annotation: object) -> None:
    assert is_plain(annotation)


@pytest.mark.parametrize("annotation", OTHERS, ids=str)
def test_other_types_are_not_plain(annotation: object) -> None:
    assert not is_plain(annotation)


@pytest.mark.parametrize(
    ("annotation", "plain"),
    [
        (dict[str, int], True),
        (Mapping[str, dict[str, int]], True),
        (dict[str, str | Exception], True),
        (Iterator[tuple[str, str]], True),
        (Iterable[tuple[str, list[int] | ValueError]], True),
        (AsyncIterator[tuple[str, float]], True),
        (dict[str, pl.DataFrame], False),
        (dict[str, pl.DataFrame | Exception], False),
        (dict[str, Exception], False),
        (dict[str, Any], False),
        (dict, False),
        (Iterator[tuple[str, pl.DataFrame]], False),
        (Iterator[str], False),
        (str, False),
    ],
    ids=str,
)
def test_a_batch_makes_values_where_each_partition_has_one(annotation: object, plain: bool) -> None:
    assert is_plain_for_each_partition(annotation) == plain


def test_none_is_admitted_where_it_is_named() -> None:
    assert may_be_none(str | int | None)
    assert may_be_none(type(None))
    assert not may_be_none(str | int)
    assert not may_be_none(dict[str, int | None])
