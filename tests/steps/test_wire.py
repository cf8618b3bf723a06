"""Do steps and their outcomes cross to a worker and back as they are?"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_core.errors import AssetsError, Place
from assets_core.executors.frames import Frames, framed
from assets_core.io.manager import Reference, Stored
from assets_core.model.asset import Asset, AssetKind, CheckSpec, HandOff
from assets_core.model.checks import CheckResult, FailureCase, Severity
from assets_core.model.keys import AssetKey, PartitionKey
from assets_core.model.partitions import Partition
from assets_core.model.reads import ColumnsRead
from assets_core.steps.wire import (
    outcome_from_json,
    outcome_to_json,
    refusal_to_json,
    work_from_json,
    work_to_json,
)
from assets_core.steps.work import CellOutcome, Source, StepOutcome, Work, WorkInput
from assets_core.versions.data import ColumnVersion, DataVersion

KEY = AssetKey("shop/sales")
ASSET = Asset(KEY, AssetKind.FUNCTION, Place("x.py", 1), "0" * 32, checks=(CheckSpec("c", Severity.WARN, "1" * 32),))
TEXT = st.text(st.characters(), max_size=8)  # with halves of surrogate pairs
ZONES = [
    ZoneInfo("Europe/Berlin"),
    ZoneInfo("America/St_Johns"),
    ZoneInfo("UTC"),
    UTC,
    timezone(timedelta(minutes=-90)),
]
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.sampled_from(ZONES))  # noqa: DTZ001
NUMBERS = st.integers(-(2**80), 2**80)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def folded(moment: datetime, fold: int) -> datetime:
    return moment.replace(fold=fold)


AWARE = st.builds(folded, MOMENTS, st.integers(0, 1))
SIMPLE = st.builds(Partition, TEXT, optional(AWARE), optional(AWARE))
PARTITIONS = SIMPLE | st.builds(Partition, TEXT, optional(AWARE), optional(AWARE), st.dictionaries(TEXT, SIMPLE))
REFERENCES = st.builds(Reference, TEXT, TEXT, TEXT)
PATHS = st.sampled_from([None, Path("/a/ü"), Path("relative/'")])
SOURCES = st.builds(Source, TEXT, PATHS, optional(PARTITIONS), TEXT, TEXT)
COLUMNS = optional(st.lists(TEXT, max_size=3).map(tuple))
INPUTS = st.builds(
    WorkInput,
    TEXT,
    st.sampled_from(HandOff),
    COLUMNS,
    st.booleans(),
    st.lists(st.tuples(optional(TEXT), REFERENCES | SOURCES), max_size=3).map(tuple),
    st.booleans(),
)
WORKS = st.builds(
    Work,
    st.integers(0, 2**40),
    st.just(ASSET),
    st.lists(st.integers(-(2**40), 2**40), max_size=3).map(tuple),
    st.lists(optional(PARTITIONS), max_size=3).map(tuple),
    st.lists(INPUTS, max_size=2).map(tuple),
    optional(REFERENCES),
    st.integers(1, 9),
    st.booleans(),
)
STORED = st.builds(
    Stored,
    st.builds(DataVersion, TEXT, st.integers(0), st.lists(st.builds(ColumnVersion, TEXT, TEXT, TEXT)).map(tuple)),
    TEXT,
    st.integers(0),
    TEXT,
    st.none(),
    TEXT,
)
CHECKS = st.builds(
    CheckResult,
    TEXT,
    st.sampled_from(Severity),
    st.booleans(),
    optional(st.integers(0)),
    TEXT,
    st.lists(st.builds(FailureCase, optional(TEXT), TEXT, optional(st.integers(0)), TEXT), max_size=2).map(tuple),
    st.dictionaries(TEXT, st.none() | st.booleans() | NUMBERS | st.floats() | TEXT, max_size=3),
)
CELLS = st.builds(
    CellOutcome,
    st.integers(),
    optional(STORED),
    st.lists(CHECKS, max_size=2).map(tuple),
    optional(TEXT),
    optional(TEXT),
    TEXT,
    TEXT,
    st.lists(TEXT, max_size=3).map(tuple),
    st.dictionaries(TEXT, JSON, max_size=3),
)
READS = st.dictionaries(TEXT, optional(st.builds(ColumnsRead, st.lists(TEXT).map(tuple), st.booleans())), max_size=2)
STARTS = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(fold=0))


def crossed(document: dict[str, Any]) -> dict[str, Any]:
    """Return a message as the other end gets it, in pieces."""
    frames, found = Frames(), []
    data = framed(document)
    for start in range(0, len(data), 1000):
        found += frames.feed(data[start : start + 1000])
    (document,) = found
    return document


@given(WORKS)
def test_a_step_crosses_as_it_is(work: Work) -> None:
    crossing = work_from_json(crossed(work_to_json(work)), {KEY: ASSET})
    assert repr(crossing) == repr(work)  # which tells zones, folds, types and NaN apart


@given(st.lists(CELLS, max_size=2).map(tuple), STARTS, st.floats(0), READS)
def test_an_outcome_crosses_as_it_is(
    cells: tuple[CellOutcome, ...], started_at: datetime, seconds: float, reads: dict[str, ColumnsRead | None]
) -> None:
    outcome = StepOutcome(Work(1, ASSET, (), ()), cells, started_at, seconds, reads)
    crossing = outcome_from_json(crossed(outcome_to_json(outcome)), outcome.work)
    assert repr(crossing) == repr(outcome)


@given(AWARE)
def test_a_moment_means_the_same_on_both_sides(moment: datetime) -> None:
    work = Work(1, ASSET, (0,), (Partition(PartitionKey("p"), moment),))
    (partition,) = work_from_json(crossed(work_to_json(work)), {KEY: ASSET}).partitions
    assert partition is not None
    assert partition.start is not None
    assert partition.start.tzinfo == moment.tzinfo
    assert (partition.start.utcoffset(), partition.start.timestamp()) == (moment.utcoffset(), moment.timestamp())


def test_a_table_does_not_cross() -> None:
    stored = Stored(DataVersion("v", 1, ()), "f", 1, "d", pa.table({"a": [1]}))
    outcome = StepOutcome(Work(1, ASSET, (0,), (None,)), (CellOutcome(0, stored),), datetime.now(UTC), 0.0)
    crossing = outcome_from_json(crossed(outcome_to_json(outcome)), outcome.work)
    assert crossing.cells[0].stored == Stored(stored.data, "f", 1, "d")


@pytest.mark.parametrize(
    "other",
    [
        Asset(KEY, AssetKind.FUNCTION, Place("x.py", 1), "2" * 32, checks=ASSET.checks),
        Asset(KEY, AssetKind.FUNCTION, Place("x.py", 1), "0" * 32),
        Asset(AssetKey("other"), AssetKind.FUNCTION, Place("x.py", 1), "0" * 32),
    ],
)
def test_another_version_of_the_asset_is_refused_and_the_refusal_is_the_outcome(other: Asset) -> None:
    work = Work(3, ASSET, (5, 6), (None, None), attempt=2)
    document = crossed(work_to_json(work))
    with pytest.raises(AssetsError, match="the definitions changed while the run went on") as raised:
        work_from_json(document, {other.key: other})
    outcome = outcome_from_json(crossed(refusal_to_json(document, raised.value)), work)
    assert [(cell.ordinal, cell.error) for cell in outcome.cells] == [(5, "AssetsError"), (6, "AssetsError")]
    assert "shop/sales" in outcome.cells[0].message


def test_the_outcome_of_another_attempt_is_refused() -> None:
    outcome = StepOutcome(Work(3, ASSET, (), ()), (), datetime.now(UTC), 0.0)
    with pytest.raises(AssetsError, match="attempt 1 of step 3, not attempt 2 of step 3"):
        outcome_from_json(outcome_to_json(outcome), Work(3, ASSET, (), (), attempt=2))


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(AssetsError, match="a message is no JSON"):
        framed({"metadata": {"value": object()}})


@given(st.lists(st.dictionaries(TEXT, JSON, max_size=2), max_size=4), st.integers(1, 40))
def test_messages_come_out_whole_however_the_stream_is_cut(messages: list[dict[str, Any]], size: int) -> None:
    stream = b"".join(framed(message) for message in messages)
    frames, found = Frames(), []
    for start in range(0, len(stream), size):
        found += frames.feed(stream[start : start + size])
    assert json.dumps(found) == json.dumps(messages)


def test_a_stream_that_announces_too_much_is_refused() -> None:
    with pytest.raises(ValueError, match=r"4,294,967,295 bytes"):
        list(Frames().feed(b"\xff\xff\xff\xff"))
