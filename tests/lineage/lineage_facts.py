"""A small project's journal for the tests of events and relay: payloads, and a story in which everything happens once.

`landing/weather` is external; `flights` is made daily, in batches; `delays` (SQL) reads a week of it; `regions` is a
product of day and region; `report` reads every day of `delays`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from blake3 import blake3

from assets_core.model.partitions import DailyPartitions, ProductPartitions, StaticPartitions
from catalog.journal import Journal
from catalog.records import Record
from catalog.segments import read

Fact = tuple[str, dict[str, Any]]

SESSION: dict[str, object] = {
    "user": "ada",
    "host": "engine",
    "process": 7,
    "command": ["assets", "materialize", "*"],
    "product": "0.1.0",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "dirty": True,
}
DAYS = DailyPartitions("2013-01-01", "2014-01-01", "America/New_York")
REGIONS = ProductPartitions(day=DAYS, region=StaticPartitions(["east|coast", "west"]))
SCHEMES = {"flights": DAYS, "delays": DAYS, "regions": REGIONS}
QUERY = "select day, avg(delay) as delay, count(*) from flights where delay is not null group by day"


def run_id(number: int) -> str:
    return str(UUID(int=number, version=4))


def step_id(number: int, run: int = 1) -> str:
    """Return the name by which events know a step: made from the run's name and the step's number."""
    return str(uuid5(UUID(run_id(run)), f"step {number}"))


def digest(text: str) -> str:
    """Return 64 hex digits that stand for a text."""
    return blake3(text.encode()).hexdigest()


def day(number: int) -> str:
    """Return the key of a day of 2013, counted from 0."""
    return DAYS.key(DAYS.ordinal("2013-01-01") + number)


def declared(asset: str, upstreams: Sequence[tuple[str, str]] = (), **changes: object) -> Fact:
    partitions = SCHEMES.get(asset)
    payload: dict[str, Any] = {
        "asset": asset,
        "kind": "function",
        "partitions": None if partitions is None else partitions.describe(),
        "code_version": digest(f"code of {asset}")[:32],
        "checks_version": digest(f"checks of {asset}")[:32],
        "upstreams": [
            {"name": name, "asset": upstream, "mapping": {"kind": "all"}, "columns": None, "load": True}
            for name, upstream in upstreams
        ],
        "owners": ["team:data", "user:ada"],
        "tags": {"tier": "gold"},
        "group": "flights",
        "description": f"what {asset} is",
        "file": "project/my assets.py",
        "line": 12,
        "query": None,
    }
    return "declared", payload | changes


def declarations() -> list[Fact]:
    return [
        declared("landing/weather", kind="external", line=0, description="hourly weather"),
        declared("flights", [("weather", "landing/weather")]),
        declared("delays", [("flights", "flights")], kind="sql", query=QUERY, file="project/delays.sql"),
        declared("regions", [("flights", "flights")], owners=[], tags={}, description=""),
        declared("report", [("delays", "delays")]),
    ]


def run_started(run: int) -> Fact:
    return "run_started", {
        "run": run_id(run),
        "kind": "backfill",
        "selection": "*",
        "partitions": None,
        "force": False,
        "cells": 4,
    }


def run_ended(run: int, state: str = "done") -> Fact:
    counts = {"made": 1, "fresh": 0, "failed": 2, "blocked": 3}
    return "run_ended", {"run": run_id(run), "state": state, **counts, "seconds": 1.5}


def observed(run: int, asset: str, version: str) -> Fact:
    return "observed", {
        "run": run_id(run),
        "asset": asset,
        "partition": None,
        "ordinal": 0,
        "scheme": "",
        "version": version,
        "token": digest(version)[:32],
        "signature": version,
    }


def claimed(run: int, step: int, asset: str, cells: Iterable[str | None]) -> Fact:
    return "claimed", {
        "run": run_id(run),
        "started_at": "2026-01-31T07:59:59.250000Z",
        "steps": [[step, asset, list(cells)]],
    }


def materialized(
    run: int,
    step: int,
    asset: str,
    partition: str | None,
    *,
    inputs: Sequence[tuple[str, int, int]] = (),
    position: int = 10**9,
    rows: int = 10,
    columns: Sequence[str] = ("day", "delay"),
) -> Fact:
    ordinal = 0 if partition is None else SCHEMES[asset].ordinal(partition)
    return "materialized", {
        "run": run_id(run),
        "step": step,
        "asset": asset,
        "partition": partition,
        "ordinal": ordinal,
        "scheme": "",
        "version": version(asset, partition),
        "token": digest("token")[:32],
        "recipe": digest("recipe")[:32],
        "code_version": digest(f"code of {asset}")[:32],
        "code_lanes": digest("code")[:32],
        "rows": rows,
        "bytes": rows * 100,
        "file": f"{asset}/{ordinal}.parquet",
        "columns": [[name, "int64", digest(name)] for name in columns],
        "inputs": [[name, first, end, digest("input")[:32]] for name, first, end in inputs],
        "position": position,
        "seconds": 0.25,
    }


def version(asset: str, partition: str | None) -> str:
    return digest(f"content of {asset}@{partition}")


def judged(
    run: int,
    step: int,
    asset: str,
    partition: str | None,
    check: str = "contract",
    *,
    passed: bool = True,
    severity: str = "error",
) -> Fact:
    failures = [
        {"column": "delay", "check": "not_null", "row": 3, "value": "SECRET"},
        {"column": "delay", "check": "not_null", "row": 4, "value": "SECRET"},
        {"column": None, "check": "row_count", "row": None, "value": None},
    ]
    return "judged", {
        "run": run_id(run),
        "step": step,
        "asset": asset,
        "partition": partition,
        "version": version(asset, partition),
        "check": check,
        "severity": severity,
        "passed": passed,
        "failed_rows": None if passed else 2,
        "message": "" if passed else "2 rows have no delay",
        "failures": [] if passed else failures,
        "metrics": {"rows": 10},
    }


def published(run: int, *cells: tuple[str, str | None]) -> Fact:
    moved = [[asset, partition, version(asset, partition), digest("checks")[:32]] for asset, partition in cells]
    return "published", {"run": run_id(run), "cells": moved}


def failed(run: int, step: int, asset: str, partition: str | None, message: str = "no such file") -> Fact:
    return "failed", {
        "run": run_id(run),
        "step": step,
        "asset": asset,
        "partition": partition,
        "error": "FileNotFoundError",
        "message": message,
        "traceback": f"Traceback (most recent call last): {message}",
        "seconds": 0.1,
    }


def lineage(asset: str, columns: dict[str, list[list[str]]]) -> Fact:
    return "column_lineage", {"asset": asset, "code_version": digest(f"code of {asset}")[:32], "columns": columns}


def made(run: int, step: int, asset: str, partition: str | None, **details: Any) -> list[Fact]:
    """Return the facts of a step on one cell that goes well."""
    return [
        claimed(run, step, asset, [partition]),
        materialized(run, step, asset, partition, **details),
        published(run, (asset, partition)),
    ]


DELAYS_LINEAGE = {
    "day": [["flights", "day", "identity"], ["flights", "day", "indirect"], ["flights", "delay", "indirect"]],
    "delay": [["flights", "delay", "transformed"], ["flights", "day", "indirect"], ["flights", "delay", "indirect"]],
    "*": [["flights", "day", "indirect"], ["flights", "delay", "indirect"]],
}


def story() -> list[Fact]:
    """Return the facts of four runs: one goes well, one fails in part, one is interrupted, one only judges."""
    first = DAYS.ordinal(day(0))
    three = [day(0), day(1), day(2)]
    east, west = (f"{day(0)}|east\\|coast", f"{day(0)}|west")
    return [
        *declarations(),
        run_started(1),
        observed(1, "landing/weather", "2013-12-31 etag"),
        claimed(1, 1, "flights", three),
        *(materialized(1, 1, "flights", key, inputs=[("weather", 0, 1)], rows=10 + n) for n, key in enumerate(three)),
        *(judged(1, 1, "flights", key) for key in three),
        judged(1, 1, "flights", day(1), "delays are plausible", passed=False, severity="warn"),
        published(1, *(("flights", key) for key in three)),
        claimed(1, 2, "delays", [day(0)]),
        claimed(1, 3, "delays", [day(2)]),
        materialized(1, 3, "delays", day(2), inputs=[("flights", first, first + 3)], columns=("day", "delay", "n")),
        lineage("delays", DELAYS_LINEAGE),
        materialized(1, 2, "delays", day(0), inputs=[("flights", first, first + 1)], columns=("day", "delay", "n")),
        published(1, ("delays", day(0)), ("delays", day(2))),
        claimed(1, 4, "regions", [east, west]),
        materialized(1, 4, "regions", east, inputs=[("flights", first, first + 1)]),
        materialized(1, 4, "regions", west, inputs=[("flights", first, first + 1)]),
        published(1, ("regions", east), ("regions", west)),
        *made(1, 5, "report", None, inputs=[("delays", first, first + 40), ("delays", first + 50, first + 90)]),
        ("skipped", {"run": run_id(1), "asset": "report", "cells": [None]}),
        run_ended(1),
        run_started(2),
        claimed(2, 6, "flights", [day(3), day(4), day(5)]),
        materialized(2, 6, "flights", day(3)),
        failed(2, 6, "flights", day(4)),
        judged(2, 6, "flights", day(3)),
        published(2, ("flights", day(3))),
        failed(2, 6, "flights", day(5), "disk full"),
        ("blocked", {"run": run_id(2), "asset": "delays", "cells": [day(4)], "reason": "flights failed"}),
        run_ended(2, "failed"),
        run_started(3),
        claimed(3, 7, "flights", [day(6)]),
        claimed(3, 8, "report", [None]),
        materialized(3, 8, "report", None),
        run_ended(3, "interrupted"),
        ("withdrawn", {"asset": "report"}),
        run_started(4),
        claimed(4, 9, "delays", [day(0)]),
        judged(4, 9, "delays", day(0), passed=False, severity="warn"),
        published(4, ("delays", day(0))),
        run_ended(4),
    ]


def clock() -> Iterator[datetime]:
    at = datetime(2026, 1, 31, 8, tzinfo=UTC)
    while True:
        yield at
        at += timedelta(milliseconds=1)


def write(folder: Path, facts: Sequence[Fact], group: int = 1) -> Journal:
    """Append facts to a new journal, some at a time; return it, open."""
    times = clock()
    journal = Journal(folder, SESSION, lambda: next(times))
    for begin in range(0, len(facts), group):
        journal.append(facts[begin : begin + group])
    return journal


def records(folder: Path, facts: Sequence[Fact]) -> list[Record]:
    """Return the records of a journal of these facts."""
    write(folder, facts, len(facts)).close()
    return list(read(folder))
