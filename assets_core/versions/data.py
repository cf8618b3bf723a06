"""Answers whether two Arrow tables hold the same data: a digest a table and a digest a column, of values, not layout.

Called when a step's output is staged and when stored data is checked against its version.
It must not know assets, recipes, stores or the catalog.

What is hashed. Every column is a tree of nodes (a struct or a list has children). A node reads the rows that its parent
really has, so that nothing under a null is ever read, and keeps three streams that do not depend on how rows arrive:
the positions of its nulls, the lengths of its strings or lists, and the bytes of its values. A column's digest folds
its logical type and, node by node, the row count and the three streams; a table's digest folds the columns in order.
"""

from __future__ import annotations

import json
import re
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from blake3 import blake3

from ..errors import OutputError
from .arrow_layout import (
    VIEW_ARRAYS,
    AnyArray,
    Numbers,
    adjoin,
    as_memory,
    decoded,
    in_parts,
    value_bits,
    value_ranges,
    value_slots,
)

# Changes whenever the bytes that are hashed change: digests of two constructions must never be compared by accident.
_CONSTRUCTION = b"assets-core data 1"
# Rows read at once: what is derived from a block then fits the processor's cache, and blake3 still gets long runs.
_BLOCK_ROWS = 65_536
# Bytes of strings copied at once, where they do not lie next to each other in memory.
_PART_BYTES = 16 << 20


_LIST_TYPES = (pa.ListType, pa.LargeListType, pa.ListViewType, pa.LargeListViewType)
_DECIMAL_TYPES = (pa.Decimal32Type, pa.Decimal64Type, pa.Decimal128Type, pa.Decimal256Type)
_STRING_IDS = frozenset({pa.string().id, pa.large_string().id, pa.string_view().id})
_BINARY_IDS = frozenset({pa.binary().id, pa.large_binary().id, pa.binary_view().id})
_FLOAT_IDS = frozenset({pa.float16().id, pa.float32().id, pa.float64().id})
_FIXED_IDS = frozenset(
    data_type.id
    for data_type in (
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(pa.date32(), pa.date64(), pa.time32("s"), pa.time64("us"), pa.timestamp("us"), pa.duration("us")),
        *(pa.month_day_nano_interval(), pa.binary(1)),
    )
)
_NAN_BITS = {2: 0x7E00, 4: 0x7FC0_0000, 8: 0x7FF8_0000_0000_0000}


@dataclass(frozen=True, slots=True)
class ColumnVersion:
    """One column's content; the digest covers the logical type, the row count and the values, not the name."""

    name: str
    type: str
    digest: str


@dataclass(frozen=True, slots=True)
class DataVersion:
    """A table's content; two tables have the same digest exactly when they hold the same data."""

    digest: str
    rows: int
    columns: tuple[ColumnVersion, ...]


class DataHasher:
    """Hash a stream of record batches that need not fit in memory; `finish()` equals `data_version` of the whole.

    Raises: OutputError for a union column, and for a batch whose columns are not those of the schema.
    """

    __slots__ = ("_columns", "_rows", "_schema")

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._columns = [(field.name, _column(field)) for field in schema]
        self._rows = 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the rows of one batch; its columns may use other encodings, or other dictionaries, than the last."""
        if batch.schema != self._schema:
            expected = [(name, node.type) for name, node in self._columns]
            found = [(field.name, _column(field).type) for field in batch.schema]
            if found != expected:
                raise OutputError(
                    f"a batch has the columns {found}, where the schema of the output has {expected}",
                    remedy="yield batches of one schema: cast each batch to it, or correct the schema",
                )
        self._rows += batch.num_rows
        for (_, node), array in zip(self._columns, batch.columns, strict=True):
            node.read(array)

    def finish(self) -> DataVersion:
        """Return the version of all rows so far."""
        return _fold(self._rows, self._columns)


def data_version(table: pa.Table) -> DataVersion:
    """Return the version of a table's content, whatever its chunks, offsets, encodings, metadata and nullability.

    Raises: OutputError for a union column.

    >>> import pyarrow as pa
    >>> data_version(pa.table({"a": ["x"]})) == data_version(pa.table({"a": pa.array(["x"]).dictionary_encode()}))
    True
    """
    columns = []
    for index, field in enumerate(table.schema):
        node = _column(field)
        for array in table.column(index).chunks:
            node.read(array)
        columns.append((field.name, node))
    return _fold(table.num_rows, columns)


def logical_type(data_type: pa.DataType) -> str:
    """Return the part of a type that counts: no encodings, offset widths, nullability flags or names of list items.

    Raises: OutputError for a union, or a type of a later Arrow format.

    >>> logical_type(pa.dictionary(pa.int8(), pa.large_string()))
    'string'
    """
    return _node(data_type, "a value").type


def _fold(rows: int, columns: Iterable[tuple[str, _Node]]) -> DataVersion:
    """Fold columns into a table. The whole digest of a column enters, not the half that is shown."""
    versions = []
    folded = [_CONSTRUCTION, struct.pack("<Q", rows)]
    for name, node in columns:
        digest = blake3(b"".join((*_counted(node.type), *node.state()))).digest()
        folded += (*_counted(name), digest)
        versions.append(ColumnVersion(name, node.type, digest[:16].hex()))
    return DataVersion(blake3(b"".join(folded)).hexdigest(), rows, tuple(versions))


def _counted(text: str) -> tuple[bytes, bytes]:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)), encoded


class _Node:
    """One node of a column's tree. `read` finds the rows that hold a value, the subclass reads those."""

    __slots__ = ("children", "lengths", "nulls", "rows", "type", "values", "where")

    def __init__(self, logical: str, where: str, *children: _Node) -> None:
        self.type = logical
        self.where = where
        self.children = children
        self.rows = 0
        self.nulls = blake3()
        self.lengths = blake3()
        self.values = blake3()

    def read(self, array: AnyArray, rows: Numbers | None = None) -> None:
        """Read all of an array, or rows of it (a block of them at most) in the given order."""
        if rows is None and len(array) > _BLOCK_ROWS:
            for start in range(0, len(array), _BLOCK_ROWS):
                self.read(array.slice(start, _BLOCK_ROWS))
            return
        count = len(array) if rows is None else len(rows)
        if count == 0:
            return
        array, rows, places = decoded(array, rows)
        if places is not None:
            is_null = np.ones(count, np.bool_)
            is_null[places] = False
            self.nulls.update(as_memory((np.flatnonzero(is_null) + self.rows).astype("<u8")))
        self.rows += count
        if places is None or len(places):
            self.read_values(array, rows)

    def read_values(self, array: AnyArray, rows: Numbers | None) -> None:
        """Read rows of an array that is not dictionary or run-end encoded and has a value in each of them."""
        raise NotImplementedError

    def state(self) -> Iterator[bytes]:
        yield struct.pack("<Q", self.rows)
        yield self.nulls.digest()
        yield self.lengths.digest()
        yield self.values.digest()
        for child in self.children:
            yield from child.state()


class _Nulls(_Node):
    __slots__ = ()

    def read(self, array: AnyArray, rows: Numbers | None = None) -> None:
        self.rows += len(array) if rows is None else len(rows)


class _Booleans(_Node):
    __slots__ = ()

    def read_values(self, array: AnyArray, rows: Numbers | None) -> None:
        self.values.update(as_memory(value_bits(array, rows, place=1)))


class _Fixed(_Node):
    __slots__ = ()

    def read_values(self, array: AnyArray, rows: Numbers | None) -> None:
        width = array.type.bit_width // 8
        if width:
            self.values.update(value_slots(array, width, rows))


class _Floats(_Node):
    """Every NaN is one value: processors differ in the sign and payload that 0/0 gives."""

    __slots__ = ()

    def read_values(self, array: AnyArray, rows: Numbers | None) -> None:
        width = array.type.bit_width // 8
        slots = value_slots(array, width, rows)
        is_nan = np.isnan(np.frombuffer(slots, f"<f{width}"))
        if is_nan.any():
            bits = np.frombuffer(slots, f"<u{width}").copy()
            bits[is_nan] = _NAN_BITS[width]
            slots = as_memory(bits)
        self.values.update(slots)


class _Decimals(_Node):
    """The precision alone decides how many bytes are hashed, so that the storage (32 to 256 bits) does not count."""

    __slots__ = ()

    def read_values(self, array: AnyArray, rows: Numbers | None) -> None:
        width = array.type.bit_width // 8
        slots = value_slots(array, width, rows)
        if width < 16:
            low = np.frombuffer(slots, f"<i{width}").astype("<i8")
            slots = as_memory(np.stack((low, low >> 63), axis=1))
        elif width == 32 and array.type.precision <= 38:
            words = np.frombuffer(slots, "<i8").reshape(-1, 4)
            if (words[:, 2:] != words[:, 1:2] >> 63).any():
                raise OutputError(
                    f"{self.where} holds a value with more digits than its type {array.type} allows",
                    remedy="cast the column to a decimal whose precision covers its values",
                )
            slots = as_memory(np.ascontiguousarray(words[:, :2]))
        self.values.update(slots)


class _Strings(_Node):
    """Strings and binaries."""

    __slots__ = ()

    def read_values(self, array: AnyArray, rows: Numbers | None) -> None:
        if isinstance(array, VIEW_ARRAYS):
            self._read_views(array, rows)
            return
        starts, lengths = value_ranges(array, rows)
        self.lengths.update(as_memory(lengths.astype("<u8")))
        if rows is None or adjoin(starts, lengths):
            self._write(array.buffers()[2], int(starts[0]), int(starts[-1] + lengths[-1]))
            return
        for first, last in in_parts(lengths, _PART_BYTES):
            part = array.take(pa.array(rows[first:last]))
            self._write(part.buffers()[2], 0, int(lengths[first:last].sum()))

    def _read_views(self, array: AnyArray, rows: Numbers | None) -> None:
        views = np.frombuffer(value_slots(array, 16, rows), "V16")
        lengths = views.view("<i4")[::4]
        self.lengths.update(as_memory(lengths.astype("<u8")))
        for first, last in in_parts(lengths, _PART_BYTES):
            buffers = [None, pa.py_buffer(as_memory(views[first:last])), *array.buffers()[2:]]
            part = pa.Array.from_buffers(pa.binary_view(), last - first, buffers).cast(pa.large_binary())
            self._write(part.buffers()[2], 0, int(lengths[first:last].sum()))

    def _write(self, data: pa.Buffer | None, start: int, stop: int) -> None:
        if data is not None and stop > start:
            self.values.update(memoryview(data)[start:stop])


class _Lists(_Node):
    """Lists, and maps as lists of entries."""

    __slots__ = ()

    def read_values(self, array: AnyArray, rows: Numbers | None) -> None:
        starts, lengths = value_ranges(array, rows)
        self.lengths.update(as_memory(lengths.astype("<u8")))
        _read_ranges(self.children[0], array.values, starts, lengths)


class _FixedSizeLists(_Node):
    __slots__ = ()

    def read_values(self, array: AnyArray, rows: Numbers | None) -> None:
        size = array.type.list_size
        if rows is None:
            self.children[0].read(array.values.slice(array.offset * size, len(array) * size))
        else:
            starts = (rows + array.offset) * size
            _read_ranges(self.children[0], array.values, starts, np.full(len(rows), size))


class _Structs(_Node):
    __slots__ = ()

    def read_values(self, array: AnyArray, rows: Numbers | None) -> None:
        for index, child in enumerate(self.children):
            child.read(array.field(index), rows)


def _column(field: pa.Field[Any]) -> _Node:
    if sys.byteorder != "little":
        raise OutputError(
            f"this machine is {sys.byteorder}-endian, and a data version is a hash of little-endian bytes",
            remedy="run the step on a little-endian machine (x86-64 or ARM64)",
        )
    return _field(field, f"column {field.name!r}")


def _field(field: pa.Field[Any], where: str) -> _Node:
    """Build the tree of a field. An extension type unknown to this process arrives as metadata, and counts."""
    node = _node(field.type, where)
    metadata = field.metadata
    if metadata and b"ARROW:extension:name" in metadata and not isinstance(field.type, pa.BaseExtensionType):
        name = metadata[b"ARROW:extension:name"].decode()
        node.type = _extension(name, node.type, metadata.get(b"ARROW:extension:metadata", b""))
    return node


def _node(data_type: pa.DataType, where: str) -> _Node:
    """Build the tree that names and reads a type, without its encodings."""
    kind = data_type.id
    if kind in _FLOAT_IDS:
        return _Floats(str(data_type), where)
    if isinstance(data_type, pa.TimestampType):
        zone = "" if data_type.tz is None else f", tz={_quoted(data_type.tz)}"
        return _Fixed(f"timestamp[{data_type.unit}{zone}]", where)
    if kind in _FIXED_IDS:
        return _Fixed(str(data_type), where)
    if kind in _STRING_IDS or kind in _BINARY_IDS:
        return _Strings("string" if kind in _STRING_IDS else "binary", where)
    if kind == pa.bool_().id:
        return _Booleans("bool", where)
    if kind == pa.null().id:
        return _Nulls("null", where)
    if isinstance(data_type, _DECIMAL_TYPES):
        return _Decimals(f"decimal({data_type.precision}, {data_type.scale})", where)
    if isinstance(data_type, (pa.DictionaryType, pa.RunEndEncodedType)):
        return _node(data_type.value_type, where)
    if isinstance(data_type, _LIST_TYPES):
        item = _field(data_type.value_field, where)
        return _Lists(f"list<{item.type}>", where, item)
    if isinstance(data_type, pa.FixedSizeListType):
        item = _field(data_type.value_field, where)
        return _FixedSizeLists(f"fixed_size_list<{item.type}>[{data_type.list_size}]", where, item)
    if isinstance(data_type, pa.StructType):
        fields = [data_type.field(index) for index in range(data_type.num_fields)]
        members = [_field(field, where) for field in fields]
        named = (f"{_quoted(field.name)}: {member.type}" for field, member in zip(fields, members, strict=True))
        return _Structs(f"struct<{', '.join(named)}>", where, *members)
    if isinstance(data_type, pa.MapType):
        key, item = _field(data_type.key_field, where), _field(data_type.item_field, where)
        return _Lists(f"map<{key.type}, {item.type}>", where, _Structs("", where, key, item))
    if isinstance(data_type, pa.BaseExtensionType):
        node = _node(data_type.storage_type, where)
        name = data_type.extension_name
        if isinstance(data_type, pa.ExtensionType):
            parameters = data_type.__arrow_ext_serialize__()
        else:  # Arrow's own extension types do not hand out their parameters, but print them.
            parameters = str(data_type).removeprefix(f"extension<{name}").removesuffix(">").encode()
        node.type = _extension(name, node.type, parameters)
        return node
    raise OutputError(
        f"{where} has the type {data_type}, whose content has no defined hash",
        remedy="return a struct with one nullable field for each variant, or cast to a type without unions",
    )


def _extension(name: str, storage: str, parameters: bytes) -> str:
    return f"extension<{_quoted(name)}, {storage}{', ' + parameters.hex() if parameters else ''}>"


def _quoted(name: str) -> str:
    """Quote a name that could be mistaken for a part of the type around it."""
    return name if re.fullmatch(r"[\w+/.-]+", name, re.ASCII) else json.dumps(name)


def _read_ranges(node: _Node, values: AnyArray, starts: Numbers, lengths: Numbers) -> None:
    """Read ranges of the child of a list array, without copying where they lie next to each other."""
    filled = np.flatnonzero(lengths)
    starts, lengths = starts[filled], lengths[filled]
    if len(starts) == 0:
        return
    if adjoin(starts, lengths):
        node.read(values.slice(int(starts[0]), int(starts[-1] + lengths[-1] - starts[0])))
        return
    for first, last in in_parts(lengths, _BLOCK_ROWS):
        if last - first == 1:
            node.read(values.slice(int(starts[first]), int(lengths[first])))
        else:
            sizes = lengths[first:last].astype(np.intp)
            before = np.cumsum(sizes) - sizes
            node.read(values, np.repeat(starts[first:last] - before, sizes) + np.arange(sizes.sum()))
