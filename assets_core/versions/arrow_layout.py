"""Where the values of an Arrow array lie in memory, whatever its layout: views, large offsets, runs, slices.

Called by data.py. It must not know hashes or logical types.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

# The published stubs of pyarrow know neither buffers as memory nor the members of nested arrays.
AnyArray: TypeAlias = Any
Numbers: TypeAlias = np.ndarray[Any, np.dtype[Any]]

VIEW_ARRAYS = (pa.StringViewArray, pa.BinaryViewArray, pa.ListViewArray, pa.LargeListViewArray)
_LARGE_ARRAYS = (pa.LargeStringArray, pa.LargeBinaryArray, pa.LargeListArray, pa.LargeListViewArray)


def decoded(array: AnyArray, rows: Numbers | None) -> tuple[AnyArray, Numbers | None, Numbers | None]:
    """Look through extensions, dictionaries and runs at the array that stores the values.

    Returns that array, the slots of the rows that have a value (None: all, in order), and which of the rows asked for
    these are (None: all of them).
    """
    places: Numbers | None = None
    while True:
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
            continue
        # With rows given, counting nulls would scan a whole dictionary again for every block that uses it.
        if (rows is not None or array.null_count) and array.buffers()[0] is not None:
            has_value = value_bits(array, rows, place=0)
            if not has_value.all():
                kept = np.flatnonzero(has_value)
                rows = kept if rows is None else rows[kept]
                places = kept if places is None else places[kept]
                if len(kept) == 0:
                    return array, rows, places
        if isinstance(array, pa.DictionaryArray):
            index_type = array.type.index_type
            codes = np.frombuffer(value_slots(array, index_type.bit_width // 8, rows), str(index_type))
            array, rows = array.dictionary, codes.astype(np.intp)
        elif isinstance(array, pa.RunEndEncodedArray):
            run_ends = array.run_ends
            ends = np.frombuffer(value_slots(run_ends, run_ends.type.bit_width // 8, None), str(run_ends.type))
            wanted = (np.arange(len(array)) if rows is None else rows) + array.offset
            array, rows = array.values, np.searchsorted(ends, wanted.astype(ends.dtype), side="right")
        else:
            return array, rows, places


def in_parts(lengths: Numbers, limit: int) -> Iterator[tuple[int, int]]:
    """Cut rows into parts whose lengths sum to at most the limit, or that are one row."""
    totals = np.cumsum(lengths, dtype=np.int64)
    first = 0
    while first < len(totals):
        done = int(totals[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(totals, done + limit, side="right")))
        yield first, last
        first = last


def value_ranges(array: AnyArray, rows: Numbers | None) -> tuple[Numbers, Numbers]:
    """Return where each string or list starts, and its length."""
    width = 8 if isinstance(array, _LARGE_ARRAYS) else 4
    if isinstance(array, VIEW_ARRAYS):
        starts = np.frombuffer(value_slots(array, width, rows), f"<i{width}")
        return starts, np.frombuffer(value_slots(array, width, rows, place=2), f"<i{width}")
    first = array.offset
    bounds = np.frombuffer(
        memoryview(array.buffers()[1])[first * width : (first + len(array) + 1) * width], f"<i{width}"
    )
    if rows is None:
        return bounds[:-1], bounds[1:] - bounds[:-1]
    starts = bounds[rows]
    return starts, bounds[rows + 1] - starts


def adjoin(starts: Numbers, lengths: Numbers) -> bool:
    return bool((starts[1:] == starts[:-1] + lengths[:-1]).all())


def value_slots(array: AnyArray, width: int, rows: Numbers | None, place: int = 1) -> memoryview:
    """Return the slots of a buffer of the array (by default the values): all, uncopied, or the given rows, gathered."""
    start = array.offset * width
    slots = memoryview(array.buffers()[place])[start : start + len(array) * width]
    if rows is None:
        return slots
    return as_memory(np.frombuffer(slots, f"<u{width}" if width in (1, 2, 4, 8) else f"V{width}")[rows])


def value_bits(array: AnyArray, rows: Numbers | None, place: int) -> Numbers:
    packed = np.frombuffer(memoryview(array.buffers()[place]), np.uint8)
    if rows is None:
        first, skipped = divmod(array.offset, 8)
        bits = np.unpackbits(packed[first:], count=skipped + len(array), bitorder="little")[skipped:]
    else:
        places = rows + array.offset
        bits = packed[places >> 3] >> (places & 7).astype(np.uint8) & 1
    return bits.view(np.bool_)


def as_memory(values: Numbers) -> memoryview:
    """Return the memory of an array, which blake3 takes as bytes only."""
    return values.reshape(-1).view(np.uint8).data
