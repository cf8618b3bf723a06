"""How far the index has followed the journal, and how it follows: batches of records, one transaction each.

Called by the session alone; it must not know where the database is. What a record becomes is said in rows.py: one of a
kind or payload version that is not listed there becomes no row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from importlib.resources import files
from itertools import islice

import duckdb
from blake3 import blake3

from .errors import CatalogError
from .records import START, Line, Tail
from .rows import STATEMENTS

BATCH_RECORDS = 20_000
_PAYLOAD_VERSION = 1

_SCHEMA = files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")

SCHEMA_VERSION = blake3("\n".join([_SCHEMA, *(statement.sql for statement in STATEMENTS)]).encode()).hexdigest()[:16]
"""Fingerprint of the tables and of what fills them: an index of another one is made again from the journal."""


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of an index to which nothing was applied yet."""
    connection.begin()
    connection.execute(_SCHEMA)
    connection.execute(
        "INSERT INTO meta VALUES (?, ?, ?, ?, ?)",
        [SCHEMA_VERSION, START.seq, START.digest.hex(), START.segment, START.offset],
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
    following = (line for line in lines if line.seq > start.seq)
    while batch := list(islice(following, BATCH_RECORDS)):
        if batch[0].seq != reached.seq + 1:
            raise CatalogError(
                f"record {batch[0].seq} cannot be applied after record {reached.seq}",
                remedy="apply the records in between first",
            )
        connection.begin()
        try:
            _apply_batch(connection, batch, reached.seq)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        reached = batch[-1].after
    return reached


def _apply_batch(connection: duckdb.DuckDBPyConnection, batch: list[Line], applied: int) -> None:
    by_kind: defaultdict[str, list[Line]] = defaultdict(list)
    for line in batch:
        if line.v == _PAYLOAD_VERSION:
            by_kind[line.kind].append(line)
    for statement in STATEMENTS:
        kinds = statement.kinds & by_kind.keys()
        if not kinds:
            continue
        bound: dict[str, object] = {}
        if "$lines" in statement.sql:
            chosen = sorted((line for kind in kinds for line in by_kind[kind]), key=lambda line: line.seq)
            bound["lines"] = b"".join([b"[", b",".join(line.text for line in chosen), b"]"]).decode()
        if "$applied" in statement.sql:
            bound["applied"] = applied
        connection.execute(statement.sql, bound)
    end = batch[-1].after
    connection.execute(
        "UPDATE meta SET applied_seq = ?, applied_digest = ?, applied_segment = ?, applied_offset = ?",
        [end.seq, end.digest.hex(), end.segment, end.offset],
    )
