"""The content hash: equal for every layout of the same data, different for every change of the data.

Rows are Python values; `laid_out` builds an Arrow array of them by hand, from buffers, in a layout chosen by a seed.
"""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from assets_core.errors import OutputError
from assets_core.versions.data import DataHasher, DataVersion, data_version, logical_type

Array: TypeAlias = Any
few = settings(max_examples=60, deadline=None)
many = settings(max_examples=150, deadline=None)


@dataclass(frozen=True)
class Kind:
    """A type, the values it can hold (few, so that near misses are frequent), and one value to put under nulls."""

    type: pa.DataType
    values: st.SearchStrategy[Any]
    junk: Any
    children: tuple[Kind, ...] = ()

    def rows(self, size: int = 7) -> st.SearchStrategy[list[Any]]:
        return st.lists(st.none() | self.values, max_size=size)


def leaf(data_type: pa.DataType, *values: Any) -> Kind:
    return Kind(data_type, st.sampled_from(values), values[-1])


FLOATS = (0.0, -0.0, float("nan"), float("inf"), 1.5, -2.0)
TEXTS = ("", "a", "b", "ab", "abc", "\0", "é", "a text that does not fit in a view of 12 bytes")
STRING = leaf(pa.string(), *TEXTS)
STABLE = [  # what Parquet and polars keep as it is
    *(leaf(integer, 0, 1, 127) for integer in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8())),
    leaf(pa.uint64(), 0, 1, 2**63, 2**64 - 1),
    leaf(pa.float32(), *FLOATS),
    leaf(pa.float64(), *FLOATS),
    leaf(pa.bool_(), False, True),
    STRING,
    leaf(pa.binary(), *(text.encode() for text in TEXTS), b"\xff"),
    leaf(pa.date32(), 0, 1, -1),
    leaf(pa.timestamp("us"), 0, 1, -1),
    leaf(pa.timestamp("ms", "UTC"), 0, 1, -1),
    leaf(pa.duration("us"), 0, 1, -1),
    leaf(pa.time64("ns"), 0, 1_000, 10**9),
    leaf(pa.decimal128(20, 2), Decimal("0.00"), Decimal("-1.25"), Decimal("123456789012345678.90")),
]
LEAVES = [
    *STABLE,
    leaf(pa.float16(), *FLOATS),
    leaf(pa.null(), None),
    leaf(pa.date64(), 0, 86_400_000),
    leaf(pa.time32("s"), 0, 1),
    leaf(pa.month_day_nano_interval(), (0, 0, 0), (1, -2, 3)),
    leaf(pa.binary(3), b"abc", b"\0\0\0"),
    leaf(pa.decimal128(7, 2), Decimal("0.00"), Decimal("-1.25"), Decimal("99999.99")),
    leaf(pa.decimal256(60, 2), Decimal("0.00"), Decimal("-1.25"), Decimal(10**50)),
]
UUID = leaf(pa.uuid(), b"0123456789abcdef", b"\0" * 16)


def list_of(item: Kind) -> Kind:
    return Kind(pa.list_(item.type), item.rows(3), [item.junk, None], (item,))


def array_of(item: Kind) -> Kind:
    rows = st.lists(st.none() | item.values, min_size=2, max_size=2)
    return Kind(pa.list_(item.type, 2), rows, [item.junk, None], (item,))


def struct_of(members: Sequence[Kind]) -> Kind:
    named = {f"f{index}": member for index, member in enumerate(members)}
    return Kind(
        pa.struct([pa.field(name, member.type) for name, member in named.items()]),
        st.tuples(*(st.none() | member.values for member in members)).map(
            lambda row: dict(zip(named, row, strict=True))
        ),
        {name: member.junk for name, member in named.items()},
        tuple(members),
    )


def map_to(item: Kind) -> Kind:
    entries = st.lists(st.tuples(STRING.values, st.none() | item.values), max_size=3)
    return Kind(pa.map_(pa.string(), item.type), entries, [("junk", item.junk)], (STRING, item))


def kinds(leaves: list[Kind], *, maps: bool = True) -> st.SearchStrategy[Kind]:
    def nested(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
        structs = st.lists(inner, min_size=1, max_size=3).map(struct_of)
        return inner.map(list_of) | structs | inner.map(array_of) | (inner.map(map_to) if maps else st.nothing())

    return st.recursive(st.sampled_from(leaves), nested, max_leaves=4)


@dataclass(frozen=True)
class Column:
    """A kind and rows of it."""

    kind: Kind
    rows: list[Any]

    def plain(self) -> Array:
        return array_from(self.rows, self.kind.type)


ANY_KIND = kinds(LEAVES) | st.just(UUID)


def columns(choice: st.SearchStrategy[Kind] = ANY_KIND) -> st.SearchStrategy[Column]:
    return choice.flatmap(lambda kind: kind.rows().map(lambda rows: Column(kind, rows)))


seeds = st.integers(0, 2**32).map(random.Random)


def array_from(rows: Sequence[Any], data_type: pa.DataType) -> Array:
    return pa.array(rows, data_type)


def same(left: Any, right: Any) -> bool:
    """Compare values as the hash must: NaN equals NaN, and -0.0 differs from 0.0."""
    return repr(left) == repr(right)


def version(array: Array) -> DataVersion:
    return data_version(pa.table({"c": array}))


def buffer(values: Any, dtype: str) -> pa.Buffer:
    return pa.py_buffer(np.asarray(values, dtype).tobytes())


def bitmap(rows: Sequence[Any], chance: random.Random) -> pa.Buffer | None:
    """Mark the nulls of rows; where there are none the buffer may be there or not."""
    if None not in rows and chance.random() < 0.5:
        return None
    return pa.py_buffer(np.packbits(np.array([row is not None for row in rows], np.bool_), bitorder="little").tobytes())


def laid_out(rows: list[Any], kind: Kind, chance: random.Random) -> Array:
    """Build an array of the rows with random encodings, offsets, orders and garbage."""
    before, after = ([kind.junk] * chance.randrange(10) for _ in range(2))
    padded = [*before, *rows, *after]
    build = chance.choice([values_array, values_array, dictionary_array, runs_array])
    return build(padded, kind, chance).slice(len(before), len(rows))


def dictionary_array(rows: list[Any], kind: Kind, chance: random.Random) -> Array:
    order = chance.sample(range(len(rows)), len(rows))
    places: list[int | None] = [order.index(row) for row in range(len(rows))]
    for place, row in enumerate(rows):
        if row is None and chance.random() < 0.5:
            places[place] = None  # a null index instead of an index of a null
    junk = 99 if chance.random() < 0.5 else 0  # an index outside the dictionary is harmless below a null
    indices = values_array(places, Kind(chance.choice([pa.uint16(), pa.int32(), pa.int64()]), st.none(), junk), chance)
    dictionary = values_array([*(rows[row] for row in order), kind.junk, None], kind, chance)
    return pa.DictionaryArray.from_arrays(indices, dictionary, safe=False)


def runs_array(rows: list[Any], kind: Kind, chance: random.Random) -> Array:
    ends: list[int] = []
    values: list[Any] = []
    for place, row in enumerate(rows):
        if values and same(values[-1], row) and chance.random() < 0.8:
            ends[-1] = place + 1
        else:
            ends.append(place + 1)
            values.append(row)
    run_ends: Array = pa.array(ends, chance.choice([pa.int16(), pa.int32(), pa.int64()]))
    return pa.RunEndEncodedArray.from_arrays(run_ends, values_array(values, kind, chance))


def values_array(rows: list[Any], kind: Kind, chance: random.Random) -> Array:
    validity = bitmap(rows, chance)
    filled = [kind.junk if row is None else row for row in rows]
    data_type = kind.type
    if pa.types.is_null(data_type):
        return pa.nulls(len(rows))
    if isinstance(data_type, pa.BaseExtensionType):
        storage = values_array(rows, Kind(data_type.storage_type, kind.values, kind.junk), chance)
        return pa.ExtensionArray.from_storage(data_type, storage)
    if isinstance(data_type, pa.StructType):
        members = [
            laid_out([row[field.name] for row in filled], child, chance)
            for field, child in zip(data_type, kind.children, strict=True)
        ]
        names = [field.name for field in data_type]
        fields = [pa.field(name, member.type) for name, member in zip(names, members, strict=True)]
        return pa.Array.from_buffers(pa.struct(fields), len(rows), [validity], children=members)
    if isinstance(data_type, pa.FixedSizeListType):
        items = laid_out([item for row in filled for item in row], kind.children[0], chance)
        return pa.Array.from_buffers(pa.list_(items.type, 2), len(rows), [validity], children=[items])
    if isinstance(data_type, pa.MapType):
        keys = laid_out([key for row in filled for key, _ in row], kind.children[0], chance)
        items = laid_out([item for row in filled for _, item in row], kind.children[1], chance)
        map_type = pa.map_(keys.type, items.type)
        entries = pa.StructArray.from_arrays([keys, items], fields=[map_type.key_field, map_type.item_field])
        offsets = buffer(np.cumsum([0, *map(len, filled)]), "<i4")
        return pa.Array.from_buffers(map_type, len(rows), [validity, offsets], children=[entries])
    if isinstance(data_type, pa.ListType):
        return list_array(filled, kind.children[0], validity, chance)
    physical = chance.choice(storages(data_type))
    values = pa.array(filled, physical)
    if pa.types.is_floating(physical):
        values = with_other_nans(values, chance)
    return pa.Array.from_buffers(physical, len(rows), [validity, *values.buffers()[1:]])


def list_array(filled: list[Any], item: Kind, validity: pa.Buffer | None, chance: random.Random) -> Array:
    if chance.random() < 0.5:
        items = laid_out([value for row in filled for value in row], item, chance)
        large = chance.random() < 0.5
        list_type: pa.DataType = pa.large_list(items.type) if large else pa.list_(items.type)
        offsets = buffer(np.cumsum([0, *map(len, filled)]), "<i8" if large else "<i4")
        return pa.Array.from_buffers(list_type, len(filled), [validity, offsets], children=[items])
    pool: list[Any] = []
    starts = [0] * len(filled)
    for place in chance.sample(range(len(filled)), len(filled)):
        pool += [item.junk] * chance.randrange(3)
        starts[place] = len(pool)
        pool += filled[place]
    items = laid_out(pool, item, chance)
    large = chance.random() < 0.5
    width = "<i8" if large else "<i4"
    view_type: pa.DataType = pa.large_list_view(items.type) if large else pa.list_view(items.type)
    buffers = [validity, buffer(starts, width), buffer([len(row) for row in filled], width)]
    return pa.Array.from_buffers(view_type, len(filled), buffers, children=[items])


def storages(data_type: pa.DataType) -> list[pa.DataType]:
    """Return the physical types that hold the same logical type."""
    if isinstance(data_type, pa.Decimal128Type):
        digits, scale = data_type.precision, data_type.scale
        short = [pa.decimal32(digits, scale), pa.decimal64(digits, scale)] if digits <= 9 else []
        return [*short, data_type, pa.decimal256(digits, scale)]
    if pa.types.is_string(data_type):
        return [data_type, pa.large_string(), pa.string_view()]
    if pa.types.is_binary(data_type):
        return [data_type, pa.large_binary(), pa.binary_view()]
    return [data_type]


def with_other_nans(values: Array, chance: random.Random) -> Array:
    """Give every NaN a random sign and payload, quiet or signalling."""
    width = values.type.bit_width // 8
    bits = np.frombuffer(values.buffers()[1], f"<u{width}", len(values)).copy()
    exponent = {2: 0x7C00, 4: 0x7F80_0000, 8: 0x7FF0_0000_0000_0000}[width]
    for place in np.flatnonzero(np.isnan(bits.view(f"<f{width}"))):
        sign = chance.randrange(2) << (8 * width - 1)
        bits[place] = exponent | sign | chance.randrange(1, exponent & -exponent)
    return pa.Array.from_buffers(values.type, len(values), [None, pa.py_buffer(bits.tobytes())])


def cuts(length: int, chance: random.Random) -> list[slice]:
    """Cut a range into slices, some of them empty."""
    bounds = sorted([0, length, *(chance.randint(0, length) for _ in range(3))])
    return [slice(start, stop) for start, stop in pairwise(bounds)]


@many
@given(columns(), seeds)
def test_every_layout_of_the_same_rows_has_the_same_hash(column: Column, chance: random.Random) -> None:
    array = laid_out(column.rows, column.kind, chance)
    assert version(array) == version(column.plain())


@few
@given(columns(), seeds)
def test_chunks_and_slices_do_not_change_the_hash(column: Column, chance: random.Random) -> None:
    array = laid_out(column.rows, column.kind, chance)
    chunks = pa.chunked_array([array[part] for part in cuts(len(array), chance)], array.type)
    assert version(chunks) == version(column.plain())


@few
@given(columns(), seeds)
def test_a_hasher_fed_batches_in_any_encoding_agrees_with_the_whole_table(
    column: Column, chance: random.Random
) -> None:
    hasher = DataHasher(pa.schema([pa.field("c", column.kind.type)]))
    for part in cuts(len(column.rows), chance):
        hasher.update(pa.record_batch({"c": laid_out(column.rows[part], column.kind, chance)}))
    assert hasher.finish() == version(column.plain())


@many
@given(kinds(LEAVES).flatmap(lambda kind: st.tuples(st.just(kind), kind.rows(3), kind.rows(3))), seeds)
def test_two_columns_have_the_same_hash_exactly_when_their_rows_are_the_same(
    case: tuple[Kind, list[Any], list[Any]], chance: random.Random
) -> None:
    kind, left, right = case
    equal = version(laid_out(left, kind, chance)).digest == version(laid_out(right, kind, chance)).digest
    assert equal == same(left, right)


@many
@given(columns(), seeds)
def test_one_changed_value_changes_the_hash(column: Column, chance: random.Random) -> None:
    assume(column.rows)
    changed = list(column.rows)
    place = chance.randrange(len(changed))
    changed[place] = mutated(changed[place], column.kind, chance)
    assume(not same(changed, column.rows))
    before, after = version(column.plain()), version(laid_out(changed, column.kind, chance))
    assert before.digest != after.digest
    assert before.columns[0].digest != after.columns[0].digest
    assert (before.rows, before.columns[0].type) == (after.rows, after.columns[0].type)


def mutated(row: Any, kind: Kind, chance: random.Random) -> Any:
    """Change one thing somewhere inside a value."""
    if row is None:
        return kind.junk
    if chance.random() < 0.2:
        return None
    if isinstance(row, dict):
        name, child = chance.choice(list(zip(row, kind.children, strict=True)))
        return {**row, name: mutated(row[name], child, chance)}
    if isinstance(kind.type, pa.MapType):
        return [*row, ("junk", None)]
    if isinstance(row, list) and row and (chance.random() < 0.7 or isinstance(kind.type, pa.FixedSizeListType)):
        place = chance.randrange(len(row))
        return [*row[:place], mutated(row[place], kind.children[0], chance), *row[place + 1 :]]
    if isinstance(row, list):
        return [*row, None]
    return kind.junk


def tables(*, maps: bool = True) -> st.SearchStrategy[pa.Table]:
    """Draw tables of what Parquet and polars keep as it is."""

    def of_size(size: int) -> st.SearchStrategy[pa.Table]:
        column = kinds(STABLE, maps=maps).flatmap(
            lambda kind: st.lists(st.none() | kind.values, min_size=size, max_size=size).map(
                lambda rows: array_from(rows, kind.type)
            )
        )
        return st.lists(column, min_size=1, max_size=3).map(
            lambda arrays: pa.table({f"c{index}": array for index, array in enumerate(arrays)})
        )

    return st.integers(0, 6).flatmap(of_size)


@few
@given(tables())
def test_parquet_keeps_the_hash(table: pa.Table) -> None:
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=2)
    assert data_version(pq.read_table(file)) == data_version(table)


@few
@given(columns(kinds(LEAVES)), seeds)  # IPC has no dictionaries of extension types
def test_the_ipc_stream_keeps_the_hash(column: Column, chance: random.Random) -> None:
    table = pa.table({"c": laid_out(column.rows, column.kind, chance)})
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    assert data_version(pa.ipc.open_stream(file.getvalue()).read_all()) == version(column.plain())


@few
@given(tables(maps=False))
def test_polars_keeps_the_hash(table: pa.Table) -> None:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    for level in (pl.CompatLevel.oldest(), pl.CompatLevel.newest()):
        assert data_version(frame.to_arrow(compat_level=level)) == data_version(table)


@few
@given(tables())
def test_metadata_and_nullability_do_not_change_the_hash(table: pa.Table) -> None:
    fields = [field.with_metadata({"a": "b"}).with_nullable(table[field.name].null_count > 0) for field in table.schema]
    assert data_version(table.cast(pa.schema(fields, metadata={"written by": "somebody"}))) == data_version(table)


@few
@given(tables(), seeds)
def test_names_and_the_order_of_columns_and_rows_count(table: pa.Table, chance: random.Random) -> None:
    whole = data_version(table).digest
    names = table.column_names
    assert data_version(table.rename_columns(["other", *names[1:]])).digest != whole
    assert data_version(table.append_column("more", pa.nulls(len(table)))).digest != whole
    assert data_version(table.drop_columns(names[:1])).digest != whole
    if len(names) > 1:
        assert data_version(table.select(names[::-1])).digest != whole
    order = chance.sample(range(len(table)), len(table))
    rows = table.to_pylist()
    shuffled = data_version(pa.Table.from_batches([batch_of(table, order)])).digest
    assert (shuffled == whole) == same([rows[place] for place in order], rows)


def batch_of(table: pa.Table, order: list[int]) -> pa.RecordBatch:
    arrays = {
        name: array_from([table[name][place].as_py() for place in order], table[name].type)
        for name in table.column_names
    }
    return pa.record_batch(arrays)


def test_a_column_digest_does_not_depend_on_the_name_or_on_other_columns() -> None:
    alone = data_version(pa.table({"a": [1, 2]}))
    among = data_version(pa.table({"x": ["p", "q"], "b": [1, 2]}))
    assert alone.columns[0].digest == among.columns[1].digest
    assert [(column.name, column.type) for column in among.columns] == [("x", "string"), ("b", "int64")]
    assert (len(alone.digest), len(alone.columns[0].digest)) == (64, 32)


def test_two_columns_of_one_name_are_two_columns() -> None:
    one, two = array_from([1], pa.int64()), array_from([2], pa.int64())
    left = data_version(pa.Table.from_arrays([one, two], ["a", "a"]))
    assert left.digest != data_version(pa.Table.from_arrays([two, one], ["a", "a"])).digest
    assert len(left.columns) == 2


def test_the_number_of_rows_counts_without_columns() -> None:
    tables = [pa.table({"a": pa.nulls(rows)}).select([]) for rows in (0, 1, 2)]
    versions = [data_version(table) for table in tables]
    assert [version.rows for version in versions] == [0, 1, 2]
    assert len({version.digest for version in versions}) == 3


DIFFERENT_TYPES = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.null(), pa.string(), pa.binary(), pa.binary(1)),
    *(pa.binary(2), pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    *(pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Europe/Paris")),
    *(pa.duration("s"), pa.duration("ns"), pa.month_day_nano_interval(), pa.uuid(), pa.binary(16), pa.bool8()),
    *(pa.decimal128(10, 2), pa.decimal128(10, 3), pa.decimal128(11, 2), pa.decimal256(40, 2)),
    *(pa.list_(pa.int8()), pa.list_(pa.int16()), pa.list_(pa.int8(), 1), pa.list_(pa.int8(), 2)),
    *(pa.list_(pa.list_(pa.int8())), pa.map_(pa.string(), pa.int8()), pa.map_(pa.binary(), pa.int8())),
    pa.list_(pa.struct([("key", pa.string()), ("value", pa.int8())])),
    *(pa.struct([]), pa.struct([("a", pa.int8())]), pa.struct([("b", pa.int8())]), pa.struct([("a", pa.int16())])),
    *(pa.struct([("a", pa.int8()), ("b", pa.int8())]), pa.struct([("b", pa.int8()), ("a", pa.int8())])),
    pa.struct([("a: int8, b", pa.int8())]),
    *(pa.fixed_shape_tensor(pa.int8(), shape) for shape in ([2, 3], [3, 2])),
    *(pa.opaque(pa.string(), name, "vendor") for name in ("x", "y")),
]


def test_different_types_differ_even_without_a_value() -> None:
    assert len({logical_type(data_type) for data_type in DIFFERENT_TYPES}) == len(DIFFERENT_TYPES)
    for rows in (0, 2):
        assert len({version(pa.nulls(rows, data_type)).digest for data_type in DIFFERENT_TYPES}) == len(DIFFERENT_TYPES)


@pytest.mark.parametrize(
    ("name", "data_types"),
    [
        ("string", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string_view())]),
        ("binary", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.run_end_encoded(pa.int16(), pa.binary())]),
        ("decimal(7, 2)", [pa.decimal32(7, 2), pa.decimal64(7, 2), pa.decimal128(7, 2), pa.decimal256(7, 2)]),
        (
            "list<string>",
            [
                pa.list_(pa.field("element", pa.large_string(), nullable=False)),
                *(pa.large_list(pa.string()), pa.list_view(pa.string()), pa.large_list_view(pa.string_view())),
            ],
        ),
        (
            "map<string, int8>",
            [pa.map_(pa.string(), pa.int8()), pa.map_(pa.large_string(), pa.int8(), True)],
        ),
        ("timestamp[us, tz=UTC]", [pa.timestamp("us", "UTC")]),
        ("extension<arrow.uuid, fixed_size_binary[16]>", [pa.uuid()]),
        (
            'struct<a: fixed_size_list<int8>[2], "b c": float>',
            [pa.struct([("a", pa.list_(pa.int8(), 2)), ("b c", pa.float32())])],
        ),
    ],
)
def test_the_logical_type_leaves_the_encoding_out(name: str, data_types: list[pa.DataType]) -> None:
    assert {logical_type(data_type) for data_type in data_types} == {name}


def test_an_extension_type_counts_whether_or_not_the_process_knows_it() -> None:
    class Celsius(pa.ExtensionType):
        def __init__(self, decimals: int) -> None:
            self.decimals = decimals
            super().__init__(pa.float64(), "test.celsius")

        def __arrow_ext_serialize__(self) -> bytes:
            return str(self.decimals).encode()

        @classmethod
        def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> Celsius:
            return cls(int(serialized))

    storage = array_from([[1.5]], pa.list_(pa.float64()))
    known = pa.ListArray.from_arrays(storage.offsets, pa.ExtensionArray.from_storage(Celsius(1), storage.values))
    table = pa.table({"c": known})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    unknown = pa.ipc.open_stream(sink.getvalue()).read_all()
    assert not isinstance(unknown.schema.field("c").type.value_type, pa.BaseExtensionType)
    assert data_version(unknown) == data_version(table)
    assert data_version(table).digest != version(storage).digest
    assert logical_type(Celsius(1)) != logical_type(Celsius(2))


def test_an_extension_over_a_nested_storage_is_read_through() -> None:
    data_type: Any = pa.fixed_shape_tensor(pa.int8(), [2])
    rows = [[1, 2], None, [3, 4], [5, 6]]
    tensors = [
        pa.ExtensionArray.from_storage(data_type, pa.array(each, data_type.storage_type)) for each in (rows, rows[1:])
    ]
    assert version(tensors[0].slice(1)) == version(tensors[1])
    assert version(tensors[0].slice(0, 3)).digest != version(tensors[1]).digest


def test_nothing_in_a_type_of_width_zero_is_still_counted() -> None:
    empties: list[tuple[pa.DataType, Any]] = [(pa.struct([]), {}), (pa.binary(0), b""), (pa.list_(pa.int8(), 0), [])]
    for data_type, empty in empties:
        cases: list[list[Any]] = [[empty], [empty, empty], [None], [None, empty], [empty, None]]
        assert len({version(array_from(rows, data_type)).digest for rows in cases}) == len(cases)
        assert version(array_from([None, empty, None], data_type).slice(1)) == version(
            array_from([empty, None], data_type)
        )


@pytest.mark.parametrize("nested", [False, True])
def test_a_union_is_refused_with_the_column_and_the_remedy(nested: bool) -> None:
    union: pa.DataType = pa.dense_union([pa.field("n", pa.int8()), pa.field("s", pa.string())])
    schema = pa.schema([pa.field("amount", pa.list_(union) if nested else union)])
    with pytest.raises(OutputError, match="column 'amount' has the type dense_union") as caught:
        DataHasher(schema)
    assert "struct with one nullable field" in caught.value.remedy
    with pytest.raises(OutputError, match="dense_union"):
        logical_type(union)


def test_a_batch_of_another_schema_is_refused() -> None:
    hasher = DataHasher(pa.schema({"a": pa.int64()}))
    for other in ({"b": array_from([1], pa.int64())}, {"a": array_from([1], pa.int32())}):
        with pytest.raises(OutputError, match="where the schema of the output has"):
            hasher.update(pa.record_batch(other))


def test_a_decimal_beyond_its_precision_is_refused_and_not_cut() -> None:
    digits = buffer([1, 0, 1, 0], "<i8")
    array = pa.Array.from_buffers(pa.decimal256(20, 0), 1, [None, digits])
    with pytest.raises(OutputError, match="column 'c' holds a value with more digits"):
        version(array)


def test_a_big_endian_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "byteorder", "big")
    with pytest.raises(OutputError, match="big-endian"):
        data_version(pa.table({"a": [1]}))


@pytest.mark.parametrize("width", [16, 32, 64])
def test_every_nan_is_one_value_and_the_two_zeros_are_two(width: int) -> None:
    sign = 1 << (width - 1)
    infinity = {16: 0x7C00, 32: 0x7F80_0000, 64: 0x7FF0_0000_0000_0000}[width]
    data_type = {16: pa.float16(), 32: pa.float32(), 64: pa.float64()}[width]

    def digest(bits: int) -> str:
        return version(pa.Array.from_buffers(data_type, 1, [None, buffer([bits], f"<u{width // 8}")])).digest

    nans = [infinity + 1, sign + infinity + 1, sign + infinity + (infinity & -infinity) // 2, sign | (sign - 1)]
    assert len({digest(bits) for bits in nans}) == 1
    assert len({digest(bits) for bits in (nans[0], infinity, sign + infinity, 0, sign, 1)}) == 6


ROWS = 200_000  # several blocks


def test_long_columns_with_garbage_under_nulls_and_repeated_values_agree_with_the_plain_ones() -> None:
    numbers = np.random.default_rng(1).integers(0, 1000, ROWS)
    is_null = numbers % 7 == 0
    validity = pa.py_buffer(np.packbits(~is_null, bitorder="little").tobytes())
    texts = np.char.add("text ", numbers.astype(str)).tolist()
    full = pa.array(texts)
    garbage = pa.Array.from_buffers(pa.string(), ROWS, [validity, *full.buffers()[1:]])
    plain = pa.array(texts, mask=is_null)
    expected = version(plain)
    encoded = plain.dictionary_encode()
    for other in (garbage, encoded, plain.cast(pa.string_view()), garbage.cast(pa.large_string())):
        assert version(other) == expected
    hasher = DataHasher(pa.schema({"c": encoded.type}))
    for start in range(0, ROWS, 70_001):
        part = plain.slice(start, 70_001).dictionary_encode()  # each batch has its own dictionary
        hasher.update(pa.record_batch({"c": part}))
    assert hasher.finish() == expected
    twice = pa.array(np.repeat(texts, 2).tolist(), mask=np.repeat(is_null, 2))
    run_ends = pa.array(np.arange(2, 2 * ROWS + 1, 2), pa.int32())
    assert version(pa.RunEndEncodedArray.from_arrays(run_ends, garbage)) == version(twice)
    structs = [pa.StructArray.from_arrays([array], ["t"], mask=pa.array(is_null)) for array in (full, plain, encoded)]
    assert len({version(array).digest for array in structs}) == 1


def test_long_lists_in_any_order_agree_with_the_plain_ones() -> None:
    values: Array = pa.array(np.arange(ROWS))
    lengths = np.array([3, ROWS - 10_000, 0, 40_000, 40_000, 2, 100])  # one list, and a run of lists, beyond a block
    starts = np.array([7, 5, ROWS, 0, 3, 9, 9])
    listed = [values[start : start + length] for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)]
    offsets = pa.array(np.cumsum([0, *lengths]), pa.int32())
    plain = pa.ListArray.from_arrays(offsets, pa.concat_arrays(listed))
    view_starts, view_lengths = pa.array(starts, pa.int32()), pa.array(lengths, pa.int32())
    views: Array = pa.ListViewArray.from_arrays(view_starts, view_lengths, values)  # type: ignore[call-overload]  # stub
    assert version(views) == version(plain)
    fixed = pa.FixedSizeListArray.from_arrays(values, 2)
    chosen = pa.array(np.arange(ROWS // 2)[::-1], pa.int32())
    assert version(pa.DictionaryArray.from_arrays(chosen, fixed)) == version(fixed.take(chosen))


def test_texts_of_megabytes_agree_in_every_encoding() -> None:
    distinct = pa.array([letter * (1 << 20) for letter in "abc"] + ["d" * (17 << 20)])
    chosen = pa.array([2, 0, 3, 1, 1, 0, None, *[1] * 16], pa.int8())
    encoded = pa.DictionaryArray.from_arrays(chosen, distinct)
    expected = version(distinct.take(chosen))
    for other in (encoded, pa.DictionaryArray.from_arrays(chosen, distinct.cast(pa.string_view()))):
        assert version(other) == expected


@pytest.mark.parametrize("encoding", ["int64", "float64", "int64 with nulls", "string", "list"])
def test_hashing_does_not_copy_the_data(encoding: str) -> None:
    numbers = np.arange(2_000_000)
    array: Array = pa.array(numbers)
    if encoding == "float64":
        array = pa.array(numbers.astype(np.float64))
    elif encoding == "int64 with nulls":
        array = pa.array(numbers, mask=numbers % 3 == 0)
    elif encoding == "string":
        array = pa.array(["x" * 1_000] * 10_000 + [None] * 10)[:10_010]
    elif encoding == "list":
        array = pa.ListArray.from_arrays(pa.array(np.arange(0, 2_000_001, 4), pa.int32()), array)
    table = pa.table({"c": array})
    allocated = pa.total_allocated_bytes()
    tracemalloc.start()
    data_version(table)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000 < table.nbytes
    assert pa.total_allocated_bytes() <= allocated


def fixed_table() -> pa.Table:
    """Return a table of every kind of type; its digest may change only together with the construction's name."""
    return pa.table(
        {
            "n": array_from([1, None, -3], pa.int64()),
            "x": array_from([0.0, -0.0, float("nan")], pa.float64()),
            "b": array_from([True, None, False], pa.bool_()),
            "t": array_from(["", None, "été"], pa.string()),
            "d": array_from([Decimal("1.25"), None, Decimal("-7.00")], pa.decimal128(9, 2)),
            "at": array_from([0, None, 1_700_000_000_000_000], pa.timestamp("us", "UTC")),
            "l": array_from([[1, None], None, []], pa.list_(pa.int16())),
            "s": array_from(
                [{"a": 1, "b c": "x"}, None, {"a": None, "b c": ""}],
                pa.struct([("a", pa.int8()), ("b c", pa.string())]),
            ),
            "m": array_from([[("k", 1.5)], None, []], pa.map_(pa.string(), pa.float32())),
            "f": array_from([[1, 2], None, [None, 3]], pa.list_(pa.uint8(), 2)),
            "u": array_from([b"0123456789abcdef", None, b"\0" * 16], pa.uuid()),
            "z": pa.nulls(3),
        }
    )


FIXED_DIGEST = "462bd37a7a95469bb9abb2796e686d22d1a2647710f4d5dccf0712cc282b5d03"


def test_the_digest_of_a_fixed_table_never_changes() -> None:
    assert data_version(fixed_table()).digest == FIXED_DIGEST


def test_another_process_with_another_hash_seed_gets_the_same_digest() -> None:
    script = "import test_data_hash as t; print(t.data_version(t.fixed_table()).digest)"
    for seed in ("1", "2"):
        path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == FIXED_DIGEST
