"""The work that every peer does, how it is timed, and the proof that it was done; no peer is named here.

Imported by the `run.py` of each peer, which hands over, for each case that the peer can do, how to get ready for it.
Needs the standard library only: a peer need not have any data library.
"""

from __future__ import annotations

import argparse
import hashlib
import ipaddress
import json
import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

CHAIN_LENGTH = 100
READERS = 1_000
DAYS = 365
FIRST_DAY = date(2013, 1, 1)
CASES = ("chain", "fan_out", "days", "batched")

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Job:
    """One case to do: `store` is the folder for data that lasts, None where nothing is stored; `scratch` is for what a
    peer has to write in any case; a `tenth` of the work is enough for a peer that is slow."""

    case: str
    store: Path | None
    scratch: Path
    tenth: bool

    @property
    def links(self) -> int:
        return CHAIN_LENGTH // 10 if self.tenth else CHAIN_LENGTH

    @property
    def readers(self) -> int:
        return READERS // 10 if self.tenth else READERS

    @property
    def days(self) -> list[str]:
        """Return the days as texts."""
        count = math.ceil(DAYS / 10) if self.tenth else DAYS
        return [(FIRST_DAY + timedelta(days=offset)).isoformat() for offset in range(count)]


@dataclass(frozen=True, slots=True)
class Ready:
    """A peer whose definitions are loaded: `work` is timed; `rows` then returns all rows of all cells that it made."""

    work: Callable[[], object]
    rows: Callable[[], Iterable[Row]]


def expected_rows(job: Job) -> list[Row]:
    """Return the rows of all cells, each cell with one."""
    if job.case == "chain":
        return [{"number": number} for number in range(job.links)]
    if job.case == "fan_out":
        return [{"number": 1}, *({"number": 1, "reader": reader} for reader in range(job.readers))]
    rows: list[Row] = []
    for day in job.days:
        number = date.fromisoformat(day).toordinal()
        order = {"day": day, "place": "JFK", "number": number, "price": number / 7}
        total = number * (number / 7)
        rows += [order, {**order, "total": total}, {"day": day, "place": "JFK", "bill": round(total, 2)}]
    return rows


def checksum(rows: Iterable[Row]) -> str:
    """Return a text that differs where a value, a day or a row does; floats count with ten digits."""
    return hashlib.sha256("\n".join(sorted(map(_canonical, rows))).encode()).hexdigest()[:16]


def _canonical(row: Row) -> str:
    return json.dumps({name: _plain(value) for name, value in sorted(row.items())})


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()[:10]
    return f"{value:.10g}" if isinstance(value, float) else value


def run(peer: Mapping[str, Callable[[Job], Ready]]) -> None:
    """Do the case that the command line names; print one line of JSON.

    Raises: SystemExit where the peer did other work than it should, or tried to reach another machine.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=sorted(peer))
    parser.add_argument("--store", type=Path, help="the folder for data that lasts; default: nothing is stored")
    parser.add_argument("--tenth", action="store_true", help="do a tenth of the work")
    chosen = parser.parse_args()
    if chosen.store is not None:
        chosen.store.mkdir(parents=True, exist_ok=True)
    attempts = _refuse_network()
    with tempfile.TemporaryDirectory(prefix="assets-peer-", ignore_cleanup_errors=True) as scratch:
        job = Job(chosen.case, chosen.store and chosen.store.resolve(), Path(scratch).resolve(), chosen.tenth)
        ready = peer[chosen.case](job)
        started, started_cpu = time.perf_counter(), time.process_time()
        ready.work()
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
        peak_rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        made, expected = list(ready.rows()), expected_rows(job)
    sums = checksum(made), checksum(expected)
    if sums[0] != sums[1]:
        raise SystemExit(f"other work was done: {len(made)} rows for {len(expected)}, checksum {sums[0]} for {sums[1]}")
    if attempts:
        raise SystemExit(f"the network was called: {sorted(set(attempts))}")
    figures = {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "cells": len(expected),
        "checksum": sums[0],
        "peak_rss_bytes": peak_rss_bytes,
        "tenth": job.tenth,
    }
    print(json.dumps(figures), flush=True)


def _refuse_network() -> list[str]:
    """Refuse connections to other machines from now on; return the list to which each attempt is added."""
    attempts: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.getaddrinfo":
            host = arguments[0]
        elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
            host = arguments[1][0]
        else:
            return
        name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
        if not _is_here(name):
            attempts.append(name)
            raise OSError(f"{name} is another machine: a benchmark calls none")

    sys.addaudithook(watch)
    return attempts


def _is_here(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified
