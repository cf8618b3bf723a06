"""How far the index has followed the journal, and how it follows: batches of records, one transaction each.

Called by the session alone; it must not know where the database is. What a record becomes is said in rows/: one of a
kind or payload version that is not known there is kept as it stands. A record whose text retention dropped has no kind
and is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import islice

import duckdb
from blake3 import blake3

from .errors import CatalogError
from .records import START, Line, Tail
from .rows import STATEMENTS
from .rows.payloads import KINDS, OTHER, PAYLOAD_VERSION, every_record, parse

BATCH_RECORDS = 100_000
BATCH_BYTES = 96 * 2**20
"""A batch holds no more than either; while one is applied, the next one is read."""

CHECKPOINT = "256MB"
"""A checkpoint writes again what of each column does not fill a block: so let there be much to write."""

_SCHEMA = "\n".join(
    files(__package__).joinpath(name).read_text(encoding="utf-8") for name in ("schema.sql", "views.sql")
)

SCHEMA_VERSION = blake3(
    "\n".join([_SCHEMA, *map(parse, sorted(KINDS)), *(statement.sql for statement in STATEMENTS)]).encode()
).hexdigest()[:16]
"""Fingerprint of the tables and of what fills them: an index of another one is made again from the journal."""


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of an index to which nothing was applied yet."""
    connection.begin()
    connection.execute(_SCHEMA)
    connection.execute(
        "INSERT INTO meta VALUES (?, ?, ?, ?, ?, ?)",
        [SCHEMA_VERSION, START.seq, START.digest.hex(), START.segment, START.offset, duckdb.__version__],
    )
    connection.commit()


def position(connection: duckdb.DuckDBPyConnection) -> Tail | None:
    """Return the place in the journal up to which records were applied; None for tables of another version."""
    columns = "schema_version, applied_seq, applied_digest, applied_segment, applied_offset"
    for version, seq, digest, segment, offset in connection.sql(f"SELECT {columns} FROM meta").fetchall():
        if version == SCHEMA_VERSION:
            return Tail(seq, bytes.fromhex(digest), segment, offset)
    return None


def position_of(connection: duckdb.DuckDBPyConnection) -> Tail:
    """Return the place up to which records were applied to an index that may be used."""
    found = position(connection)
    if found is None:
        raise CatalogError("the index has tables of another version", remedy="rebuild it from the journal")
    return found


def apply(connection: duckdb.DuckDBPyConnection, lines: Iterable[Line]) -> Tail:
    """Apply the lines that follow what is applied, in batches of one transaction each; return the place reached.

    Lines that were applied before change nothing.
    """
    start = reached = position_of(connection)
    connection.execute(f"SET checkpoint_threshold = '{CHECKPOINT}'")
    following = (line for line in lines if line.seq > start.seq)
    # Reading holds the interpreter and applying does not: the two take turns at it only where they meet.
    with ThreadPoolExecutor(1, "read-lines") as reader:
        batch = _next_batch(following)
        while batch is not None:
            coming = reader.submit(_next_batch, following) if batch.is_full else None
            if batch.first != reached.seq + 1:
                raise CatalogError(
                    f"record {batch.first} cannot be applied after record {reached.seq}",
                    remedy="apply the records in between first",
                )
            connection.begin()
            try:
                for part in batch.parts:
                    _apply_part(connection, part)
                _write_place(connection, batch.after)
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
            reached = batch.after
            batch = coming.result() if coming is not None else None
    return reached


@dataclass(slots=True)
class _Part:
    """Records that one pass of the statements turns into rows: their texts by kind, and what was applied before."""

    applied: int
    texts: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class _Batch:
    """Records of one transaction. A `rolled_back` record, which looks at all that was published, opens a part."""

    first: int
    parts: list[_Part]
    after: Tail = START
    is_full: bool = False


def _next_batch(lines: Iterator[Line]) -> _Batch | None:
    batch: _Batch | None = None
    line: Line | None = None
    size = 0
    for line in islice(lines, BATCH_RECORDS):
        kind = line.kind if line.v == PAYLOAD_VERSION and line.kind in KINDS else OTHER
        if batch is None:
            batch = _Batch(line.seq, [_Part(line.seq - 1)])
        if kind == "rolled_back":
            batch.parts.append(_Part(line.seq - 1))
        if line.kind:
            batch.parts[-1].texts.setdefault(kind, []).append(line.text.decode())
        size += len(line.text)
        if size >= BATCH_BYTES:
            break
    if batch is not None and line is not None:
        batch.after = line.after
        batch.is_full = size >= BATCH_BYTES or line.seq - batch.first + 1 >= BATCH_RECORDS
    return batch


def _apply_part(connection: duckdb.DuckDBPyConnection, part: _Part) -> None:
    if not part.texts:
        return
    statements = [statement for statement in STATEMENTS if statement.kinds & part.texts.keys()]
    for kind in part.texts.keys() | {kind for statement in statements for kind in statement.reads}:
        connection.execute(parse(kind), {"lines": part.texts.get(kind, [])})
    connection.execute(every_record(part.texts))
    for statement in statements:
        if statement.needs is None or connection.sql(f"FROM {statement.needs} LIMIT 1").fetchall():
            connection.execute(statement.sql, {"applied": part.applied} if "$applied" in statement.sql else {})


def _write_place(connection: duckdb.DuckDBPyConnection, place: Tail) -> None:
    connection.execute(
        "UPDATE meta SET applied_seq = ?, applied_digest = ?, applied_segment = ?, applied_offset = ?",
        [place.seq, place.digest.hex(), place.segment, place.offset],
    )
