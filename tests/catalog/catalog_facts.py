"""Facts to append, strategies that draw them, and what the index must say about cells: a model of a few lines.

Used by the tests of the catalog; it must not know DuckDB nor how the index is filled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
    "identity": "Ada Lovelace",
    "on_behalf_of": None,
}
RUN = "00000000-0000-4000-8000-000000000001"
OTHER_RUN = "00000000-0000-4000-8000-000000000002"
STEP, OTHER_STEP = 1, 2


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
        "atomic": False,
        "cells": cells,
    }


def run_ended(run: str = RUN, state: str = "done") -> Fact:
    counts = {"made": 1, "fresh": 2, "failed": 3, "blocked": 4}
    return "run_ended", {"run": run, "state": state, **counts, "seconds": 1.5}


def claimed(asset: str = "a", cells: Iterable[str | None] = (None,), *, run: str = RUN, step: int = STEP) -> Fact:
    return claimed_steps((step, asset, cells), run=run)


def claimed_steps(*steps: tuple[int, str, Iterable[str | None]], run: str = RUN) -> Fact:
    started_at = "2026-01-31T08:00:00.000000Z"
    listed = [[number, asset, list(cells)] for number, asset, cells in steps]
    return "claimed", {"run": run, "started_at": started_at, "steps": listed}


def materialized(
    asset: str = "a",
    partition: str | None = None,
    version: str = "v",
    *,
    ordinal: int = 0,
    scheme: str = "daily",
    recipe: str = "recipe",
    run: str = RUN,
    step: int = STEP,
    inputs: Iterable[tuple[str, int, int, str]] = (),
    position: int = 1,
    file: str | None = None,
    file_digest: str | None = None,
    reads: dict[str, Any] | None = None,
) -> Fact:
    content = digest(version)
    return "materialized", {
        "run": run,
        "step": step,
        "asset": asset,
        "partition": partition,
        "ordinal": ordinal,
        "scheme": scheme,
        "version": content,
        "token": content[:32],
        "recipe": digest(recipe)[:32],
        "code_version": digest(f"code of {asset}")[:32],
        "code_lanes": digest(f"code of {asset}")[:32],
        "rows": 3,
        "bytes": 300,
        "file": f"{asset}/{content}.parquet" if file is None else file,
        "file_digest": file_digest,
        "columns": [["id", "int64", content[:32]], ["name", "string", content[32:]]],
        "reads": reads,
        "inputs": [list(read) for read in inputs],
        "position": position,
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


def rolled_back(*cells: tuple[str, str | None, str], reason: str | None = None) -> Fact:
    back = [[asset, partition, digest(version)] for asset, partition, version in cells]
    return "rolled_back", {"cells": back, "to": "as of record 5", "reason": reason}


def collected(*versions: tuple[str, str], file: str | None = None) -> Fact:
    gone = [[asset, digest(version), file or f"{asset}/{digest(version)}.parquet"] for asset, version in versions]
    return "collected", {"versions": gone, "reason": "older than a year"}


def failed(asset: str = "a", partition: str | None = None, *, message: str = "no", step: int = STEP) -> Fact:
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


def attempt_failed(asset: str = "a", partition: str | None = None, *, attempt: int = 1, run: str = RUN) -> Fact:
    _, payload = failed(asset, partition)
    return "attempt_failed", {**payload, "run": run, "attempt": attempt, "wait_seconds": 2.5}


def steered(action: str = "pause", value: object = None, run: str = RUN) -> Fact:
    return "steered", {"run": run, "action": action, "value": value, "reason": "lunch"}


def skipped(asset: str, cells: Iterable[str | None]) -> Fact:
    return "skipped", {"run": RUN, "asset": asset, "cells": list(cells)}


def skipped_ranges(asset: str, *ranges: tuple[int, int], run: str = RUN) -> Fact:
    """The keys of ordinals are p0, p1, ..."""
    return "skipped", {
        "run": run,
        "position": 1,
        **_looked(asset, ranges),
        "reads": [["up", "u", 0, 9, digest("u")[:32]]],
    }


def found_fresh(*assets: tuple[str, list[tuple[int, int]]], run: str = RUN) -> Fact:
    listed = [_looked(asset, ranges) for asset, ranges in assets]
    return "found_fresh", {"run": run, "position": 1, "assets": listed}


def _looked(asset: str, ranges: Iterable[tuple[int, int]]) -> dict[str, Any]:
    return {
        "asset": asset,
        "scheme": "daily",
        "ranges": [[first, last, f"p{first}", f"p{last}"] for first, last in ranges],
        "number": sum(last - first + 1 for first, last in ranges),
        "code_version": digest(f"code of {asset}")[:32],
        "recipes": digest("recipes")[:32],
    }


def partitions_added(name: str, *keys: str) -> Fact:
    return "partitions_added", {"set": name, "keys": list(keys)}


def partitions_removed(name: str, *keys: str) -> Fact:
    return "partitions_removed", {"set": name, "keys": list(keys)}


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
    cell = st.tuples(asset, partition, version)
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
            reads=st.sampled_from([None, {"up": {"columns": ["a"], "schema": False}}]),
        ),
        st.builds(observed, asset, partition, version, signature=version),
        st.builds(lambda pointers: published(*pointers), st.lists(pointer, min_size=1, max_size=3)),
        st.builds(lambda cells: rolled_back(*cells), st.lists(cell, min_size=1, max_size=3)),
        st.builds(failed, asset, partition, message=version, step=step),
        st.one_of(
            st.builds(judged, asset, partition, version, passed=st.booleans()),
            st.builds(claimed, asset, cells, run=run, step=step),
            st.builds(attempt_failed, asset, partition, attempt=st.integers(1, 3), run=run),
            st.builds(
                steered, st.sampled_from(["pause", "concurrency", "dance"]), st.sampled_from([None, 8, "x"]), run
            ),
            st.builds(run_started, run, cells=st.integers(0, 9)),
            st.builds(run_ended, run, state=st.sampled_from(["done", "failed"])),
            st.builds(declared, asset, st.sampled_from([[("up", "a")], [("up", "b")], []]), line=st.integers(1, 3)),
            st.builds(withdrawn, asset),
            st.builds(skipped, asset, cells),
            st.builds(blocked, asset, cells),
            st.builds(skipped_ranges, asset, st.sampled_from([(0, 0), (1, 3)]), run=run),
            st.builds(lambda asset: found_fresh((asset, [(0, 0), (2, 5)]), ("b", [(1, 1)])), asset),
            st.builds(lambda keys: partitions_added("shops", *keys), st.lists(st.sampled_from("xyz"), max_size=3)),
            st.builds(lambda keys: partitions_removed("shops", *keys), st.lists(st.sampled_from("xyz"), max_size=3)),
            st.builds(lambda asset, version: collected((asset, version)), asset, version),
            st.builds(column_lineage, asset, version, lineage),
            st.just(("pardoned", {"asset": "a", "cells": 1})),
        ),
    )


FACTS = st.lists(_facts(), min_size=1, max_size=12)
"""Groups of facts over few cells and versions, so that they meet."""


CellKey = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a cell's pointer points at: the record of the version, which checks judged it, and who moved it."""

    source: Record
    checks_version: object
    published_seq: int

    @property
    def version(self) -> object:
        return self.source.payload["version"]


def _source(records: Iterable[Record], cell: CellKey, version: object) -> Record | None:
    """Return the newest record of a cell and version."""
    found = None
    for record in records:
        named = record.payload
        if record.kind in ("materialized", "observed") and (named["asset"], named["partition"]) == cell:
            found = record if named["version"] == version else found
    return found


def pointers_by_model(records: Iterable[Record]) -> dict[CellKey, Pointer]:
    """Return the pointer of each cell after all records, one record after the other."""
    before: list[Record] = []
    cells: dict[CellKey, list[Pointer]] = {}
    for record in records:
        payload = record.payload
        moves: list[tuple[CellKey, Pointer]] = []
        if record.kind == "observed":
            cell = payload["asset"], payload["partition"]
            last = cells[cell][-1] if cell in cells else None
            checks = last.checks_version if last is not None and last.version == payload["version"] else None
            moves = [(cell, Pointer(record, checks, record.seq))]
        if record.kind == "published":
            last_named = {(asset, partition): named for asset, partition, *named in payload["cells"]}
            for cell, (version, checks) in last_named.items():
                source = _source(before, cell, version)
                if source is not None:
                    moves.append((cell, Pointer(source, checks, record.seq)))
        if record.kind == "rolled_back":
            for cell, version in {
                (asset, partition): version for asset, partition, version in payload["cells"]
            }.items():
                past = [pointer for pointer in cells.get(cell, []) if pointer.version == version]
                if past:
                    moves.append((cell, Pointer(past[-1].source, past[-1].checks_version, record.seq)))
        for cell, pointer in moves:
            cells.setdefault(cell, []).append(pointer)
        before.append(record)
    return {cell: pointers[-1] for cell, pointers in cells.items()}


def cells_by_model(records: Iterable[Record]) -> dict[CellKey, tuple[object, ...]]:
    """Return for each cell version, ordinal, recipe, checks_version, materialized_seq, published_seq and signature."""
    return {
        cell: (
            pointer.version, found["ordinal"], found.get("recipe"), pointer.checks_version,
            pointer.source.seq if pointer.source.kind == "materialized" else None, pointer.published_seq,
            found.get("signature"),
        )
        for cell, pointer in pointers_by_model(records).items()
        for found in [pointer.source.payload]
    }  # fmt: skip


def failures_by_model(records: Iterable[Record]) -> dict[CellKey, int]:
    """Return for each cell that failed and was not published since the sequence number of its newest failure."""
    records = list(records)
    pointers = pointers_by_model(records)
    newest = {(r.payload["asset"], r.payload["partition"]): r.seq for r in records if r.kind == "failed"}
    return {cell: seq for cell, seq in newest.items() if cell not in pointers or seq > pointers[cell].published_seq}
