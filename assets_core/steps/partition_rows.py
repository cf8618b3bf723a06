"""Which partition does each row of a query's result belong to? Told by one of its columns: a key, a date or a time.

Called by `batches.py`. No row is ever left out or guessed at: one that cannot be placed refuses them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import OutputError, did_you_mean
from ..model.partitions import Partition, Partitions, TimePartitions
from ..model.partitions.timed import first_moment

if TYPE_CHECKING:
    Values = pa.ChunkedArray[Any]

Numbers = npt.NDArray[np.int64]

_NOWHERE, _TWICE = -1, -2
_SHOWN = 3
_US_A_DAY = 86_400_000_000
_FARTHEST_DAYS = int(np.iinfo(np.int64).max) // _US_A_DAY
_NEVER = int(np.iinfo(np.int64).min)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # of times as a clock shows them


def rows_by_partition(
    table: pa.Table, column: str, partitions: Sequence[Partition], definition: Partitions | None
) -> list[pa.Table]:
    """Return the rows of each partition, in their order; `partitions` are those that were asked for, ascending.

    The column holds keys as text or, where partitions are of time, dates or times: those without a zone are of the
    clock in the definition's zone.

    Raises: OutputError where there is no such column, it is of another type, or a row belongs to none of them.
    """
    if table.schema.names.count(column) != 1:
        raise OutputError(
            f"the query has no column {column!r}, by which batch={column!r} tells partitions apart"
            f"{did_you_mean(column, table.schema.names)}",
            remedy=f"select it, as in AS {column}; there are {', '.join(table.schema.names)}",
        )
    values = table.column(column)
    if values.null_count:
        raise OutputError(
            f"{_rows(values.null_count)} of the query with NULL in {column!r}, which is no partition",
            remedy="leave such rows out of the query, or give them a value there",
        )
    places = _places(values, column, partitions, definition)
    if (places == _TWICE).any():
        raise OutputError(
            _refused(values, column, places == _TWICE, "at a time that the clock shows twice, in two partitions"),
            remedy=f"select {column} as TIMESTAMPTZ, which says which of them is meant",
        )
    if (places == _NOWHERE).any():
        asked = " to ".join(dict.fromkeys((partitions[0].key, partitions[-1].key)))
        raise OutputError(
            _refused(values, column, places == _NOWHERE, f"of no partition that was asked for ({asked})"),
            remedy="filter by $partition_start and $partition_end, or by list_contains($partition_keys, ...)",
        )
    order = np.argsort(places, kind="stable")
    bounds = np.searchsorted(places[order], np.arange(len(partitions) + 1))
    return [table.take(order[low:high]) for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]


def _places(values: Values, column: str, partitions: Sequence[Partition], definition: Partitions | None) -> Numbers:
    """Return the position of each row's partition, or that it is nowhere."""
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        keys = pa.array([partition.key for partition in partitions], pa.string())
        found = pc.index_in(values.cast(pa.string()), value_set=keys)
        return _numbers(found.fill_null(_NOWHERE))  # type: ignore[arg-type]  # its stub is wrong: this is chunked too
    is_of_time = isinstance(definition, TimePartitions)
    if not is_of_time or not (pa.types.is_date32(kind) or pa.types.is_timestamp(kind)):
        wanted = "a key as text, a DATE or a TIMESTAMP" if is_of_time else "keys as text"
        raise OutputError(
            f"column {column!r} tells partitions apart but is of type {kind}", remedy=f"select {wanted} under this name"
        )
    assert isinstance(definition, TimePartitions)  # noqa: S101  # seen above
    return _places_in_time(values, partitions, definition)


def _places_in_time(values: Values, partitions: Sequence[Partition], definition: TimePartitions) -> Numbers:
    windows = [(each.start, each.end) for each in partitions if each.start is not None and each.end is not None]
    starts = np.array([_microseconds(start) for start, _ in windows], np.int64)
    ends = np.array([_microseconds(end) for _, end in windows], np.int64)
    moments = _clock(values)
    # What is far from every window is nowhere, whatever the zone: also the infinite dates, which no clock shows.
    near = (moments >= starts.min() - 2 * _US_A_DAY) & (moments < ends.max() + 2 * _US_A_DAY)
    places = np.full(len(moments), _NOWHERE, np.int64)
    if pa.types.is_timestamp(values.type) and values.type.tz is not None:
        places[near] = _within(moments[near], starts, ends)
        return places
    earliest, latest = _moments_of_clock(moments[near], definition)
    first, last = _within(earliest, starts, ends), _within(latest, starts, ends)
    places[near] = np.where(first == last, first, _TWICE)
    return places


def _within(moments: Numbers, starts: Numbers, ends: Numbers) -> Numbers:
    """Return the position of the window that holds each moment; windows ascend and do not overlap."""
    places = np.searchsorted(starts, moments, side="right") - 1
    return np.where((places >= 0) & (moments < ends[places]), places, _NOWHERE)


def _clock(values: Values) -> Numbers:
    """Return dates and times as microseconds since 1970, cut off below them, as their clock reads."""
    if pa.types.is_date32(values.type):
        days = _numbers(values.cast(pa.int32()))
        return np.clip(days, -_FARTHEST_DAYS, _FARTHEST_DAYS) * _US_A_DAY
    numbers = _numbers(values.cast(pa.int64()))
    if values.type.unit == "ns":
        return numbers // 1_000
    factor = {"s": 1_000_000, "ms": 1_000, "us": 1}[values.type.unit]
    limit = np.iinfo(np.int64).max // factor
    return np.clip(numbers, -limit, limit) * factor


def _numbers(values: Values) -> Numbers:
    """Return integers without NULL as an array; to ask a chunked array for one would import pandas."""
    chunks = [chunk.to_numpy(zero_copy_only=False) for chunk in values.chunks]
    return np.concatenate([np.zeros(0, np.int64), *chunks]).astype(np.int64, copy=False)


def _moments_of_clock(clock: Numbers, definition: TimePartitions) -> tuple[Numbers, Numbers]:
    """Return the first and the last moment at which a zone's clocks read so: two in an hour that comes twice, else one.

    A midnight that is skipped is the moment behind the gap, on the same date; another time that is skipped is never.
    """
    import polars as pl

    known, positions = np.unique(clock, return_inverse=True)
    local = pl.Series(known).cast(pl.Datetime("us"))
    earliest, latest = (
        local.dt.replace_time_zone(definition.tz, ambiguous=which, non_existent="null").dt.epoch("us")
        for which in ("earliest", "latest")
    )
    first, last = earliest.fill_null(_NEVER).to_numpy().copy(), latest.fill_null(_NEVER).to_numpy().copy()
    for place in np.flatnonzero((first == _NEVER) & (known % _US_A_DAY == 0)).tolist():
        date = (_CLOCK_EPOCH + timedelta(microseconds=int(known[place]))).date()
        moment = first_moment(date, definition.zone)
        if moment.date() == date:
            first[place] = last[place] = _microseconds(moment)
    return first[positions], last[positions]


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _refused(values: Values, column: str, are_refused: npt.NDArray[np.bool_], why: str) -> str:
    """Return which rows are refused, by the values that most of them have."""
    rows = values.filter(pa.array(are_refused)).cast(pa.string())
    counted = pc.value_counts(rows)
    counts = counted.field("counts").to_numpy()
    most = np.argsort(-counts, kind="stable")[:_SHOWN]
    shown = ", ".join(f"{counted.field('values')[place].as_py()!r} ({counts[place]})" for place in most.tolist())
    more = f" and {len(counts) - _SHOWN} values more" if len(counts) > _SHOWN else ""
    return f"{_rows(len(rows))} of the query {why}: {column} is {shown}{more}"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
