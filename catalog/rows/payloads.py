"""The payload of each kind of record, and the statement that parses a batch's records of it, once, into a table.

Used by apply.py, before the statements of the other files. A kind, or a version of a payload, that is not known here
is kept as it stands (other_record).
"""

from __future__ import annotations

from collections.abc import Iterable

PAYLOAD_VERSION = 1

OTHER = "other"
"""Stands for every kind that is not known."""

_PAYLOADS = {
    "session": """{"user": "VARCHAR", "host": "VARCHAR", "process": "BIGINT", "command": ["VARCHAR"],
        "product": "VARCHAR", "commit": "VARCHAR", "dirty": "BOOLEAN", "identity": "VARCHAR",
        "on_behalf_of": "VARCHAR"}""",
    "withdrawn": '{"asset": "VARCHAR"}',
    "column_lineage": '{"asset": "VARCHAR", "code_version": "VARCHAR", "columns": "MAP(VARCHAR, VARCHAR[][])"}',
    "code": '{"asset": "VARCHAR", "code_version": "VARCHAR", "parts": [["VARCHAR"]]}',
    "run_started": """{"run": "VARCHAR", "kind": "VARCHAR", "selection": "VARCHAR", "partitions": "VARCHAR",
        "force": "BOOLEAN", "atomic": "BOOLEAN", "cells": "BIGINT", "plan": "VARCHAR",
        "continues": "VARCHAR"}""",
    "run_ended": """{"run": "VARCHAR", "state": "VARCHAR", "made": "BIGINT", "fresh": "BIGINT", "failed": "BIGINT",
        "blocked": "BIGINT", "seconds": "DOUBLE"}""",
    "claimed": '{"run": "VARCHAR", "started_at": "TIMESTAMP", "steps": [["JSON"]]}',
    "materialized": """{"run": "VARCHAR", "step": "INTEGER", "asset": "VARCHAR", "partition": "VARCHAR",
        "ordinal": "BIGINT", "scheme": "VARCHAR", "version": "VARCHAR", "token": "VARCHAR", "recipe": "VARCHAR",
        "whole": "VARCHAR", "code_version": "VARCHAR", "code_lanes": "VARCHAR", "rows": "BIGINT", "bytes": "BIGINT",
        "file": "VARCHAR", "file_digest": "VARCHAR",
        "columns": [["VARCHAR"]], "inputs": [["VARCHAR"]], "reads": "JSON", "position": "BIGINT",
        "seconds": "DOUBLE", "metadata": "JSON"}""",
    "observed": """{"run": "VARCHAR", "asset": "VARCHAR", "partition": "VARCHAR", "ordinal": "BIGINT",
        "scheme": "VARCHAR", "version": "VARCHAR", "token": "VARCHAR", "signature": "VARCHAR"}""",
    "judged": """{"run": "VARCHAR", "step": "INTEGER", "asset": "VARCHAR", "partition": "VARCHAR",
        "version": "VARCHAR", "check": "VARCHAR", "severity": "VARCHAR", "passed": "BOOLEAN", "failed_rows": "BIGINT",
        "message": "VARCHAR", "failures": "JSON", "metrics": "JSON"}""",
    "published": '{"cells": [["VARCHAR"]]}',
    "rolled_back": '{"cells": [["VARCHAR"]], "to": "VARCHAR", "reason": "VARCHAR"}',
    "failed": """{"run": "VARCHAR", "step": "INTEGER", "asset": "VARCHAR", "partition": "VARCHAR",
        "error": "VARCHAR", "message": "VARCHAR", "traceback": "VARCHAR", "attempt": "INTEGER"}""",
    "attempt_failed": """{"run": "VARCHAR", "step": "INTEGER", "asset": "VARCHAR", "partition": "VARCHAR",
        "error": "VARCHAR", "message": "VARCHAR", "traceback": "VARCHAR", "attempt": "INTEGER", "seconds": "DOUBLE",
        "wait_seconds": "DOUBLE"}""",
    "steered": '{"run": "VARCHAR", "action": "VARCHAR", "value": "BIGINT", "reason": "VARCHAR"}',
    "skipped": """{"run": "VARCHAR", "asset": "VARCHAR", "cells": ["VARCHAR"], "scheme": "VARCHAR",
        "ranges": [["VARCHAR"]], "number": "BIGINT", "code_version": "VARCHAR", "recipes": "VARCHAR",
        "reads": [["VARCHAR"]], "position": "BIGINT"}""",
    "found_fresh": """{"run": "VARCHAR", "position": "BIGINT", "assets": [{"asset": "VARCHAR", "scheme": "VARCHAR",
        "ranges": [["VARCHAR"]], "number": "BIGINT", "code_version": "VARCHAR", "recipes": "VARCHAR"}]}""",
    "partitions_added": '{"set": "VARCHAR", "keys": ["VARCHAR"]}',
    "partitions_removed": '{"set": "VARCHAR", "keys": ["VARCHAR"]}',
    "blocked": '{"run": "VARCHAR", "asset": "VARCHAR", "cells": ["VARCHAR"], "reason": "VARCHAR"}',
    "collected": '{"versions": [["VARCHAR"]], "reason": "VARCHAR"}',
    "sealed": """{"segment": "VARCHAR", "records": "BIGINT", "segment_root": "VARCHAR", "segments": "BIGINT",
        "last": "BIGINT", "last_digest": "VARCHAR", "root": "VARCHAR", "frontier": ["VARCHAR"], "reason": "VARCHAR",
        "public_key": "VARCHAR", "signature": "VARCHAR"}""",
    "pruned": '{"before": "VARCHAR", "segments": [["VARCHAR"]], "reason": "VARCHAR"}',
    "loss_accepted": '{"first": "BIGINT", "last": "BIGINT", "reason": "VARCHAR"}',
}

_HEAD = '"seq": "BIGINT", "at": "TIMESTAMP", "by": "BIGINT"'

KINDS = frozenset({*_PAYLOADS, "declared"})
"""The kinds of record that become rows of their own."""


def parse(kind: str) -> str:
    """Return the statement that makes `<kind>_now` of `$lines`, a list of records: one row each, its members columns.

    One text a record and not one for all: DuckDB would hold what it finds in a constant as values, one by one.
    """
    if kind == OTHER:
        shape, members = f'{{{_HEAD}, "kind": "VARCHAR", "v": "BIGINT", "payload": "JSON"}}', "r.kind, r.v, r.payload"
    elif kind == "declared":  # kept whole
        shape, members = f'{{{_HEAD}, "payload": "JSON"}}', "r.payload"
    else:
        shape, members = f'{{{_HEAD}, "payload": {_PAYLOADS[kind]}}}', "unnest(r.payload)"
    return f"""
        CREATE OR REPLACE TEMP TABLE {kind}_now AS
        SELECT r.seq, r."at", r."by" AS by_seq, {members}
        FROM (SELECT from_json(line, '{shape}') AS r FROM (SELECT unnest($lines::VARCHAR[]) AS line))
    """


def every_record(kinds: Iterable[str]) -> str:
    """Return the statement that notes every record of a batch; `kinds` are those it has."""
    rows = [
        f'SELECT seq, "at", by_seq, {"kind" if kind == OTHER else repr(kind)} FROM {kind}_now' for kind in sorted(kinds)
    ]
    return f"INSERT INTO record {' UNION ALL '.join(rows)} ORDER BY seq"
