"""What it costs to record facts durably, to fill the DuckDB index from the journal, to store it, and to ask it.

Run it: `python benchmarks/journal_and_index.py --cells 1000000`. A journal of that many cells is written as documented
format (claimed groups of 48 steps; for each cell one `materialized` with one input and two columns and one `judged`;
one `published` a group). The baseline "SQLite" stores the same facts in the same run: the standard library's, one table
with an index by cell, WAL, synchronous=FULL, a commit a group. A table goes to stderr, all figures as one JSON object
to the last line of stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import secrets
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
from blake3 import blake3

from assets_core.planning.history import batches_of_cells
from catalog.apply import apply, create_tables
from catalog.journal import Journal
from catalog.records import Line
from catalog.segments import read_lines

BASELINE = "SQLite"
GROUP = 48
PARTITIONS = 10_000
CELLS_A_RUN = 100_000
SEGMENT_BYTES = 64 * 2**20
BURST_RECORDS = 1_000

# What is aimed at on a machine with two cores, for a million cells.
AIMS = {"bytes_per_cell": 150, "rebuild_seconds": 30}

SESSION = {
    "user": "ada", "host": "engine", "process": 7, "command": ["assets", "materialize", "*"], "product": "0",
    "commit": None, "dirty": None, "identity": None, "on_behalf_of": None,
}  # fmt: skip

Fact = tuple[int, str, str]
"""Sequence number, kind, JSON text of the record."""


class Facts:
    """Makes the records of cells, one after the other; times and numbers go on from call to call."""

    def __init__(self) -> None:
        self.seq = 0
        self.cells = 0
        self._now = datetime(2026, 1, 1, tzinfo=UTC)
        hours = (datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(PARTITIONS))
        self._keys = [hour.strftime("%Y-%m-%dT%H:00Z") for hour in hours]
        self._run, self._step = "", 0

    def _fact(self, kind: str, payload: str) -> Fact:
        self.seq += 1
        at = self._now.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return self.seq, kind, f'{{"seq":{self.seq},"at":"{at}","by":1,"kind":"{kind}","v":1,"payload":{payload}}}'

    def groups(self, cells: int) -> Iterator[list[Fact]]:
        """Yield the records of so many further cells, each list what is appended as one group."""
        if self.seq == 0:
            yield [self._fact("session", json.dumps(SESSION))]
        for first in range(self.cells, self.cells + cells, GROUP):
            group = [divmod(cell, PARTITIONS) for cell in range(first, min(first + GROUP, self.cells + cells))]
            if not self._run or first // CELLS_A_RUN != (first - GROUP) // CELLS_A_RUN:
                yield self._start(first)
            if group[0][1] < GROUP:  # a new asset
                yield [self._declared(group[-1][0])]
            self._now += timedelta(microseconds=1_200_000 + secrets.randbelow(90_000))
            yield [self._claimed(group)]
            position = self.seq
            self._now += timedelta(microseconds=700_000 + secrets.randbelow(90_000))
            yield self._made(group, position)
        self.cells += cells

    def _start(self, first: int) -> list[Fact]:
        self._run, self._step = str(uuid.uuid5(uuid.NAMESPACE_OID, str(first))), 0
        payload = {"run": self._run, "kind": "materialize", "selection": "*", "partitions": None, "force": False,
                   "atomic": False, "cells": CELLS_A_RUN}  # fmt: skip
        return [self._fact("run_started", json.dumps(payload))]

    def _declared(self, number: int) -> Fact:
        upstreams = [{"name": "source", "asset": f"staging/asset_{number - 1:04}", "mapping": None, "columns": None,
                      "load": True}]  # fmt: skip
        payload = {"asset": f"staging/asset_{number:04}", "kind": "function", "partitions": {"kind": "hourly"},
                   "code_version": _code(number), "checks_version": _code(number), "upstreams": upstreams}  # fmt: skip
        return self._fact("declared", json.dumps(payload))

    def _claimed(self, group: list[tuple[int, int]]) -> Fact:
        steps = [
            [self._step + place, f"staging/asset_{number:04}", [self._keys[hour]]]
            for place, (number, hour) in enumerate(group, 1)
        ]
        payload = {"run": self._run, "started_at": self._now.isoformat(), "steps": steps}
        return self._fact("claimed", json.dumps(payload, separators=(",", ":")))

    def _made(self, group: list[tuple[int, int]], position: int) -> list[Fact]:
        facts: list[Fact] = []
        moved: list[str] = []
        random = secrets.token_hex(112 * len(group))
        for place, (number, hour) in enumerate(group):
            digits = random[224 * place : 224 * place + 224]
            version, code, ordinal, rows = digits[:64], _code(number), 438_288 + hour, 1000 + int(digits[:3], 16)
            self._step += 1
            cell = (
                f'"run":"{self._run}","step":{self._step},"asset":"staging/asset_{number:04}",'
                f'"partition":"{self._keys[hour]}"'
            )
            facts += [
                self._fact(
                    "materialized",
                    f'{{{cell},"ordinal":{ordinal},"scheme":"hourly UTC 0","version":"{version}",'
                    f'"token":"{digits[64:96]}","recipe":"{digits[96:128]}","code_version":"{code}",'
                    f'"code_lanes":"{code}","rows":{rows},"bytes":{rows * 23 + int(digits[3:5], 16)},'
                    f'"file":"staging/asset_{number:04}/{version}.parquet",'
                    f'"columns":[["id","int64","{digits[128:160]}"],["amount","double","{digits[160:192]}"]],'
                    f'"inputs":[["source",{ordinal},{ordinal + 1},"{digits[192:224]}"]],'
                    f'"position":{position},"seconds":0.{10_000 + int(digits[5:8], 16)}}}',
                ),
                self._fact(
                    "judged",
                    f'{{{cell},"version":"{version}","check":"contract","severity":"error","passed":true,'
                    '"failed_rows":0,"message":"","failures":[],"metrics":{}}',
                ),
            ]
            moved.append(f'["staging/asset_{number:04}","{self._keys[hour]}","{version}","{code}"]')
        facts.append(self._fact("published", f'{{"run":"{self._run}","cells":[{",".join(moved)}]}}'))
        return facts


def _code(number: int) -> str:
    return blake3(f"asset {number}".encode()).hexdigest()[:32]


def _line(fact: Fact) -> Line:
    return Line(fact[0], fact[1], 1, fact[2].encode(), bytes(32), "", 0)


def write_journal(folder: Path, facts: Facts, cells: int) -> int:
    """Write a journal of so many cells as docs/journal.md says, without a sync; return its bytes."""
    folder.mkdir(parents=True)
    digest, total, size = bytes(32), 0, SEGMENT_BYTES
    file = None
    for group in facts.groups(cells):
        lines: list[bytes] = []
        for _, _, text in group:
            data = text.encode()
            digest = blake3(digest + data).digest()
            lines.append(b"%b %b\n" % (digest.hex().encode(), data))
        if file is None or size >= SEGMENT_BYTES:
            if file is not None:
                file.close()
            file, size = open(folder / f"{group[0][0]:020}.jsonl", "wb"), 0  # noqa: SIM115  # closed below
        written = b"".join(lines)
        file.write(written)
        size, total = size + len(written), total + len(written)
    if file is not None:
        file.close()
    return total


def index_session(file: Path, work: Callable[[duckdb.DuckDBPyConnection], Any], *, read_only: bool = False) -> float:
    """Open an index, do some work, close it again; return the seconds of it all."""
    started = time.perf_counter()
    with duckdb.connect(":memory:") as connection:
        options = "READ_ONLY" if read_only else "STORAGE_VERSION 'v1.5.0'"
        connection.execute(f"ATTACH '{file}' AS catalog ({options})")
        connection.execute("USE catalog")
        work(connection)
        connection.execute("USE memory")
        connection.execute("DETACH catalog")
    return time.perf_counter() - started


def measure_appends(folder: Path) -> dict[str, Any]:
    """Return durable records per second for groups and threads, of the journal and of the baseline."""
    payload = {"run": str(uuid.uuid4()), "asset": "staging/asset", "cells": ["2020-01-01"], "text": "x" * 500}
    found: dict[str, Any] = {}
    for size in (1, 50):
        for threads in (1, 8):
            name = f"groups of {size}, {threads} threads"
            writer = Journal(folder / f"journal {name}", SESSION)
            ours = _rate(
                lambda _, writer=writer, size=size: writer.append([("skipped", payload)] * size), threads, size
            )
            writer.close()
            file = folder / f"{name}.sqlite"
            rows = [("2026-01-01T00:00:00.000000Z", "skipped", None, None, json.dumps(payload))] * size
            with ThreadPoolExecutor(1) as pool:
                pool.submit(lambda file=file: _sqlite(file, create=True).close()).result()
            theirs = _rate(lambda connection, rows=rows: _store(connection, rows), threads, size, file)
            found[name] = {"journal": ours, BASELINE: theirs, "ratio": ours / theirs}
    return found


def _rate(append: Callable[[Any], Any], threads: int, size: int, file: Path | None = None) -> float:
    """Return records per second of threads that append groups for two seconds, each with a connection to `file`."""
    until = time.perf_counter() + 2

    def work(_: int) -> int:
        connection = None if file is None else _sqlite(file)
        done = 0
        while time.perf_counter() < until:
            append(connection)
            done += size
        if connection is not None:
            connection.close()
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(work, range(threads))) / (time.perf_counter() - started)


def _sqlite(file: Path, *, create: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=60, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    if create:
        columns = 'seq INTEGER PRIMARY KEY, "at" TEXT, kind TEXT, asset TEXT, partition TEXT, record TEXT'
        connection.execute(f"CREATE TABLE fact ({columns})")
        connection.execute("CREATE INDEX by_cell ON fact (asset, partition)")
    return connection


def _store(connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany('INSERT INTO fact ("at", kind, asset, partition, record) VALUES (?, ?, ?, ?, ?)', rows)
    connection.execute("COMMIT")


def measure_baseline(folder: Path, cells: int) -> dict[str, float]:
    """Store the facts of cells in SQLite, a commit a group; return what it took and how long one cell's facts take."""
    file = folder / "baseline.sqlite"
    connection = _sqlite(file, create=True)
    groups = [[(None, kind, *_cell_of(kind, text), text) for _, kind, text in group] for group in Facts().groups(cells)]
    started = time.perf_counter()
    for group in groups:
        _store(connection, group)
    seconds = time.perf_counter() - started
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    asked: list[float] = []
    for hour in range(20):
        begun = time.perf_counter()
        connection = _sqlite(file)
        key = Facts()._keys[hour]
        connection.execute(
            "SELECT * FROM fact WHERE asset = ? AND partition = ?", ("staging/asset_0000", key)
        ).fetchall()
        connection.close()
        asked.append(time.perf_counter() - begun)
    return {
        "cells": cells,
        "seconds_per_million_cells": seconds * 1e6 / cells,
        "bytes_per_cell": file.stat().st_size / cells,
        "one_cell_seconds": statistics.median(asked),
    }


def _cell_of(kind: str, text: str) -> tuple[str | None, str | None]:
    if kind not in ("materialized", "judged"):
        return None, None
    payload = json.loads(text)["payload"]
    return payload["asset"], payload["partition"]


def measure_index(folder: Path, cells: int) -> dict[str, Any]:
    """Write a journal, fill an index from it, and ask it."""
    facts, file = Facts(), folder / "index.duckdb"
    started = time.perf_counter()
    journal_bytes = write_journal(folder / "journal", facts, cells)
    generated, processor = time.perf_counter() - started, time.process_time()

    def rebuild(connection: duckdb.DuckDBPyConnection) -> None:
        create_tables(connection)
        apply(connection, read_lines(folder / "journal"))

    rebuild_seconds = index_session(file, rebuild)
    processor = time.process_time() - processor
    peak, size, records = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file.stat().st_size, facts.seq
    key = ("staging/asset_0000", facts._keys[PARTITIONS // 3])
    question = "FROM cell WHERE asset = $asset AND partition = $partition"
    asked = {"asset": key[0], "partition": key[1]}
    known = [f"staging/asset_{number:04}" for number in range(-(-cells // PARTITIONS))]
    all_cells = {
        "assets": known,
        "schemes": ["hourly UTC 0"] * len(known),
        "checks": list(map(_code, range(len(known)))),
    }
    reads = {
        "one_cell_seconds": _median(
            lambda: index_session(file, lambda c: c.sql(question, params=asked).fetchall(), read_only=True)
        ),
        "planner_seconds": _median(
            lambda: index_session(file, lambda c: [*batches_of_cells(c, all_cells)], read_only=True),
            3,
        ),
    }
    tables = _table_bytes(file, folder)
    facts.cells = 0  # new versions of the first cells
    source = (_line(fact) for group in facts.groups(10 * BURST_RECORDS) for fact in group)
    bursts = [list(islice(source, BURST_RECORDS)) for _ in range(5)]
    written = statistics.median([index_session(file, lambda c, burst=burst: apply(c, burst)) for burst in bursts])
    return {
        "cells": cells, "records": records, "journal_bytes": journal_bytes, "generate_seconds": generated,
        "rebuild_seconds": rebuild_seconds, "rebuild_processor_seconds": processor, "peak_rss_bytes": peak,
        "index_bytes": size, "bytes_per_cell": size / cells,
        "bytes_per_further_column": tables["materialization_column"] / cells / 2,
        "table_bytes_per_cell": {name: size / cells for name, size in tables.items()},
        "write_session_seconds": written, **reads,
    }  # fmt: skip


def _median(measured: Callable[[], float], times: int = 7) -> float:
    return statistics.median([measured() for _ in range(times)])


def _table_bytes(file: Path, folder: Path) -> dict[str, int]:
    """Return how much larger a file is for each table, alone in it."""
    found: dict[str, int] = {}
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"ATTACH '{file}' AS catalog (READ_ONLY)")
        names = connection.sql("SELECT table_name FROM duckdb_tables() WHERE database_name = 'catalog'").fetchall()
        for (name,) in names:
            alone = folder / "alone.duckdb"
            connection.execute(f"ATTACH '{alone}' AS alone (STORAGE_VERSION 'v1.5.0')")
            connection.execute(f"CREATE TABLE alone.{name} AS FROM catalog.{name}")
            connection.execute("DETACH alone")
            found[name] = alone.stat().st_size
            alone.unlink()
    empty = min(found.values())
    return {name: size - empty for name, size in found.items() if size > empty}


def report(found: dict[str, Any]) -> None:
    """Print what a person wants to see on stderr."""
    index, baseline = found["index"], found["baseline"]
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, DuckDB {duckdb.__version__}, baseline {BASELINE}")
    say("\ndurable records a second" + " " * 14 + f"journal {BASELINE:>10}   ratio")
    for name, rates in found["appends"].items():
        say(f"  {name:<32}{rates['journal']:>10,.0f} {rates[BASELINE]:>10,.0f} {rates['ratio']:>7.1f}")
    say(f"\n{index['cells']:,} cells, {index['records']:,} records, journal {index['journal_bytes'] / 1e6:,.0f} MB")
    million = index["rebuild_seconds"] * 1e6 / index["cells"]
    rows = [
        ("rebuild, seconds", index["rebuild_seconds"], None),
        ("  of processor time", index["rebuild_processor_seconds"], None),
        ("seconds a million cells", million, baseline["seconds_per_million_cells"]),
        ("bytes a cell", index["bytes_per_cell"], baseline["bytes_per_cell"]),
        ("  of it for each column", index["bytes_per_further_column"], None),
        ("peak memory, MB", index["peak_rss_bytes"] / 1e6, None),
        (f"write session ({BURST_RECORDS} records), ms", index["write_session_seconds"] * 1e3, None),
        ("read session (one cell), ms", index["one_cell_seconds"] * 1e3, baseline["one_cell_seconds"] * 1e3),
        ("read session (planner), ms", index["planner_seconds"] * 1e3, None),
    ]
    say(" " * 36 + f"   index {BASELINE:>10}   ratio")
    for words, ours, theirs in rows:
        peer = "" if theirs is None else f" {theirs:>10,.1f} {ours / theirs:>7.2f}"
        say(f"  {words:<32}{ours:>10,.1f}{peer}")
    say("\nbytes a cell by table (each alone in a file)")
    for name, size in sorted(index["table_bytes_per_cell"].items(), key=lambda item: -item[1]):
        say(f"  {name:<32}{size:>10.1f}")
    for name, aim in AIMS.items() if index["cells"] == 1_000_000 else ():
        say(f"aim: {name} under {aim}{'' if index[name] < aim else ' (MISSED)'}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Iterable[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1_000_000, help="how many cells the index has")
    chosen = parser.parse_args([*arguments])
    with tempfile.TemporaryDirectory(prefix="assets-index-") as name:
        folder = Path(name)
        found = {
            "index": measure_index(folder, chosen.cells),
            "baseline": measure_baseline(folder, min(chosen.cells, 100_000)),
            "appends": measure_appends(folder),
        }
    report(found)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
