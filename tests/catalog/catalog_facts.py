"""Facts to append, strategies that draw them, and what the index must say about cells: a model of a few lines.

Used by the tests of the catalog; it must not know DuckDB nor how the index is filled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from blake3 import blake3
from hypothesis import strategies as st

from catalog.records import Record

Fact = tuple[str, dict[str, Any]]

SESSION: dict[str, object] = {
    "user": "ada",
    "host": "engine",
    "process": 7,
    "command": ["assets", "materialize", "*"],
    "product": "0.1.0",
    "commit": None,
    "dirty": None,
}
RUN = "00000000-0000-4000-8000-000000000001"
OTHER_RUN = "00000000-0000-4000-8000-000000000002"
STEP = "00000000-0000-4000-9000-000000000001"
OTHER_STEP = "00000000-0000-4000-9000-000000000002"


def digest(text: str) -> str:
    """Return 64 hex digits that stand for a text."""
    return blake3(text.encode()).hexdigest()


def declared(asset: str, upstreams: Iterable[tuple[str, str]] = (), **changes: object) -> Fact:
    payload = {
        "asset": asset,
        "kind": "function",
        "partitions": None,
        "code_version": digest(f"code of {asset}")[:32],
        "checks_version": digest(f"checks of {asset}")[:32],
        "upstreams": [
            {"name": name, "asset": upstream, "mapping": None, "columns": None, "load": True}
            for name, upstream in upstreams
        ],
        "owners": ["ada"],
        "tags": {"tier": "gold"},
        "group": "sample",
        "description": "what it is",
        "file": "assets.py",
        "line": 12,
        "query": None,
    }
    return "declared", payload | changes


def withdrawn(asset: str) -> Fact:
    return "withdrawn", {"asset": asset}


def run_started(run: str = RUN, cells: int = 1) -> Fact:
    return "run_started", {
        "run": run,
        "kind": "materialize",
        "selection": "*",
        "partitions": None,
        "force": False,
        "cells": cells,
    }


def run_ended(run: str = RUN, state: str = "done") -> Fact:
    counts = {"made": 1, "fresh": 2, "failed": 3, "blocked": 4}
    return "run_ended", {"run": run, "state": state, **counts, "seconds": 1.5}


def claimed(asset: str = "a", cells: Iterable[str | None] = (None,), *, run: str = RUN, step: str = STEP) -> Fact:
    started_at = "2026-01-31T08:00:00.000000Z"
    return "claimed", {"run": run, "step": step, "asset": asset, "cells": list(cells), "started_at": started_at}


def materialized(
    asset: str = "a",
    partition: str | None = None,
    version: str = "v",
    *,
    ordinal: int = 0,
    recipe: str = "recipe",
    run: str = RUN,
    step: str = STEP,
    inputs: Iterable[tuple[str, int, int, str]] = (),
) -> Fact:
    content = digest(version)
    return "materialized", {
        "run": run,
        "step": step,
        "asset": asset,
        "partition": partition,
        "ordinal": ordinal,
        "scheme": "daily",
        "version": content,
        "token": content[:32],
        "recipe": digest(recipe)[:32],
        "code_version": digest(f"code of {asset}")[:32],
        "code_lanes": digest(f"code of {asset}")[:32],
        "rows": 3,
        "bytes": 300,
        "file": f"{content[:2]}/{content}.parquet",
        "columns": [["id", "int64", content[:32]], ["name", "string", content[32:]]],
        "inputs": [list(read) for read in inputs],
        "position": 1,
        "seconds": 0.25,
    }


def observed(
    asset: str = "a", partition: str | None = None, version: str = "v", *, ordinal: int = 0, signature: str = "1 2"
) -> Fact:
    content = digest(version)
    return "observed", {
        "run": RUN,
        "asset": asset,
        "partition": partition,
        "ordinal": ordinal,
        "scheme": "daily",
        "version": content,
        "token": content[:32],
        "signature": signature,
    }


def judged(asset: str = "a", partition: str | None = None, version: str = "v", *, passed: bool = True) -> Fact:
    return "judged", {
        "run": RUN,
        "step": STEP,
        "asset": asset,
        "partition": partition,
        "version": digest(version),
        "check": "id is unique",
        "severity": "error",
        "passed": passed,
        "failed_rows": None if passed else 2,
        "message": "",
        "failures": [] if passed else [{"column": "id", "check": "unique", "row": 1, "value": "7"}],
        "metrics": {"share": 0.5},
    }


def published(*cells: tuple[str, str | None, str, str | None], run: str = RUN) -> Fact:
    moved = [[asset, partition, digest(version), checks] for asset, partition, version, checks in cells]
    return "published", {"run": run, "cells": moved}


def failed(asset: str = "a", partition: str | None = None, *, message: str = "no", step: str = STEP) -> Fact:
    return "failed", {
        "run": RUN,
        "step": step,
        "asset": asset,
        "partition": partition,
        "error": "StepError",
        "message": message,
        "traceback": "line 1",
        "seconds": 0.1,
    }


def skipped(asset: str, cells: Iterable[str | None]) -> Fact:
    return "skipped", {"run": RUN, "asset": asset, "cells": list(cells)}


def blocked(asset: str, cells: Iterable[str | None]) -> Fact:
    return "blocked", {"run": RUN, "asset": asset, "cells": list(cells), "reason": "an upstream failed"}


def column_lineage(asset: str, code_version: str, columns: dict[str, list[list[str]]]) -> Fact:
    return "column_lineage", {"asset": asset, "code_version": code_version, "columns": columns}


def _facts() -> st.SearchStrategy[Fact]:
    asset = st.sampled_from(["a", "b"])
    partition = st.sampled_from([None, "\u00e9", "e\u0301"])
    version = st.sampled_from(["v", "w"])
    run = st.sampled_from([RUN, OTHER_RUN])
    step = st.sampled_from([STEP, OTHER_STEP])
    pointer = st.tuples(asset, partition, version, st.sampled_from([None, "checks 1", "checks 2"]))
    cells = st.lists(partition, max_size=2)
    lineage = st.dictionaries(st.sampled_from(["x", "y"]), st.just([["a", "id", "identity"]]), max_size=2)
    return st.one_of(
        st.builds(
            materialized,
            asset,
            partition,
            version,
            recipe=version,
            run=run,
            step=step,
            ordinal=st.integers(0, 2),
            inputs=st.sampled_from([(), (("up", 0, 3, digest("up")[:32]),)]),
        ),
        st.builds(observed, asset, partition, version, signature=version),
        st.builds(lambda pointers: published(*pointers), st.lists(pointer, min_size=1, max_size=3)),
        st.builds(failed, asset, partition, message=version, step=step),
        st.one_of(
            st.builds(judged, asset, partition, version, passed=st.booleans()),
            st.builds(claimed, asset, cells, run=run, step=step),
            st.builds(run_started, run, cells=st.integers(0, 9)),
            st.builds(run_ended, run, state=st.sampled_from(["done", "failed"])),
            st.builds(declared, asset, st.sampled_from([[("up", "a")], [("up", "b")], []]), line=st.integers(1, 3)),
            st.builds(withdrawn, asset),
            st.builds(skipped, asset, cells),
            st.builds(blocked, asset, cells),
            st.builds(column_lineage, asset, version, lineage),
            st.just(("pardoned", {"asset": "a", "cells": 1})),
        ),
    )


FACTS = st.lists(_facts(), min_size=1, max_size=12)
"""Groups of facts over few cells and versions, so that they meet."""


def cells_by_model(records: Iterable[Record]) -> dict[tuple[str, str | None], tuple[object, ...]]:
    """Return for each cell version, ordinal, recipe, checks_version, materialized_seq, published_seq and signature."""
    sources: list[Record] = []
    cells: dict[tuple[str, str | None], tuple[object, ...]] = {}

    def point(source: Record, checks: object, seq: int) -> None:
        found = source.payload
        made = source.seq if source.kind == "materialized" else None
        cells[found["asset"], found["partition"]] = (
            found["version"], found["ordinal"], found.get("recipe"), checks, made, seq, found.get("signature"),
        )  # fmt: skip

    for record in records:
        payload = record.payload
        if record.kind in ("materialized", "observed"):
            sources.append(record)
        if record.kind == "observed":
            before = cells.get((payload["asset"], payload["partition"]))
            point(record, before[3] if before and before[0] == payload["version"] else None, record.seq)
        if record.kind == "published":
            last = {(asset, partition): (version, checks) for asset, partition, version, checks in payload["cells"]}
            for cell, (version, checks) in last.items():
                for source in reversed(sources):
                    named = source.payload
                    if ((named["asset"], named["partition"]), named["version"]) == (cell, version):
                        point(source, checks, record.seq)
                        break
    return cells


def failures_by_model(records: Iterable[Record]) -> dict[tuple[str, str | None], int]:
    """Return for each cell that failed and was not published since the sequence number of its newest failure."""
    records = list(records)
    cells = cells_by_model(records)
    newest = {(r.payload["asset"], r.payload["partition"]): r.seq for r in records if r.kind == "failed"}
    return {
        cell: seq
        for cell, seq in newest.items()
        if cell not in cells or seq > cells[cell][5]  # type: ignore[operator]
    }
